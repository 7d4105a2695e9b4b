"""Settings of the service."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlsp.base.errors import SettingsError


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Limits of the service.

    Attributes:
        token: that callers must send as `Authorization: Bearer …`; None for no authentication.
        max_bytes: of a request's body.
        max_held_bytes: of all requests' bodies together.
        max_photos: of one request.
        queue_size: photos that may wait; further ones are answered with 503.
        batch_photos: most photos of different requests that go through the network together, if they have one size there; 1 for none; by default
            as the scorer has it: 16 on a CUDA device, none on the processor.
        batch_wait_ms: milliseconds that a photo may be held back for others to join it; 0 joins only what waits anyway.
        timeout_s: seconds until a photo's scores must be there, waiting included; else 504.
        header_timeout_s: seconds a caller may take to send a request's headers.
        upload_timeout_s: seconds a caller may take to send a request.
        drain_s: seconds that requests in progress may still take once the service is to stop.

    Raises:
        SettingsError: a limit is not above 0, photos would be held back as long as they may take, or the token is empty or has characters that a header cannot have.
    """

    token: str | None = field(default=None, repr=False)
    max_bytes: int = 50_000_000
    max_held_bytes: int = 1_000_000_000
    max_photos: int = 32
    queue_size: int = 256
    batch_photos: int | None = None
    batch_wait_ms: float = 0
    timeout_s: float = 30
    header_timeout_s: float = 10
    upload_timeout_s: float = 60
    drain_s: float = 30

    def __post_init__(self) -> None:
        for name in (
            "max_bytes",
            "max_held_bytes",
            "max_photos",
            "queue_size",
            "batch_photos",
            "timeout_s",
            "header_timeout_s",
            "upload_timeout_s",
            "drain_s",
        ):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise SettingsError(f"{name} must be above 0, got {value}")
        if not 0 <= self.batch_wait_ms < 1000 * self.timeout_s:
            raise SettingsError(
                f"batch_wait_ms must be from 0 to below the timeout of {1000 * self.timeout_s:g} ms, got {self.batch_wait_ms:g}"
            )
        if self.token is not None and not (
            self.token.isascii()
            and self.token.isprintable()
            and self.token.strip() == self.token
            and self.token
        ):
            raise SettingsError(
                "the token must be printable ASCII without spaces around it, at least one character: make one with"
                " `openssl rand -hex 32`"
            )
