"""Photos in memory: few are read at a time, and no more wait for the network than fill its batches."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import numpy as np
import pytest

from mlsp.base.errors import SettingsError
from mlsp.features.engines import Engine
from mlsp.features.engines.batching_engine import BatchingEngine, BatchSettings
from mlsp.features.engines.decode_limiter import DecodeLimiter
from mlsp.models.model import load_model
from redness import ConstantEngine
from waiting import until

ENGINE = ConstantEngine(load_model().feature_spec)


class Threads:
    """Bring a photo each, and hold it until it is let go."""

    def __init__(self, places: DecodeLimiter) -> None:
        self._places = places
        self.read: list[str] = []
        self.held: list[str] = []
        self._go: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def bring(self, name: str, pixels: int) -> None:
        self._go[name] = threading.Event()
        self._threads.append(threading.Thread(target=self._hold, args=(name, pixels)))
        self._threads[-1].start()

    def let_go(self, *names: str) -> None:
        for name in names:
            self._go[name].set()

    def end(self) -> None:
        self.let_go(*self._go)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _hold(self, name: str, pixels: int) -> None:
        def read() -> tuple[str, np.ndarray[Any, Any]]:
            self.read.append(name)
            return name, np.zeros((1, pixels, 1, 3), np.uint8)

        with self._places.photo(read) as (found, views):
            assert (found, views.shape[1]) == (name, pixels)
            self.held.append(name)
            assert self._go[name].wait(10)
        self.held.remove(name)


def test_threads_fill_the_batches() -> None:
    assert DecodeLimiter(ENGINE, 3).threads == 3
    joining = BatchingEngine(ENGINE, BatchSettings(4), streams=2)
    # While each stream computes a batch, another one gathers.
    assert DecodeLimiter(joining, 3).threads == 3 + 2 * 2 * 4
    with pytest.raises(SettingsError, match="^workers must be at least 1, got 0$"):
        DecodeLimiter(ENGINE, 0)


@pytest.mark.parametrize(
    ("engine", "ahead"),
    [(ENGINE, 4 * 3), (BatchingEngine(ENGINE, BatchSettings(4), streams=2), 4 * 3 + 2 * 2 * 4)],
)
def test_few_photos_are_taken_ahead_of_their_results(engine: Engine, ahead: int) -> None:
    drawn = itertools.count()
    results = DecodeLimiter(engine, 3).map(str, iter(lambda: next(drawn), 99))
    assert [next(results) for _ in range(2)] == ["0", "1"]
    assert next(drawn) == ahead + 1
    assert list(results)[-1] == "98"


def test_photos_that_wait_are_bounded_by_pixels_in_the_order_in_which_they_come() -> None:
    joining = BatchingEngine(ENGINE, BatchSettings(9, max_pixels=10), streams=1)
    threads = Threads(DecodeLimiter(joining, 2))
    for name, pixels in (("a", 10), ("b", 5)):
        threads.bring(name, pixels)
        until(lambda name=name: name in threads.held)  # type: ignore[misc]
    # Of 20 pixels 15 are taken. There are two places to read.
    threads.bring("large", 30)
    until(lambda: "large" in threads.read)
    threads.bring("small", 5)
    until(lambda: "small" in threads.read)
    threads.bring("unread", 1)
    time.sleep(0.05)
    assert threads.held == ["a", "b"]
    assert threads.read == ["a", "b", "large", "small"]
    threads.let_go("a")
    until(lambda: threads.held == ["b"])
    time.sleep(0.05)
    # Small ones do not pass the large one, which may be alone.
    assert threads.held == ["b"]
    threads.let_go("b")
    until(lambda: threads.held == ["large"])
    until(lambda: "unread" in threads.read)
    threads.let_go("large")
    until(lambda: set(threads.held) == {"small", "unread"})
    threads.end()


def test_a_photo_that_cannot_be_read_takes_no_place() -> None:
    places = DecodeLimiter(BatchingEngine(ENGINE, BatchSettings(1), streams=1), 1)

    def broken() -> tuple[None, np.ndarray[Any, Any]]:
        raise SettingsError("broken")

    for _ in range(2):
        with pytest.raises(SettingsError, match="^broken$"), places.photo(broken):
            pass
    with (
        pytest.raises(SettingsError, match="^network$"),
        places.photo(lambda: (None, np.zeros((1, 1 << 25, 1, 3), np.uint8))),
    ):
        raise SettingsError("network")
    threads = Threads(places)
    threads.bring("whole", 1 << 25)
    until(lambda: threads.held == ["whole"])
    threads.end()
