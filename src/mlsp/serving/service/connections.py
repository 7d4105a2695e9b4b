"""Connections: so many that the process has descriptors left, and none that takes for ever to send a request's headers.

uvicorn limits neither. Without the first, asyncio logs thousands of lines a second once descriptors run out.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

# For the model, the photos' files, the log and the processes that decode.
_OTHER_DESCRIPTORS = 128
_MAX_CONNECTIONS = 4096
# Windows has no limit that could be asked for.
_USUAL_CONNECTIONS = 512
_SAME_LINE_SECONDS = 60


def connection_limit() -> int:
    """Return the number of connections that this process can hold, after raising its limit of descriptors as far as it may."""
    if sys.platform == "win32":
        return _USUAL_CONNECTIONS
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_CONNECTIONS + _OTHER_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
        except (OSError, ValueError):
            pass
    if soft == resource.RLIM_INFINITY:
        return _MAX_CONNECTIONS
    return max(1, min(_MAX_CONNECTIONS, soft - _OTHER_DESCRIPTORS))


class LimitedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with both limits; see `limited_protocol`."""

    max_connections: int
    header_timeout_s: float
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Take a connection, or close it."""
        if len(self.connections) >= self.max_connections:
            self.logger.warning("too many connections: further ones are closed")
            self.transport = transport
            transport.abort()
            return
        super().connection_made(transport)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        else:
            self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of a connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_headers(self) -> None:
        # Not anew with each byte, or a byte now and then would do.
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.header_timeout_s, self._close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        self._deadline = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


def limited_protocol(max_connections: int, header_timeout_s: float) -> type[LimitedProtocol]:
    """Return a protocol for `uvicorn.Config`.

    Args:
        max_connections: further ones are closed as they come.
        header_timeout_s: seconds from a connection's begin, or a request's first byte, to the end of the request's headers.
    """
    limits = {"max_connections": max_connections, "header_timeout_s": header_timeout_s}
    return type("LimitedProtocol", (LimitedProtocol,), limits)


class Once(logging.Filter):
    """Lets a line pass that did not pass within the last minute: what a flood causes is one line."""

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line passes."""
        now, text = time.monotonic(), str(record.msg)
        if now - self._passed.get(text, -_SAME_LINE_SECONDS) < _SAME_LINE_SECONDS:
            return False
        self._passed[text] = now
        return True
