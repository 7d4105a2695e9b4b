from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from mlsp.base.errors import EngineError, SettingsError
from mlsp.features.engines.batching_engine import CUDA_BATCH, BatchingEngine, BatchSettings
from mlsp.models.model import load_model
from redness import ConstantEngine
from waiting import until

UNLIKED = 255


class GatedEngine:
    """The fake engine: computes while its gate is open, notes its batches, and cannot take photos that are white."""

    def __init__(self) -> None:
        self._engine = ConstantEngine(load_model().feature_spec)
        self.feature_spec, self.precision = self._engine.feature_spec, self._engine.precision
        self.channels = self._engine.channels
        self.gate = threading.Event()
        self.shapes: list[tuple[int, ...]] = []

    def pooled(self, batch: np.ndarray) -> np.ndarray:
        self.shapes.append(batch.shape[:3])
        assert self.gate.wait(10)
        if (batch == UNLIKED).any():
            raise EngineError("white")
        return self._engine.pooled(batch)


def photo(grey: int, height: int = 5, views: int = 1) -> np.ndarray:
    return np.full((views, height, 6, 3), grey, np.uint8)


class Callers:
    """Threads that bring a photo each, one after the other."""

    def __init__(self, engine: BatchingEngine) -> None:
        self._engine = engine
        self._pool = ThreadPoolExecutor(20)
        self.results: list[Future[Any]] = []

    def bring(self, photos: np.ndarray, *, is_computed: bool = False) -> None:
        engine = self._engine
        waiting = len(engine._waiting)
        self.results.append(self._pool.submit(engine.pooled, photos))
        if not is_computed:
            until(lambda: len(engine._waiting) == waiting + 1)

    def greys(self) -> list[float]:
        return [round(255 * float(result.result(10)[0, 0, 0, 0]), 3) for result in self.results]


@pytest.fixture
def gated() -> GatedEngine:
    return GatedEngine()


def busy(gated: GatedEngine, settings: BatchSettings, **more: Any) -> Callers:
    """Callers of an engine with one stream, which is at a photo of grey 0."""
    callers = Callers(BatchingEngine(gated, settings, streams=1, **more))
    callers.bring(photo(0), is_computed=True)
    until(lambda: len(gated.shapes) == 1)
    return callers


def test_photos_of_one_size_that_wait_share_a_batch(gated: GatedEngine) -> None:
    sizes: list[int] = []
    callers = busy(gated, BatchSettings(4), computing=sizes.append)
    for number in range(1, 11):
        callers.bring(photo(number, height=9 if number in (2, 3) else 5))
    gated.gate.set()
    assert callers.greys() == list(range(11))
    # The longest waiting first; of 4 that wait 4, of 2 both.
    assert gated.shapes == [(1, 5, 6), (4, 5, 6), (2, 9, 6), (4, 5, 6)]
    assert sizes == [1, 4, 2, 4]


def test_batches_have_few_sizes(gated: GatedEngine) -> None:
    callers = busy(gated, BatchSettings(6))
    for number in range(1, 12):
        callers.bring(photo(number))
    gated.gate.set()
    assert callers.greys() == list(range(12))
    assert [count for count, _, _ in gated.shapes] == [1, 6, 4, 1]


def test_views_of_a_photo_stay_together(gated: GatedEngine) -> None:
    callers = busy(gated, BatchSettings(4))
    for number in range(1, 5):
        callers.bring(photo(number, views=2 if number > 2 else 1))
    gated.gate.set()
    assert callers.greys() == list(range(5))
    assert [len(result.result()) for result in callers.results] == [1, 1, 1, 2, 2]
    assert [count for count, _, _ in gated.shapes] == [1, 2, 4]


def test_a_batch_has_no_more_pixels_than_it_may(gated: GatedEngine) -> None:
    # Of 5×6 pixels three photos, or one of two views, of 9×6 one; a photo of more goes alone.
    callers = busy(gated, BatchSettings(4, max_pixels=100))
    for number, (height, views) in enumerate([(5, 1)] * 4 + [(5, 2)] * 2 + [(9, 1), (9, 1)], 1):
        callers.bring(photo(number, height, views))
    callers.bring(photo(9, height=20))
    gated.gate.set()
    assert callers.greys() == list(range(10))
    assert gated.shapes == [
        (1, 5, 6),
        (3, 5, 6),
        (1, 5, 6),
        (2, 5, 6),
        (2, 5, 6),
        (1, 9, 6),
        (1, 9, 6),
        (1, 20, 6),
    ]


