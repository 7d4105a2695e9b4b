"""Server of the page, for this machine only, until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import webbrowser
from collections.abc import Callable

import uvicorn

from mlsp.base.errors import SettingsError
from mlsp.serving import asgi
from mlsp.serving.web.app import create_app
from mlsp.serving.web.page_controller import PageController
from mlsp.serving.web.security import MAX_HEADER_BYTES, Access

# Other machines are not served: the key goes over the wire unencrypted.
_HOST = "127.0.0.1"
_WAITING_CONNECTIONS = 128
# For pictures that are being made.
_SECONDS_TO_END = 2


def serve(controller: PageController, *, port: int, ready: Callable[[str], None]) -> None:
    """Score the photos and serve their page, until the process is asked to end by SIGINT or SIGTERM.

    Args:
        controller: photos of the page; started and stopped here.
        port: 0 takes a free one.
        ready: called with the link that lets one browser in, once it can be opened.

    Raises:
        SettingsError: the port is not free.
    """
    with listen(port) as listener:
        access = Access(listener.getsockname()[1])
        server = page_server(controller, access)
        controller.start()
        try:
            ready(access.link)
            asgi.run_until_signal(server, listener)
        finally:
            controller.stop()


def page_server(controller: PageController, access: Access) -> uvicorn.Server:
    """Return a server of the page, with its limits."""
    config = uvicorn.Config(
        create_app(controller, access),
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
    """Return whether there is a browser with a window: one in the terminal would take it from the server."""
    if os.name != "posix" or sys.platform == "darwin":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_browser(link: str) -> bool:
    """Open the user's browser; False where there is none."""
    return can_open_browser() and webbrowser.open(link)


def listen(port: int) -> contextlib.closing[socket.socket]:
    """Listen on loopback, before the link is printed: browsers then wait instead of failing.

    Args:
        port: 0 takes a free one.

    Raises:
        SettingsError: the port is not free.
    """
    try:
        return contextlib.closing(asgi.listen(_HOST, port, max_waiting=_WAITING_CONNECTIONS))
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(
            f"cannot serve at port {port} ({reason}): choose another with --port, or 0 for any that is free"
        ) from error
