"""The service over real sockets, with the embedded model."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
import uvicorn
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from PIL import Image

import waiting
from children import start_child
from mlsp.base.errors import SettingsError
from mlsp.base.results import ScoreFailure
from mlsp.features.engines.batching_engine import CUDA_BATCH
from mlsp.features.pipeline import PhotoFeatures
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer
from mlsp.serving.service import ServiceSettings
from mlsp.serving.service.app import Service
from mlsp.serving.service.connections import Once, connection_limit, limited_protocol
from mlsp.serving.service.serving import check_access, serve_http
from mlsp.serving.service.telemetry import LOGGER, JsonLines
from redness import ConstantEngine, RednessHead

if TYPE_CHECKING:
    from labelled_models import LabelledModel

TOKEN = "a secret of the tests"  # noqa: S105 - guards nothing


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(workers=2)


class GatedEngine:
    """The fake engine: computes while its gate is open."""

    def __init__(self, scorer: Scorer) -> None:
        self._engine = ConstantEngine(scorer.model.feature_spec)
        self.feature_spec, self.precision = self._engine.feature_spec, self._engine.precision
        self.channels = self._engine.channels
        self.gate = threading.Event()
        self.batches: list[int] = []

    def pooled(self, batch: np.ndarray) -> np.ndarray:
        self.batches.append(len(batch))
        assert self.gate.wait(10)
        return self._engine.pooled(batch)


class SlowScorer:
    """The fake model: scores as many photos as it is let."""

    def __init__(self, scorer: Scorer) -> None:
        self.model = scorer.model
        self.batches = None
        self.let = threading.Semaphore(0)
        self._begin = scorer.steps.result_or_features
        self.steps = SimpleNamespace(
            result_or_features=self._when_let,
            results_of=scorer.steps.results_of,
            heads=scorer.steps.heads,
        )

    def _when_let(self, source: Path, content: bytes) -> ScoreResult | PhotoFeatures:
        assert self.let.acquire(timeout=10)
        return self._begin(source, content)


@contextmanager
def serving(
    scorer: Any, *, workers: int = 2, connections: int = 100, **settings: Any
) -> Iterator[tuple[str, Service]]:
    service = Service(scorer, workers=workers, settings=ServiceSettings(**settings))
    protocol = limited_protocol(connections, ServiceSettings(**settings).header_timeout_s)
    config = uvicorn.Config(
        service.application,
        port=0,
        log_config=None,
        access_log=False,
        http=protocol,
        timeout_graceful_shutdown=settings.get("drain_s"),
    )
    server = uvicorn.Server(config)
    listener = config.bind_socket()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", service
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(scope="module")
def address(scorer: Scorer) -> Iterator[str]:
    with serving(scorer, max_bytes=2_000_000, max_photos=3) as (found, _):
        yield found


# The server's thread may still be at what follows an answer.
until = partial(waiting.until, seconds=5, pause=0.01)


def error_of(response: httpx.Response) -> tuple[int, str, str]:
    error = response.json()["error"]
    return response.status_code, error["kind"], error["message"]


def test_a_photo_gets_the_scorers_scores(address: str, scorer: Scorer, examples: Path) -> None:
    photo = examples / "coffee.png"
    (expected,) = scorer.score([photo])
    assert isinstance(expected, ScoreResult)
    response = httpx.post(f"{address}/v1/scores", content=photo.read_bytes())
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert re.fullmatch("[0-9a-f]{16}", response.headers["x-request-id"])
    assert response.json() == {
        "photo": None,
        "overall": expected.overall,
        "scores": {
            name: {"value": score.value, "percentile": expected.percentile(name)}
            for name, score in expected.scores.items()
        },
        "width": 600,
        "height": 400,
        "model": "default",
        "kind": expected.kind,
        "kind_probabilities": expected.kind_probabilities,
        "faults": list(expected.faults),
        "fault_probabilities": expected.fault_probabilities,
    }


def test_faults_kinds_and_what_is_no_photo(labelled: LabelledModel) -> None:
    scorer = Scorer(labelled.model.folder, workers=2)
    with serving(scorer) as (address, _):
        dark, chart = (
            httpx.post(f"{address}/v1/scores", content=labelled.photo(name).read_bytes()).json()
            for name in ("dark_chelsea.png", "chart.png")
        )
        card = httpx.get(f"{address}/v1/model").json()
    assert (dark["kind"], dark["faults"]) == ("animals", ["dark"])
    assert dark["fault_probabilities"]["dark"] > 0.9
    assert sum(dark["kind_probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert (chart["kind"], chart["overall"]) == ("not_photo", None)
    assert [score["percentile"] for score in chart["scores"].values()] == [None, None]
    assert card["faults"]["soft"] == {
        "meaning": "the whole photo is out of focus",
        "threshold": 0.8,
        "precision": 0.95,
        "measured_on": "copies out of focus",
    }
    assert list(card["kinds"])[-1] == "not_photo"


def test_several_photos_have_a_result_each_in_order(address: str, examples: Path) -> None:
    files = [
        ("photos", ("späte Blüte.png", (examples / "chelsea.png").read_bytes(), "image/png")),
        ("photos", ("notes.txt", b"no photo", "text/plain")),
        ("photos", ("coffee.png", (examples / "coffee.png").read_bytes(), "image/png")),
    ]
    response = httpx.post(f"{address}/v1/scores", files=files)
    assert response.status_code == 200
    first, second, third = response.json()["results"]
    assert [first["photo"], second["photo"], third["photo"]] == [name for _, (name, _, _) in files]
    assert first["scores"]["beauty"]["value"] > third["scores"]["beauty"]["value"]
    assert second["error"] == {
        "kind": "unsupported_photo",
        "message": "it is not in a format that is read. Expected JPEG, PNG, WebP, TIFF, HEIC,"
        " AVIF, BMP, GIF, PSD, JPEG XL or a camera's raw format: convert it",
    }


def png(width: int, height: int) -> bytes:
    import io

    stream = io.BytesIO()
    # Of one bit a pixel, as a very large one would take seconds otherwise.
    Image.new("1", (width, height)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "status", "kind", "words"),
    [
        (b"", 400, "no_photo", "the request has no body: send a photo's file"),
        (b"GIF but not", 415, "unsupported_photo", "it is not in a format that is read"),
        (b"\x89PNG\r\n\x1a\n", 422, "unreadable_photo", "damaged or truncated PNG"),
        (png(20, 20), 422, "photo_too_small", "too small: 20 × 20 pixels"),
        (png(20_000, 20_000), 413, "too_many_pixels", "20000 × 20000 = 400,000,000 pixels"),
        (
            bytes(2_000_001),
            413,
            "too_many_bytes",
            "the request's body must have at most 2,000,000 b",
        ),
    ],
)
def test_what_is_wrong_has_its_status(
    address: str,
    content: bytes,
    status: int,
    kind: str,
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, LOGGER.name)
    found_status, found_kind, message = error_of(
        httpx.post(f"{address}/v1/scores", content=content)
    )
    assert (found_status, found_kind) == (status, kind)
    assert words in message

    def logged() -> list[tuple[int | None, str | None]]:
        fields = [line.__dict__["fields"] for line in caplog.records]
        return [(one.get("status"), one.get("error")) for one in fields]

    until(lambda: (status, kind) in logged())


def test_forms_that_are_none(address: str) -> None:
    url = f"{address}/v1/scores"
    for count in (4, 5, 40):
        many = [("photos", (f"{n}.png", b"x", "image/png")) for n in range(count)]
        assert error_of(httpx.post(url, files=many))[:2] == (413, "too_many_photos")
    other = error_of(httpx.post(url, files={"image": ("a.png", b"x", "image/png")}))
    assert other == (
        400,
        "no_photo",
        "the form has no files named 'photos': send each photo as such a part, with a filename",
    )
    no_boundary = httpx.post(url, content=b"x", headers={"content-type": "multipart/form-data"})
    assert error_of(no_boundary) == (
        400,
        "malformed_form",
        "the form cannot be read: Missing boundary in multipart.",
    )


def test_a_form_that_is_cut_short_is_refused_whole(address: str, examples: Path) -> None:
    photo = (examples / "clock_motion.png").read_bytes()
    head = b'--b\r\nContent-Disposition: form-data; name="photos"; filename="a.png"\r\n\r\n'
    whole = head + photo + b"\r\n" + head + photo + b"\r\n--b--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=b"}
    url = f"{address}/v1/scores"
    for end in (len(whole) - 6, len(head + photo) + 20, len(head) + 100):
        cut = error_of(httpx.post(url, content=whole[:end], headers=headers))
        assert cut[:2] == (400, "malformed_form")
        assert "cut short" in cut[2]
    assert len(httpx.post(url, content=whole, headers=headers).json()["results"]) == 2


def test_large_forms_need_no_disk(
    address: str, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (examples / "coffee.png").read_bytes()
    padded = content + bytes(1_500_000 - len(content))
    # Where temporary files would go.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    answer = httpx.post(f"{address}/v1/scores", files={"photos": ("a.png", padded)})
    assert answer.status_code == 200


def test_a_part_with_an_extended_file_name_alone_is_a_photo(address: str, examples: Path) -> None:
    photo = (examples / "clock_motion.png").read_bytes()
    name = b"filename*=UTF-8''caf%C3%A9%22.png"
    body = b'--b\r\nContent-Disposition: form-data; name="photos"; ' + name + b"\r\n\r\n" + photo
    headers = {"content-type": "multipart/form-data; boundary=b"}
    answer = httpx.post(f"{address}/v1/scores", content=body + b"\r\n--b--\r\n", headers=headers)
    (result,) = answer.json()["results"]
    # The quote does not end the name; newer releases of python-multipart replace it.
    assert result["photo"] in {'café".png', "café_.png"}
    assert "scores" in result


def exchange(address: str, sent: bytes) -> bytes:
    """Send bytes, and return what comes until the other side closes."""
    port = int(address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(sent)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    return received


def test_two_lengths_of_one_body_are_refused_and_the_connection_is_closed(address: str) -> None:
    both = b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"
    smuggled = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    sent = b"POST /v1/scores HTTP/1.1\r\nHost: x\r\n" + both + b"\r\n0\r\n\r\n" + smuggled
    received = exchange(address, sent)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1 ") == 1


def test_headers_that_never_end_are_let_go(scorer: Scorer) -> None:
    with serving(scorer, header_timeout_s=0.3) as (address, _):
        assert exchange(address, b"") == b""
        assert exchange(address, b"GET /health HTTP/1.1\r\nHost: x\r\n") == b""
        # The same behind a request that was answered.
        again = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /he"
        assert exchange(address, again).endswith(b"ok")
        assert httpx.get(f"{address}/health").text == "ok"


def test_connections_beyond_the_limit_are_closed(scorer: Scorer) -> None:
    with serving(scorer, connections=2) as (address, _):
        port = int(address.rpartition(":")[2])
        held = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(2)]
        for _ in range(5):
            with pytest.raises(httpx.TransportError):
                httpx.get(f"{address}/health")
        for connection in held:
            connection.close()
        until(lambda: _is_healthy(address))


def _is_healthy(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health").text == "ok"
    except httpx.TransportError:
        return False


def test_connections_leave_descriptors_for_the_rest() -> None:
    limit = connection_limit()
    assert limit > 0
    if sys.platform != "win32":
        import resource

        assert limit < resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_a_flood_of_one_line_is_one_line() -> None:
    once = Once()
    lines = [logging.makeLogRecord({"msg": text}) for text in ("a", "a", "b", "a")]
    assert [once.filter(line) for line in lines] == [True, False, True, False]


def test_a_service_whose_threads_are_all_stuck_is_not_ready_and_still_ends(
    scorer: Scorer, examples: Path
) -> None:
    content = (examples / "clock_motion.png").read_bytes()
    slow = SlowScorer(scorer)
    with serving(slow, workers=2, timeout_s=0.2) as (address, _):
        with ThreadPoolExecutor(2) as pool:
            post = partial(httpx.post, f"{address}/v1/scores", content=content)
            assert [a.status_code for a in pool.map(lambda _: post(), range(2))] == [504, 504]
        stuck = httpx.get(f"{address}/ready")
        assert (stuck.status_code, stuck.text) == (503, "stuck")
        assert httpx.get(f"{address}/health").text == "ok"
        ends = time.monotonic()
    assert time.monotonic() - ends < 8
    slow.let.release(2)


def test_other_paths_and_methods(address: str) -> None:
    assert error_of(httpx.get(f"{address}/v2"))[:2] == (404, "not_found")
    wrong = httpx.put(f"{address}/v1/scores")
    assert error_of(wrong)[:2] == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"
    assert httpx.get(f"{address}/health").text == "ok"
    assert httpx.get(f"{address}/ready").text == "ok"
    assert [httpx.head(f"{address}/{path}").status_code for path in ("health", "ready")] == [
        200
    ] * 2
    assert error_of(httpx.post(f"{address}/v1/scores/"))[:2] == (404, "not_found")
    card = httpx.get(f"{address}/v1/model").json()
    assert card["name"] == "default"
    assert card["heads"]["beauty"]["highest"] == 7


def test_a_body_without_a_length_is_limited_too(address: str) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield bytes(100_000)

    assert error_of(httpx.post(f"{address}/v1/scores", content=endless()))[:2] == (
        413,
        "too_many_bytes",
    )


def test_the_token(scorer: Scorer, examples: Path) -> None:
    content = (examples / "clock_motion.png").read_bytes()
    with serving(scorer, token=TOKEN) as (address, _):
        url = f"{address}/v1/scores"
        for header in ({}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": TOKEN}):
            refused = httpx.post(url, content=content, headers=header)
            assert error_of(refused) == (
                401,
                "unauthorized",
                "expected the header Authorization: Bearer TOKEN",
            )
            assert refused.headers["www-authenticate"] == "Bearer"
        good = {"Authorization": f"bearer {TOKEN}"}
        assert httpx.post(url, content=content, headers=good).status_code == 200
        assert httpx.get(f"{address}/metrics").status_code == 401
        assert httpx.get(f"{address}/health").status_code == 200


def test_a_full_queue_and_a_slow_model(scorer: Scorer, examples: Path) -> None:
    content = (examples / "clock_motion.png").read_bytes()
    slow = SlowScorer(scorer)
    with serving(slow, workers=1, queue_size=1, timeout_s=1.5) as (address, service):
        results: list[int] = []

        def post() -> None:
            results.append(httpx.post(f"{address}/v1/scores", content=content).status_code)

        threads = [threading.Thread(target=post) for _ in range(2)]
        for number, thread in enumerate(threads, 1):
            thread.start()
            while service._queue.held < number:
                time.sleep(0.01)
        full = httpx.post(f"{address}/v1/scores", content=content)
        assert error_of(full) == (
            503,
            "queue_full",
            "too many photos are waiting: try again in a second",
        )
        assert full.headers["retry-after"] == "1"
        slow.let.release()
        for thread in threads:
            thread.join()
        # The second waited longer than it may.
        assert sorted(results) == [200, 504]
        slow.let.release(2)
        until(lambda: service._queue.held == 0)
        assert httpx.post(f"{address}/v1/scores", content=content).status_code == 200


def test_a_caller_that_leaves_takes_its_photos_along(scorer: Scorer, examples: Path) -> None:
    content = (examples / "clock_motion.png").read_bytes()
    slow = SlowScorer(scorer)
    with serving(slow, workers=1) as (address, service):
        files = [("photos", (f"{n}.png", content)) for n in range(5)]
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{address}/v1/scores", files=files, timeout=0.3)
        # The one that has begun is all that is left of it.
        until(lambda: service._queue.held == 1)
        slow.let.release(2)
        assert httpx.post(f"{address}/v1/scores", content=content).status_code == 200
        metrics = httpx.get(f"{address}/metrics").text
    assert 'mlsp_photos_total{outcome="cancelled"} 5.0' in metrics
    assert 'mlsp_requests_total{path="/v1/scores",status="499"} 1.0' in metrics


def test_what_is_not_answered_when_the_drain_ends_may_be_sent_again(
    scorer: Scorer, examples: Path
) -> None:
    content = (examples / "clock_motion.png").read_bytes()
    slow = SlowScorer(scorer)
    with ThreadPoolExecutor(1) as pool:
        with serving(slow, workers=1, drain_s=1) as (address, service):
            post = partial(httpx.post, f"{address}/v1/scores", content=content)
            answer = pool.submit(post)
            until(lambda: service._queue.held == 1)
        slow.let.release()
        stopped = answer.result()
    assert error_of(stopped) == (503, "stopping", "the service stops: try again")
    assert stopped.headers["retry-after"] == "1"


def test_a_request_of_more_photos_than_may_wait_is_taken_when_none_waits(
    scorer: Scorer, examples: Path
) -> None:
    content = (examples / "clock_motion.png").read_bytes()
    files = [("photos", (f"{n}.png", content)) for n in range(5)]
    with serving(scorer, workers=1, queue_size=1) as (address, _):
        assert httpx.post(f"{address}/v1/scores", files=files).status_code == 200


def test_heads_read_photos_together_while_others_wait(
    scorer: Scorer, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine a photo takes longer than the others may be held.
    monkeypatch.setattr("mlsp.serving.service.scoring_queue._MAX_HELD_SECONDS", 60)
    contents = [(examples / f"{name}.png").read_bytes() for name in ("clock_motion", "coffee")]
    slow = SlowScorer(scorer)
    slow.let.release(20)
    counts: list[int] = []

    def noted(held: Sequence[PhotoFeatures]) -> Iterator[ScoreResult | ScoreFailure]:
        counts.append(len(held))
        return scorer.steps.results_of(held)

    slow.steps.results_of = noted
    with serving(slow, workers=1) as (address, _):
        files = [("photos", (f"{n}.png", contents[n % 2])) for n in range(20)]
        results = httpx.post(f"{address}/v1/scores", files=files, timeout=60).json()["results"]
    assert sum(counts) == 20
    assert max(counts) == scorer.steps.heads.at_once
    expected = [scorer.score_one(content).scores["quality"].value for content in contents]
    assert [result["scores"]["quality"]["value"] for result in results] == expected * 10


def test_slow_senders_are_let_go(scorer: Scorer) -> None:
    with serving(scorer, upload_timeout_s=0.3) as (address, _):
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(
                b"POST /v1/scores HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"
            )
            connection.settimeout(5)
            assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


def test_too_much_at_once(scorer: Scorer) -> None:
    with serving(scorer, max_held_bytes=1000) as (address, service):
        full = httpx.post(f"{address}/v1/scores", content=bytes(2000))
        assert error_of(full)[:2] == (503, "memory_full")
        limits: Any = service.application
        until(lambda: limits._held_bytes == 0)


def test_metrics_count(scorer: Scorer, examples: Path) -> None:
    with serving(scorer) as (address, _):
        httpx.post(f"{address}/v1/scores", content=(examples / "clock_motion.png").read_bytes())
        httpx.post(f"{address}/v1/scores", content=b"no photo")
        httpx.get(f"{address}/whatever")
        lines = httpx.get(f"{address}/metrics").text.splitlines()
    assert 'mlsp_photos_total{outcome="scored"} 1.0' in lines
    assert 'mlsp_photos_total{outcome="unsupported_photo"} 1.0' in lines
    assert 'mlsp_requests_total{path="/v1/scores",status="200"} 1.0' in lines
    assert 'mlsp_requests_total{path="other",status="404"} 1.0' in lines
    assert 'mlsp_request_seconds_count{path="/v1/scores"} 2.0' in lines


def test_in_batches_scores_are_those_of_a_photo_alone(
    scorer: Scorer, address: str, examples: Path
) -> None:
    contents = [(examples / name).read_bytes() for name in ("coffee.png", "chelsea.png")]
    alone = [httpx.post(f"{address}/v1/scores", content=content).json() for content in contents]
    files = [
        ("photos", (str(number), contents[number % 2] if number != 3 else b"no photo", "image/png"))
        for number in range(12)
    ]
    with serving(scorer, batch_photos=4, batch_wait_ms=100) as (batched, _):
        results = httpx.post(f"{batched}/v1/scores", files=files, timeout=60).json()["results"]
        lines = httpx.get(f"{batched}/metrics").text.splitlines()
    assert [result["photo"] for result in results] == [str(number) for number in range(12)]
    assert results.pop(3)["error"]["kind"] == "unsupported_photo"
    for result in results:
        expected = alone[int(result["photo"]) % 2]["scores"]
        for head, score in result["scores"].items():
            # The features differ by the order of additions, and are then rounded to 16 bits.
            assert score["value"] == pytest.approx(expected[head]["value"], abs=2e-3)
    assert "mlsp_batch_photos_sum 11.0" in lines
    assert "mlsp_batch_photos_count 11.0" not in lines


def test_a_caller_that_leaves_a_batch_harms_no_other(scorer: Scorer, examples: Path) -> None:
    content = (examples / "clock_motion.png").read_bytes()
    engine = GatedEngine(scorer)
    gated = Scorer.of(scorer.model, engine, [RednessHead()] * 2, workers=1)
    with (
        serving(gated, workers=1, batch_photos=4, batch_wait_ms=2000) as (address, service),
        ThreadPoolExecutor(4) as pool,
    ):
        url = f"{address}/v1/scores"

        def post(timeout_s: float) -> httpx.Response:
            return httpx.post(url, content=content, timeout=timeout_s)

        leaver = pool.submit(post, 0.5)
        stayers = [pool.submit(post, 20) for _ in range(3)]
        with pytest.raises(httpx.ReadTimeout):
            leaver.result()
        engine.gate.set()
        assert [stayer.result().status_code for stayer in stayers] == [200] * 3
        assert engine.batches == [4]
        until(lambda: service._queue.held == 0)


@pytest.mark.parametrize(
    ("chosen", "threads", "joined"),
    [({}, 2 + 2 * 16, 4), ({"batch_photos": 2, "batch_wait_ms": 50}, 2 + 2 * 2, 2)],
)
def test_batches_of_a_cuda_device_stay_or_are_replaced(
    scorer: Scorer, examples: Path, chosen: dict[str, Any], threads: int, joined: int
) -> None:
    """By the embedded model's engine, joined as `Scorer` joins it there."""
    content = (examples / "clock_motion.png").read_bytes()
    engine = GatedEngine(scorer)
    gated = Scorer.of(scorer.model, engine, [RednessHead()] * 2, workers=2)
    gated = gated.in_batches(CUDA_BATCH, streams=1)
    with serving(gated, **chosen) as (address, service), ThreadPoolExecutor(5) as pool:
        pipeline: Any = service._queue._steps.pipeline
        assert service._queue._pool._max_workers == pipeline.limiter.threads == threads
        assert pipeline.engine.settings.max_pixels == CUDA_BATCH.max_pixels
        assert pipeline.engine.settings.wait_ms == chosen.get("batch_wait_ms", 0)
        answers = [pool.submit(httpx.post, f"{address}/v1/scores", content=content)]
        until(lambda: len(engine.batches) == 1)
        answers += [
            pool.submit(httpx.post, f"{address}/v1/scores", content=content) for _ in range(4)
        ]
        until(lambda: len(pipeline.engine._waiting) == 4)
        engine.gate.set()
        assert [answer.result().status_code for answer in answers] == [200] * 5
        lines = httpx.get(f"{address}/metrics").text.splitlines()
    assert engine.batches == [1, *[joined] * (4 // joined)]
    assert "mlsp_batch_photos_sum 5.0" in lines
    assert f"mlsp_batch_photos_count {len(engine.batches)}.0" in lines


def test_fuzzed_by_its_own_description(scorer: Scorer) -> None:
    """schemathesis makes requests from /openapi.json; answers must be those it promises, and no fault."""
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    with serving(scorer, max_bytes=100_000) as (address, _):
        schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
        checks = [
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ]
        tried = 0
        found: Any
        for found in schema.get_all_operations():
            operation = found.ok()

            @hypothesis_settings(
                max_examples=25,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            @schemathesis_given(operation)  # type: ignore[untyped-decorator]
            def answers(case: Any) -> None:
                nonlocal tried
                tried += 1
                case.validate_response(case.call(), checks=checks)

            answers()
        assert tried >= 20


def schemathesis_given(operation: Any) -> Any:
    from hypothesis import given

    return given(case=operation.as_strategy())


def test_an_address_that_is_taken(scorer: Scorer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError) as caught:
            serve_http(scorer, host="127.0.0.1", port=port, workers=1, settings=ServiceSettings())
    for part in (f"127.0.0.1:{port} (Address already in use)", "--host", "--port"):
        assert part in str(caught.value)


def test_log_lines_are_json() -> None:
    record = logging.LogRecord(
        "mlsp.serving.service", logging.INFO, "", 0, "answered\n%s", ("x",), None
    )
    record.fields = {"status": 200, "path": "/v1/\u2028"}
    line = JsonLines().format(record)
    assert "\n" not in line
    found = json.loads(line)
    assert found.pop("time").endswith("Z")
    assert found == {
        "level": "info",
        "message": "answered\nx",
        "status": 200,
        "path": "/v1/\u2028",
    }


def test_settings_that_cannot_be() -> None:
    with pytest.raises(SettingsError) as caught:
        ServiceSettings(queue_size=0)
    assert str(caught.value) == "queue_size must be above 0, got 0"
    with pytest.raises(SettingsError) as caught:
        ServiceSettings(batch_photos=0)
    assert str(caught.value) == "batch_photos must be above 0, got 0"
    for wait_ms in (-1, 2000, float("nan")):
        with pytest.raises(SettingsError) as caught:
            ServiceSettings(batch_wait_ms=wait_ms, timeout_s=2)
        assert str(caught.value) == (
            f"batch_wait_ms must be from 0 to below the timeout of 2000 ms, got {wait_ms:g}"
        )
    for token in ("", " x", "ü", "a\nb"):
        with pytest.raises(SettingsError) as caught:
            ServiceSettings(token=token)
        assert str(caught.value) == (
            "the token must be printable ASCII without spaces around it, at least one character: make one with"
            " `openssl rand -hex 32`"
        )
    with pytest.raises(SettingsError) as caught:
        check_access("0.0.0.0", ServiceSettings(), is_open=False)  # noqa: S104
    for part in ("0.0.0.0", "MLSP_SERVICE_TOKEN", "--no-token"):  # noqa: S104 - refused
        assert part in str(caught.value)
    check_access("127.0.0.1", ServiceSettings(), is_open=False)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_the_command_drains_and_ends(examples: Path) -> None:
    """SIGTERM while photos are being scored: they get their scores, and the process ends with 0."""
    process = start_child(
        [sys.executable, "-m", "mlsp", "service", "--port", "0", "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
        content = (examples / "hubble_deep_field.jpg").read_bytes()
        files = [("photos", (f"{n}.jpg", content, "image/jpeg")) for n in range(20)]
        answers: list[httpx.Response] = []
        url = f"{address}/v1/scores"
        thread = threading.Thread(
            target=lambda: answers.append(httpx.post(url, files=files, timeout=60))
        )
        while True:
            try:
                httpx.get(f"{address}/ready")
                break
            except httpx.ConnectError:
                time.sleep(0.05)
        thread.start()
        while "mlsp_photos_in_service 0.0" in httpx.get(f"{address}/metrics").text:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        thread.join()
        _, log = process.communicate(timeout=30)
    finally:
        process.kill()
    assert answers[0].status_code == 200
    assert [len(result["scores"]) for result in answers[0].json()["results"]] == [2] * 20
    assert process.returncode == 0
    lines = [json.loads(line) for line in log.splitlines()]
    assert lines[-1]["message"].startswith("Finished server process")
    posted = [line for line in lines if line.get("method") == "POST"]
    assert [line["status"] for line in posted] == [200]
