"""A web server on this machine that files are downloaded from, and that misbehaves as it is told."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlsp.backbones import WeightsFile


@dataclass
class Site:
    """A web server and how it behaves."""

    url: str
    # What records of its files say.
    published: bytes
    # What it serves: the same, unless it is told otherwise.
    content: bytes = b""
    # Files by their path on the server; any other path has the content above.
    files: dict[str, Path] = field(default_factory=dict)
    is_chunked: bool = False
    # For each of the first connections: bytes after which it is cut, or the status it gives instead of the file.
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    redirect: str | None = None
    paths: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.content = self.content or self.published

    @property
    def connections(self) -> int:
        return len(self.paths)

    def record(self, **known: str | int | tuple[str, ...] | None) -> WeightsFile:
        defaults: dict[str, str | int | None] = {
            "url": self.url,
            "sha256": hashlib.sha256(self.published).hexdigest(),
            "size_bytes": len(self.published),
            "license": "CC0-1.0",
            "layout": "keras",
        }
        return WeightsFile(**(defaults | known))  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        site = self.site
        site.paths.append(self.path)
        self.close_connection = True
        if site.redirect:
            self.send_response(302)
            self.send_header("Location", site.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if site.statuses:
            self.send_error(site.statuses.pop(0))
            return
        self.send_response(200)
        file = site.files.get(self.path)
        body = file.read_bytes() if file else site.content
        if site.is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if site.is_chunked:
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        # A client that has seen enough hangs up.
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body[: site.cuts.pop(0)] if site.cuts else body)


@contextlib.contextmanager
def serve_site(content: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Serve these bytes as `some weights.h5`."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class OwnHandler(_Handler):
        pass

    with ThreadingHTTPServer(("127.0.0.1", 0), OwnHandler) as server:
        OwnHandler.site = Site(f"http://127.0.0.1:{server.server_port}/some%20weights.h5", content)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield OwnHandler.site
        server.shutdown()
        thread.join()
