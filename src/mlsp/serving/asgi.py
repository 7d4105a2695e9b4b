"""Parts that both servers share: ASGI's types, a body within its limit, an answer without the application, the socket, the end."""

from __future__ import annotations

import os
import signal
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from types import FrameType
from typing import Any, TypeAlias

import uvicorn
from uvicorn.server import HANDLED_SIGNALS

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]


class BodyTooLargeError(Exception):
    """A request's body has more bytes than are allowed."""


async def body_pieces(
    headers: Mapping[str, str], receive: Receive, max_bytes: int
) -> AsyncIterator[bytes]:
    """Read a request's body as it comes, while it is within its limit.

    Args:
        headers: of the request, by their names in lower case.
        receive: gives the messages.
        max_bytes: of the body.

    Yields:
        Pieces of the body, at least one.

    Raises:
        BodyTooLargeError: it is announced to be larger, or is.
        ConnectionResetError: the client went away.
    """
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise BodyTooLargeError
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        piece = bytes(message.get("body", b""))
        size += len(piece)
        if size > max_bytes:
            raise BodyTooLargeError
        yield piece
        if not message.get("more_body"):
            return


def replay(pieces: deque[bytes], receive: Receive) -> Receive:
    """Give a body to the application; its pieces are let go as they are taken."""

    async def replayed() -> Message:
        if not pieces:
            return await receive()
        piece = pieces.popleft()
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    return replayed


async def respond(send: Send, status: int, content: bytes, headers: Mapping[str, str]) -> None:
    """Answer a request without the application, and close the connection.

    What is left of a body that was refused would otherwise be taken for the next request.
    """
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    encoded += [(b"content-length", str(len(content)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": content})


def listen(host: str, port: int, *, max_waiting: int) -> socket.socket:
    """Listen on an address.

    Args:
        host: name or address of this machine.
        port: 0 takes a free one.
        max_waiting: connections that may wait to be accepted.

    Raises:
        OSError: the address is in use, or not this machine's.
        OverflowError: there is no such port.
    """
    family, kind, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    # The protocol is named because asyncio switches Nagle's delay off only then, which costs 40 ms per answer.
    listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            # The port of a server that has just ended can be had again. On Windows this would share it with another program.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(max_waiting)
    except (OSError, OverflowError):
        listener.close()
        raise
    return listener


def run_until_signal(server: uvicorn.Server, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; call it from the main thread, which gets them.

    uvicorn sends the signal to the process again afterwards. Asked to end and ended is no failure, so that is ignored.
    """

    def ignore(_number: int, _frame: FrameType | None) -> None:
        return

    # On Windows also Ctrl-Break, which is what ends a console program from outside there.
    before = [signal.signal(number, ignore) for number in HANDLED_SIGNALS]
    try:
        server.run(sockets=[listener])
    finally:
        for number, handler in zip(HANDLED_SIGNALS, before, strict=True):
            signal.signal(number, handler)
