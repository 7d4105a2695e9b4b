"""Access to the page: for one browser, on this machine, with the one-time key. Reasons: `docs/decisions/017-local-page.md`.

request ─ method ─ Host ─ Sec-Fetch-Site ─ key or session cookie ─ Origin, type and size of what is sent ─ application

Whatever fails is answered here; the application never sees it.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections import deque
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

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

# A rating takes 40 bytes: those of 20,000 photos together.
MAX_BODY_BYTES = 1 << 20
MAX_TARGET_BYTES = 2_048
MAX_HEADER_BYTES = 16 * 1024
# The session ends with the server in any case; a browser that is closed in between shall find its way back.
_SESSION_SECONDS = 30 * 24 * 3600
_OURS = ("same-origin", "none")

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass(slots=True)
class Access:
    """Key and session that let a browser in.

    Attributes:
        port: at which the page is served.
        key: in the link that is printed; None once a browser has brought it.
        session: what that browser got for it.
    """

    port: int
    key: str | None = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    session: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def link(self) -> str:
        """Address of the page with the key."""
        return f"http://127.0.0.1:{self.port}/?key={self.key}"

    @property
    def hosts(self) -> frozenset[str]:
        """Names of this machine under which the page is served."""
        return frozenset(f"{name}:{self.port}" for name in ("127.0.0.1", "localhost", "[::1]"))

    @property
    def cookie(self) -> str:
        """Name of the cookie; cookies do not know ports, and two pages must not take each other's."""
        return f"mlsp_session_{self.port}"

    def exchange(self, key: str) -> bool:
        """Take the key, which is void from then on; False for a wrong one."""
        if self.key is None or not _is_same(key, self.key):
            return False
        self.key = None
        return True

    def knows(self, cookies: str) -> bool:
        """Return whether a Cookie header has the session."""
        try:
            found = SimpleCookie(cookies).get(self.cookie)
        except CookieError:
            return False
        return found is not None and _is_same(found.value, self.session)


class AuthMiddleware:
    """ASGI middleware that passes authorised requests on, and adds security headers to all answers."""

    def __init__(self, application: Application, access: Access) -> None:
        self._application = application
        self._access = access

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or let the application do it."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        if scope["type"] != "http":
            # Refuses a web socket before it is open.
            await send({"type": "websocket.close", "code": 1008})
            return
        protected = _with_security_headers(send)
        try:
            body = await self._check(scope, receive, protected)
        except _Refusal as refusal:
            await _answer(protected, refusal)
            return
        if body is not None:
            await self._application(scope, replay(deque([body]), receive), protected)

    async def _check(self, scope: Message, receive: Receive, send: Send) -> bytes | None:
        """Return the body of a request that may pass; None for one that is answered already."""
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_BYTES:
            raise _Refusal(431, f"the headers are longer than {MAX_HEADER_BYTES} bytes")
        headers = _headers(scope)
        method, is_page = scope["method"], scope["path"] == "/"
        if method not in ("GET", "HEAD", "POST"):
            raise _Refusal(405, f"{method} is not used here", headers={"allow": "GET, HEAD, POST"})
        host = headers.get("host", "")
        # DNS rebinding: a page of the web whose name was made to point here comes with its own name.
        if host not in self._access.hosts:
            raise _Refusal(403, f"this page is http://127.0.0.1:{self._access.port}/ only", is_page)
        query = scope["query_string"]
        if len(scope["raw_path"]) + len(query) > MAX_TARGET_BYTES:
            raise _Refusal(414, f"the address is longer than {MAX_TARGET_BYTES} bytes")
        key = parse_qs(query.decode("latin-1")).get("key") if is_page and method == "GET" else None
        is_known = self._access.knows(headers.get("cookie", ""))
        if key is not None:
            if is_known or self._access.exchange(key[0]):
                await _let_in(send, self._access)
                return None
            raise _Refusal(403, _VOID, is_page)
        # Also other ports of this machine: cookies do not know ports, but browsers tell where a request comes from.
        if headers.get("sec-fetch-site", "none") not in _OURS:
            raise _Refusal(403, "requests of other sites are refused", is_page)
        if not is_known:
            raise _Refusal(401, _OVER, is_page)
        return await _checked_body(headers, host, receive) if method == "POST" else b""


_OVER = "This session is over, or this browser was never let in. Start mlsp serve again and open the link that it prints."
_VOID = "This link was used already, or is not the right one: it works once. Start mlsp serve again and open the link that it prints."


class _Refusal(Exception):  # noqa: N818 - an answer
    def __init__(
        self,
        status: int,
        message: str,
        is_page: bool = False,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status, self.message, self.is_page, self.headers = (
            status,
            message,
            is_page,
            headers or {},
        )


def _is_same(one: str, other: str) -> bool:
    # Bytes: texts must be ASCII, which what is sent need not be.
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())


def _headers(scope: Message) -> dict[str, str]:
    """Return headers by name; one that comes twice, other than cookie, counts as empty."""
    found: dict[str, str] = {}
    for raw_name, value in scope["headers"]:
        name = raw_name.decode("latin-1").lower()
        if name in found and name != "cookie":
            found[name] = ""
        elif name == "cookie":
            found[name] = f"{found.get(name, '')}; {value.decode('latin-1')}".removeprefix("; ")
        else:
            found[name] = value.decode("latin-1")
    return found


async def _checked_body(headers: dict[str, str], host: str, receive: Receive) -> bytes:
    if headers.get("origin") != f"http://{host}":
        raise _Refusal(403, f"what is sent must come from this page: expected Origin http://{host}")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise _Refusal(415, "what is sent must be JSON: expected Content-Type application/json")
    try:
        return b"".join([piece async for piece in body_pieces(headers, receive, MAX_BODY_BYTES)])
    except BodyTooLargeError:
        raise _Refusal(413, f"what is sent must have at most {MAX_BODY_BYTES} bytes") from None
    except ConnectionResetError:
        raise _Refusal(400, "the connection was closed") from None


def _with_security_headers(send: Send) -> Send:
    async def protected(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            names = {name.lower() for name, _ in headers}
            added = {**SECURITY_HEADERS, "cache-control": "no-store"}
            headers += [
                (name.encode(), value.encode())
                for name, value in added.items()
                if name.encode() not in names
            ]
            message = {**message, "headers": headers}
        await send(message)

    return protected


async def _answer(send: Send, refusal: _Refusal) -> None:
    if refusal.is_page:
        content = _page("mlsp", f"<p>{refusal.message}</p>")
        media_type = "text/html; charset=utf-8"
    else:
        content = json.dumps({"error": refusal.message}).encode()
        media_type = "application/json"
    await respond(send, refusal.status, content, {"content-type": media_type, **refusal.headers})


async def _let_in(send: Send, access: Access) -> None:
    """Give the cookie, and go on to the page without the key in its address."""
    # No redirect: a browser that comes from another site's link would not send the cookie with it.
    content = _page(
        "mlsp",
        '<p><a href="/">Go on to your photos</a></p>',
        '<meta http-equiv="refresh" content="0; url=/">',
    )
    cookie = f"{access.cookie}={access.session}; Path=/; HttpOnly; SameSite=Strict; Max-Age={_SESSION_SECONDS}"
    await respond(
        send, 200, content, {"content-type": "text/html; charset=utf-8", "set-cookie": cookie}
    )


def _page(title: str, body: str, head: str = "") -> bytes:
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>{head}</head>'
        f"<body><main>{body}</main></body></html>\n"
    ).encode()
