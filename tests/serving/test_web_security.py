"""Who may use the page: a real server on loopback, and what programs and pages of the web might try."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mlsp.serving.web.security import MAX_BODY_BYTES, SECURITY_HEADERS
from mlsp.serving.web.server import listen
from served_page import Served, make_photos, serving

JSON = {"content-type": "application/json"}
OVER = "This session is over, or this browser was never let in. Start mlsp serve again and open the link that it prints."


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("photos")
    with serving(make_photos(folder / "p"), folder / "r.sqlite") as served:
        yield served
        # Nothing of what was tried below left anything.
        assert served.controller.rated.ratings.ratings() == []


def stranger(served: Served) -> httpx.Client:
    return httpx.Client(base_url=served.origin)


def raw(served: Served, request: str, *, body: bytes = b"") -> tuple[int, str]:
    """Send bytes as they are: clients tidy up what they send."""
    session = f"{served.access.cookie}={served.access.session}"
    text = request.format(port=served.access.port, cookie=f"Cookie: {session}")
    with socket.create_connection(("127.0.0.1", served.access.port), timeout=10) as connection:
        connection.sendall(text.replace("\n", "\r\n").encode("latin-1") + body)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return int(answer.split()[1]), answer.decode("latin-1")


def test_without_the_key_nothing_is_told(served: Served) -> None:
    with stranger(served) as client:
        for path in ("/api/status", "/api/photos", "/api/thumbnail/0", "/static/page.js", "/x"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()) == (401, {"error": OVER})
        page = client.get("/")
        assert page.status_code == 401
        assert OVER in page.text
        answer = client.post("/api/undo", json={}, headers={"origin": served.origin})
        assert answer.status_code == 401
        client.cookies.set(served.access.cookie, "x" * 43)
        assert client.get("/api/status").status_code == 401
        client.cookies.set(served.access.cookie, served.access.session[:-1])
        assert client.get("/api/status").status_code == 401


def test_the_key_is_void_once_used(tmp_path: Path) -> None:
    with serving(make_photos(tmp_path / "p"), tmp_path / "r.sqlite") as served:
        # `serving` has used it.
        assert served.access.key is None
        with stranger(served) as client:
            for key in ("x", "None", served.access.session):
                answer = client.get("/", params={"key": key})
                assert answer.status_code == 403
                assert "it works once" in answer.text
                assert "set-cookie" not in answer.headers
        served.access.key = "fresh"
        with stranger(served) as client:
            assert client.head("/", params={"key": "fresh"}).status_code == 401
            assert client.get("/", params={"key": "wrong"}).status_code == 403
            assert client.get("/api/status", params={"key": "fresh"}).status_code == 401
            first = client.get("/", params={"key": "fresh"})
            assert first.status_code == 200
            name, *attributes = first.headers["set-cookie"].split("; ")
            assert name == f"mlsp_session_{served.access.port}={served.access.session}"
            assert attributes[:3] == ["Path=/", "HttpOnly", "SameSite=Strict"]
            assert '<meta http-equiv="refresh" content="0; url=/">' in first.text
            assert client.get("/api/status").status_code == 200
            # Whoever was let in may open the link again.
            assert client.get("/", params={"key": "fresh"}).status_code == 200
        with stranger(served) as late:
            assert late.get("/", params={"key": "fresh"}).status_code == 403


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.evil.example:{port}",
        "127.0.0.1:{port}.evil.example",
        "0.0.0.0:{port}",
        "",
    ],
)
def test_other_names_are_refused(served: Served, host: str) -> None:
    status, answer = raw(
        served, f"GET /api/status HTTP/1.1\nHost: {host}\nConnection: close\n{{cookie}}\n\n"
    )
    assert status == 403
    assert f"this page is http://127.0.0.1:{served.access.port}/ only" in answer
    assert "revision" not in answer


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_names_of_this_machine_are_served(served: Served, host: str) -> None:
    request = f"GET /api/status HTTP/1.1\nHost: {host}:{{port}}\nConnection: close\n{{cookie}}\n\n"
    assert raw(served, request)[0] == 200


def test_no_host_or_two_are_refused(served: Served) -> None:
    for hosts in ("", "Host: 127.0.0.1:{port}\nHost: evil.example\n"):
        status, _ = raw(
            served, f"GET /api/status HTTP/1.1\n{hosts}Connection: close\n{{cookie}}\n\n"
        )
        assert status in (400, 403)
    assert raw(served, "GET /api/status HTTP/1.0\n{cookie}\n\n")[0] == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
def test_requests_of_other_sites_are_refused(served: Served, site: str) -> None:
    headers = {"sec-fetch-site": site, "origin": served.origin, **JSON}
    answer = served.client.post("/api/ratings", content=b'{"id":0,"stars":1}', headers=headers)
    assert (answer.status_code, answer.json()) == (
        403,
        {"error": "requests of other sites are refused"},
    )
    assert served.client.get("/api/photos", headers=headers).status_code == 403
    assert served.client.get("/", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://evil.example",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1",
        "http://localhost:{port}",
    ],
)
def test_what_other_origins_send_is_refused(served: Served, origin: str | None) -> None:
    headers = dict(JSON)
    if origin is not None:
        headers["origin"] = origin.format(port=served.access.port)
    answer = served.client.post("/api/ratings", content=b'{"id":0,"stars":1}', headers=headers)
    assert (answer.status_code, answer.json()) == (
        403,
        {"error": f"what is sent must come from this page: expected Origin {served.origin}"},
    )


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_only_json_is_taken(served: Served, media_type: str) -> None:
    headers = {"origin": served.origin, "content-type": media_type}
    answer = served.client.post("/api/ratings", content=b'{"id":0,"stars":1}', headers=headers)
    assert (answer.status_code, answer.json()) == (
        415,
        {"error": "what is sent must be JSON: expected Content-Type application/json"},
    )


def test_too_much_is_refused(served: Served) -> None:
    headers = {"origin": served.origin, **JSON}
    too_large = {"error": f"what is sent must have at most {MAX_BODY_BYTES} bytes"}
    body = json.dumps({"id": 0, "stars": 1}).encode()
    padded = body + b" " * (MAX_BODY_BYTES - len(body) + 1)
    answer = served.client.post("/api/comparisons", content=padded, headers=headers)
    assert (answer.status_code, answer.json()) == (413, too_large)
    # Without an announced length, and with one that is never sent.
    head = (
        "POST /api/comparisons HTTP/1.1\nHost: 127.0.0.1:{port}\nOrigin: http://127.0.0.1:{port}\n{cookie}\n"
        "Content-Type: application/json\n"
    )
    # One byte more than is taken.
    chunks = b"%x\r\n" % MAX_BODY_BYTES + b" " * MAX_BODY_BYTES + b"\r\n1\r\n \r\n0\r\n\r\n"
    assert raw(served, head + "Transfer-Encoding: chunked\n\n", body=chunks)[0] == 413
    assert raw(served, head + "Content-Length: 99999999999\n\n")[0] == 413
    assert served.client.get(f"/api/photos?x={'y' * 3000}").status_code == 414
    status, _ = raw(served, "GET / HTTP/1.1\nHost: 127.0.0.1:{port}\nX: " + "y" * 40_000 + "\n\n")
    assert status == 431


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(served: Served, method: str) -> None:
    answer = served.client.request(
        method, "/api/ratings", headers={"origin": "http://evil.example"}
    )
    assert (answer.status_code, answer.json()) == (405, {"error": f"{method} is not used here"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/%2e%2e/errors.py",
        "/static/....//app.py",
        "/static//etc/passwd",
        "/static/%00page.js",
        "/static/..\\app.py",
        "/../../etc/passwd",
        "/api/thumbnail/../../../etc/passwd",
        "/api/photo/%2fetc%2fpasswd",
        "/api/explain/0/..%2f..%2fx",
        "/openapi.json",
        "/docs",
    ],
)
def test_paths_lead_nowhere(served: Served, path: str) -> None:
    status, answer = raw(
        served, f"GET {path} HTTP/1.1\nHost: 127.0.0.1:{{port}}\nConnection: close\n{{cookie}}\n\n"
    )
    assert status in (400, 404, 422)
    assert "root:" not in answer
    assert "import annotations" not in answer


def test_web_sockets_are_refused(served: Served) -> None:
    status, _ = raw(
        served,
        "GET /api/status HTTP/1.1\nHost: 127.0.0.1:{port}\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nConnection: close\n\n",
    )
    assert status in (400, 401, 403)


def test_every_answer_has_the_security_headers(served: Served) -> None:
    answers = [
        served.client.get(path) for path in ("/", "/api/status", "/static/page.js", "/nothing")
    ]
    answers.append(served.client.get("/api/thumbnail/0"))
    answers.append(served.client.put("/"))
    with stranger(served) as client:
        answers += [client.get("/"), client.get("/?key=x")]
    for answer in answers:
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name] == value
        assert "cache-control" in answer.headers
        assert "server" not in answer.headers
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert "frame-ancestors 'none'" in SECURITY_HEADERS["content-security-policy"]
    assert "unsafe" not in SECURITY_HEADERS["content-security-policy"]


def test_cookies_beside_ours_do_not_matter(served: Served) -> None:
    ours = f"{served.access.cookie}={served.access.session}"
    with stranger(served) as client:
        for cookies in (f"a=b; {ours}", f"{ours}; mlsp_session_1=x"):
            assert client.get("/api/status", headers={"cookie": cookies}).status_code == 200
        for cookies in ("", "=", "\x7f;;", "é=é", f"x{ours}"):
            headers = {b"cookie": cookies.encode("latin-1")}
            found = client.get("/api/status", headers=headers)
            assert found.status_code == 401


def test_it_listens_on_loopback_without_delay() -> None:
    with listen(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        # What asyncio looks at: with Nagle's delay on, an answer of two writes takes 40 ms.
        assert listener.proto == socket.IPPROTO_TCP