def test_a_batch_that_waits_takes_no_more_pixels_than_it_may(gated: GatedEngine) -> None:
    gated.gate.set()
    callers = Callers(
        BatchingEngine(gated, BatchSettings(4, wait_ms=60_000, max_pixels=60), streams=1)
    )
    for number in range(4):
        callers.bring(photo(number), is_computed=True)
    assert callers.greys() == list(range(4))
    assert gated.shapes == [(2, 5, 6)] * 2


def test_batches_of_a_cuda_device_do_not_grow_with_the_photos() -> None:
    def photos(height: int, width: int, views: int = 1) -> int:
        # Takes no memory.
        views_of_it = np.broadcast_to(np.uint8(0), (views, height, width, 3))
        return CUDA_BATCH.photos_of(views_of_it)

    assert photos(497, 629) == 16
    assert photos(1000, 1500) == 11
    assert photos(4000, 6000) == 1
    assert photos(435, 550, views=8) == 8
    assert photos(4000, 6000, views=8) == 1


def test_a_photo_that_the_network_cannot_take_fails_alone(gated: GatedEngine) -> None:
    callers = busy(gated, BatchSettings(4))
    for grey in (1, UNLIKED, 3, 4):
        callers.bring(photo(grey))
    gated.gate.set()
    bad = callers.results.pop(2)
    assert callers.greys() == [0, 1, 3, 4]
    with pytest.raises(EngineError, match="^white$"):
        bad.result(10)
    assert [count for count, _, _ in gated.shapes] == [1, 4, 1, 1, 1, 1]


def test_without_waiting_a_lone_photo_is_computed_at_once(gated: GatedEngine) -> None:
    gated.gate.set()
    engine = BatchingEngine(gated, BatchSettings(8), streams=1)
    started = time.monotonic()
    for _ in range(20):
        engine.pooled(photo(1))
    assert time.monotonic() - started < 2
    assert [count for count, _, _ in gated.shapes] == [1] * 20


def test_a_photo_is_held_back_no_longer_than_it_may(gated: GatedEngine) -> None:
    gated.gate.set()
    engine = BatchingEngine(gated, BatchSettings(8, wait_ms=200), streams=1)
    callers = Callers(engine)
    started = time.monotonic()
    for number in range(3):
        callers.bring(photo(number), is_computed=True)
    assert callers.greys() == [0, 1, 2]
    assert 0.2 <= time.monotonic() - started < 3
    # Three came; batches have few sizes.
    assert [count for count, _, _ in gated.shapes] == [2, 1]


def test_a_full_batch_waits_no_longer(gated: GatedEngine) -> None:
    gated.gate.set()
    engine = BatchingEngine(gated, BatchSettings(3, wait_ms=60_000), streams=2)
    callers = Callers(engine)
    for number in range(6):
        callers.bring(photo(number), is_computed=True)
    assert callers.greys() == list(range(6))
    assert [count for count, _, _ in gated.shapes] == [3, 3]


def test_settings_that_cannot_be(gated: GatedEngine) -> None:
    with pytest.raises(SettingsError) as caught:
        BatchSettings(0)
    assert str(caught.value) == "a batch must be at least 1 photo, got 0"
    for wait_ms in (-1, float("nan"), float("inf")):
        with pytest.raises(SettingsError) as caught:
            BatchSettings(2, wait_ms=wait_ms)
        assert str(caught.value) == (
            f"a batch must wait 0 milliseconds or more for others, got {wait_ms}"
        )
    with pytest.raises(SettingsError) as caught:
        BatchSettings(2, max_pixels=0)
    assert str(caught.value) == "a batch must be at least 1 pixel, got 0"
    with pytest.raises(SettingsError) as caught:
        BatchingEngine(gated, BatchSettings(2), streams=0)
    assert str(caught.value) == "streams must be at least 1, got 0"
