"""How the service runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlsp.errors import SettingsError


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Limits of the service.

    Attributes:
        token: that callers must send as `Authorization: Bearer …`; None for no authentication.
        max_bytes: of a request's body.
        max_held_bytes: of all requests' bodies together.
        max_photos: of one request.
        queue_size: photos that may wait; further ones are answered with 503.
        timeout_s: seconds until a photo's scores must be there, waiting included; else 504.
        upload_timeout_s: seconds a caller may take to send a request.
        drain_s: seconds that requests in progress may still take once the service is to stop.

    Raises:
        SettingsError: a limit is not above 0, or the token is empty or has characters that a header cannot have.
    """

    token: str | None = field(default=None, repr=False)
    max_bytes: int = 50_000_000
    max_held_bytes: int = 1_000_000_000
    max_photos: int = 32
    queue_size: int = 256
    timeout_s: float = 30
    upload_timeout_s: float = 60
    drain_s: float = 30

    def __post_init__(self) -> None:
        for name in (
            "max_bytes",
            "max_held_bytes",
            "max_photos",
            "queue_size",
            "timeout_s",
            "upload_timeout_s",
            "drain_s",
        ):
            value = getattr(self, name)
            if not value > 0:
                raise SettingsError(f"{name} must be above 0, got {value}")
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
