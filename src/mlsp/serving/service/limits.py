"""Limits on requests before the application sees them (token, size, time to send), and their lines in the log."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
import uuid
from collections import deque
from dataclasses import dataclass

from mlsp.serving.asgi import (
    Application,
    BodyTooLargeError,
    Message,
    Receive,
    Send,
    body_pieces,
    replay,
    respond,
)
from mlsp.serving.service.settings import ServiceSettings
from mlsp.serving.service.telemetry import LOGGER, Metrics

# Whoever watches the service need not know the token; these answers are no secret.
OPEN_PATHS = frozenset({"/health", "/ready"})
# No status of HTTP, but of nginx's log: nobody is there to be answered.
CLIENT_LEFT = 499
KNOWN_PATHS = frozenset({"/v1/scores", "/v1/model", "/metrics", "/openapi.json", *OPEN_PATHS})


class Refusal(Exception):  # noqa: N818 - an answer
    """A request that is answered without the application.

    Attributes:
        status: HTTP's.
        kind: for programs.
        message: for people.
    """

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind, self.message = status, kind, message


@dataclass(slots=True)
class _Held:
    """Bytes of a request's body that are in memory."""

    size: int = 0


class Limits:
    """ASGI middleware that applies the limits and logs every answer."""

    def __init__(
        self, application: Application, settings: ServiceSettings, metrics: Metrics
    ) -> None:
        self._application = application
        self._settings = settings
        self._metrics = metrics
        self._held_bytes = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or let the application do it."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        started = time.perf_counter()
        request = uuid.uuid4().hex[:16]
        answered = 0
        # The application writes the kind of its errors here.
        state = scope.setdefault("state", {})

        async def note(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request.encode()),
                ]
            await send(message)

        async def refuse(refusal: Refusal) -> None:
            state["error_kind"] = refusal.kind
            await _answer(note, refusal)

        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        held = _Held()
        try:
            _check_framing(headers)
            self._check_token(scope["path"], headers)
            pieces = await self._body(headers, receive, held)
            await self._application(scope, replay(pieces, receive), note)
        except Refusal as refusal:
            await refuse(refusal)
        except ConnectionResetError:
            answered, state["error_kind"] = CLIENT_LEFT, "cancelled"
        except asyncio.CancelledError:
            # The server ends what is not answered when the time to drain is over.
            if answered:
                raise
            await refuse(Refusal(503, "stopping", "the service stops: try again"))
        finally:
            self._held_bytes -= held.size
            self._note(scope, request, answered or 500, time.perf_counter() - started, held.size)

    def _check_token(self, path: str, headers: dict[str, str]) -> None:
        if self._settings.token is None or path in OPEN_PATHS:
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        expected = self._settings.token.encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            token.strip().encode("utf-8", "replace"), expected
        ):
            raise Refusal(401, "unauthorized", "expected the header Authorization: Bearer TOKEN")

    async def _body(self, headers: dict[str, str], receive: Receive, held: _Held) -> deque[bytes]:
        """Read a body while it is within the limits, in the pieces in which it comes."""
        limit = self._settings.max_bytes
        pieces: deque[bytes] = deque()
        try:
            async with asyncio.timeout(self._settings.upload_timeout_s):
                async for piece in body_pieces(headers, receive, limit):
                    pieces.append(piece)
                    held.size += len(piece)
                    self._held_bytes += len(piece)
                    if self._held_bytes > self._settings.max_held_bytes:
                        raise Refusal(
                            503,
                            "memory_full",
                            "too much is being sent at once: try again in a second",
                        )
        except BodyTooLargeError:
            message = f"the request's body must have at most {limit:,} bytes"
            raise Refusal(413, "too_many_bytes", message) from None
        except TimeoutError:
            raise Refusal(
                408,
                "upload_timeout",
                f"the request was not sent within {self._settings.upload_timeout_s:g} s",
            ) from None
        return pieces

    def _note(
        self, scope: Message, request: str, status: int, seconds: float, sent_bytes: int
    ) -> None:
        # Paths that are not ours would make a counter each.
        path = scope["path"] if scope["path"] in KNOWN_PATHS else "other"
        self._metrics.requests.labels(path, str(status)).inc()
        self._metrics.seconds.labels(path).observe(seconds)
        fields = {
            "request": request,
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "bytes": sent_bytes,
            "milliseconds": round(1000 * seconds, 1),
            "client": (scope.get("client") or ("",))[0],
        }
        if "error_kind" in scope["state"]:
            fields["error"] = scope["state"]["error_kind"]
        LOGGER.info("answered", extra={"fields": fields})


def _check_framing(headers: dict[str, str]) -> None:
    """Refuse two statements of a body's length, of which a proxy may believe the other; the connection is closed, too."""
    if "content-length" in headers and "transfer-encoding" in headers:
        raise Refusal(
            400,
            "bad_request",
            "the request has both Content-Length and Transfer-Encoding: send one",
        )


async def _answer(send: Send, refusal: Refusal) -> None:
    content = json.dumps({"error": {"kind": refusal.kind, "message": refusal.message}}).encode()
    headers = {"content-type": "application/json"}
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    if refusal.status == 503:
        headers["retry-after"] = "1"
    await respond(send, refusal.status, content, headers)
