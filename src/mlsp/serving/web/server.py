"""Serves the page to this machine, until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import webbrowser
from collections.abc import Callable
from types import FrameType

import uvicorn

from mlsp.base.errors import SettingsError
from mlsp.serving.web.app import create_app
from mlsp.serving.web.page_controller import PageController
from mlsp.serving.web.security import MAX_HEADER_BYTES, Access

# Other machines are not served: who may see the photos is decided by a key that goes over the wire in the open.
_HOST = "127.0.0.1"
_WAITING_CONNECTIONS = 128
# For pictures that are being made.
_SECONDS_TO_END = 2


def serve(desk: PageController, *, port: int, ready: Callable[[str], None]) -> None:
    """Score the photos and serve their page, until the process is asked to end by SIGINT or SIGTERM.

    Args:
        desk: the photos; started and stopped here.
        port: 0 takes a free one.
        ready: called with the link that lets one browser in, once it can be opened.

    Raises:
        SettingsError: the port is not free.
    """
    with listen(port) as listener:
        access = Access(listener.getsockname()[1])
        server = page_server(desk, access)
        desk.start()
        try:
            ready(access.link)
            _run(server, listener)
        finally:
            desk.stop()


def page_server(desk: PageController, access: Access) -> uvicorn.Server:
    """What serves the page, with its limits."""
    config = uvicorn.Config(
        create_app(desk, access),
        # Not httptools, which reads headers without end.
        http="h11",
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_SECONDS_TO_END,
    )
    return uvicorn.Server(config)


def can_open_browser() -> bool:
    """Whether there is a browser with a window: one in the terminal would take it from the server."""
    if os.name != "posix" or sys.platform == "darwin":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_browser(link: str) -> bool:
    """Open the user's browser; False where there is none."""
    return can_open_browser() and webbrowser.open(link)


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    """Run until a signal. uvicorn sends it to the process again afterwards; asked to end and ended is no failure."""

    def ignore(_number: int, _frame: FrameType | None) -> None:
        return

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, ignore) for number in numbers]
    try:
        server.run(sockets=[listener])
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def listen(port: int) -> contextlib.closing[socket.socket]:
    """Listen on loopback.

    Args:
        port: 0 takes a free one.

    Raises:
        SettingsError: the port is not free.
    """
    # The protocol is named because asyncio switches Nagle's delay off only then, which costs 40 ms an answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            # The port of a server that has just ended can be had again. On Windows this would share it with another program.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        # Before it is said that the page can be opened: browsers then wait instead of failing.
        listener.listen(_WAITING_CONNECTIONS)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(
            f"cannot serve at port {port} ({reason}): choose another with --port, or 0 for any that is free"
        ) from error
    return contextlib.closing(listener)
