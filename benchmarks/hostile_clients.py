"""A service between good and hostile clients, and what the campaign of `faults.py` shares with it: rows of counts, mutated files."""

from __future__ import annotations

import concurrent.futures
import http.client
import io
import json
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from bulk import Used  # type: ignore[import-not-found]
from PIL import Image

# What a download leaves that allots its file at once: zeros, of which a few are no such fault.
Fault = Literal["cut", "filled", "changed"]
_MIN_FILLED = 512


@dataclass
class Row:
    """Counts of a kind of fault.

    Attributes:
        fault: its name.
        tries: how often it was tried.
        crashes: tries that ended in anything but an answer or a message.
        lost: rows or photos that were not there afterwards.
        false: rows or photos that were others than without the fault.
        notes: what else was counted.
    """

    fault: str
    tries: int = 0
    crashes: int = 0
    lost: int = 0
    false: int = 0
    notes: Counter[str] = field(default_factory=Counter)


def mutated(content: bytes, rng: random.Random) -> tuple[bytes, Fault]:
    """Return a mutated file, and how it was."""
    at = rng.randrange(len(content))
    length = min(rng.choice((1, 4, 64, 1024)), len(content) - at)
    other = rng.randrange(len(content))
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: content[:at],
        lambda: content[:at] + bytes(len(content) - at),
        lambda: content[:at] + bytes(length) + content[at + length :],
        lambda: content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :],
        lambda: content[:at] + rng.randbytes(length) + content[at + length :],
        lambda: content[:at] + content[other : other + length] + content[at:],
        lambda: content[:at] + content[at + length :],
        # Sizes and offsets, which stand at the begin of most formats.
        lambda: content[: at % 256] + b"\xff\xff\xff\x7f" + content[at % 256 + 4 :],
    )
    way = rng.randrange(len(ways))
    if way > 1 or (way == 1 and len(content) - at < _MIN_FILLED):
        return ways[way]() or b"\0", "changed"
    return ways[way]() or b"\0", "filled" if way else "cut"


@contextmanager
def service() -> Iterator[tuple[int, int]]:
    """Run `mlsp service`; yields its process and port, and ends it as a supervisor does."""
    command = [
        sys.executable,
        "-m",
        "mlsp",
        "service",
        "--port",
        "0",
        "--timeout",
        "20",
        "--drain",
        "5",
    ]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    address = child.stdout.readline() if child.stdout else ""
    port = int(address.rstrip("/\n").rpartition(":")[2])
    try:
        yield child.pid, port
    finally:
        child.terminate()
        try:
            child.wait(timeout=15)
        except subprocess.TimeoutExpired:
            child.kill()
            raise SystemExit("the service does not end") from None


def post(port: int, content: bytes) -> tuple[int, bytes]:
    """Send a photo; return the status and the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/v1/scores", content, {"Content-Type": "image/jpeg"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def scores_in(answer: bytes) -> object:
    """The part of an answer that must be the same each time."""
    document = json.loads(answer)
    return document.get("scores", document)


def hostile(port: int, photo: bytes, rng: random.Random, until: float) -> int:
    """Do what no client should, until a time; return how often."""
    scan = photo[photo.rindex(b"\xff\xda") : -2]
    bomb = photo[:-2] + scan * 2000 + b"\xff\xd9"
    head = b"POST /v1/scores HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: "
    tries = 0
    while time.monotonic() < until:
        tries += 1
        way = rng.randrange(4)
        with suppress(OSError, http.client.HTTPException):
            if way == 0:
                post(port, bomb)
            elif way == 1:
                post(port, mutated(photo, rng)[0])
            else:
                with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                    connection.sendall(head[: rng.randrange(len(head))] if way == 2 else head)
                    if way == 3:
                        connection.sendall(b"%d\r\n\r\n" % len(photo) + photo[: len(photo) // 2])
                    time.sleep(min(0.5, max(until - time.monotonic(), 0)))
    return tries


def besieged(
    photos: list[bytes], clients: int, seconds: float, rng: random.Random
) -> Iterator[Row]:
    """Score good photos while a tenth of the clients is hostile."""
    stream = io.BytesIO()
    Image.open(io.BytesIO(photos[0])).save(stream, "JPEG", progressive=True)
    bad, good = Row("service: hostile clients"), Row("service: good photos beside them")
    times: list[float] = []
    lock = threading.Lock()
    with service() as (process, port):
        expected = [scores_in(post(port, photo)[1]) for photo in photos]
        memory = []
        until = time.monotonic() + seconds

        def honest(first: int) -> None:
            for number in range(first, 10**9):
                if time.monotonic() > until:
                    return
                begun = time.monotonic()
                try:
                    status, answer = post(port, photos[number % len(photos)])
                except (OSError, http.client.HTTPException):
                    status, answer = 0, b""
                with lock:
                    good.tries += 1
                    times.append(time.monotonic() - begun)
                    good.notes[f"status {status}"] += status != 200
                    # 503 is an answer: the queue is full, and the client may come again.
                    good.lost += status not in (200, 503)
                    good.false += (
                        status == 200 and scores_in(answer) != expected[number % len(photos)]
                    )

        count = max(1, clients // 10)
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            attacks = [
                pool.submit(hostile, port, stream.getvalue(), random.Random(rng.random()), until)
                for _ in range(count)
            ]
            done = [pool.submit(honest, number) for number in range(clients - count)]
            for quarter in range(3, -1, -1):
                left = until - quarter * seconds / 4 - time.monotonic()
                concurrent.futures.wait(done, None if quarter == 0 else max(left, 0))
                memory.append(memory_mb(process))
        for one in done:
            one.result()
        bad.tries = sum(attack.result() for attack in attacks)
        good.crashes += post(port, photos[0])[0] != 200
    good.notes["p50 ms"] = round(statistics.median(times) * 1000)
    good.notes["p99 ms"] = round(float(np.quantile(times, 0.99)) * 1000)
    for quarter, megabytes in enumerate(memory, 1):
        good.notes[f"MB after {25 * quarter} %"] = round(megabytes)
    yield from (bad, good)


def memory_mb(process: int) -> float:
    """Memory of a process and of all that it started, each shared page counted once."""
    used = Used()
    used.look(process)
    return float(used.peak_bytes / 1e6)
