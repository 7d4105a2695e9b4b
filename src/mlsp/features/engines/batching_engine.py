"""Joins photos that several threads bring at the same time into batches of one engine.

thread ─ photo ┐                            ┌ features ─ thread
thread ─ photo ┼ waiting ─ those of one size ┼ features ─ thread
thread ─ photo ┘           one call each    └ features ─ thread

Only photos that have to wait anyway, because all streams of the engine are busy, are joined, unless the settings let a stream wait for more.
`mlsp.features.engines.decode_limiter` decides how many threads bring photos.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from mlsp.base.arrays import Float32Array, UInt8Array
from mlsp.base.errors import SettingsError
from mlsp.features.engines.engine import Engine, Precision
from mlsp.features.spec import FeatureSpec


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """Size of batches, and how long photos wait for others.

    Attributes:
        max_photos: per batch, at least 1.
        wait_ms: milliseconds that a photo may be held back for others of its size, at least 0; 0 joins only photos that wait already.
        max_pixels: of the views of all photos of a batch, at least 1, so that the engine's memory does not grow with the photos. A
            photo with more is computed alone.

    Raises:
        SettingsError: a number is out of range.
    """

    max_photos: int
    wait_ms: float = 0
    # 64 squares of 512 pixels.
    max_pixels: int = 1 << 24

    def __post_init__(self) -> None:
        if self.max_photos < 1:
            raise SettingsError(f"a batch must be at least 1 photo, got {self.max_photos}")
        if not 0 <= self.wait_ms < float("inf"):
            raise SettingsError(
                f"a batch must wait 0 milliseconds or more for others, got {self.wait_ms}"
            )
        if self.max_pixels < 1:
            raise SettingsError(f"a batch must be at least 1 pixel, got {self.max_pixels}")

    def photos_of(self, views: UInt8Array) -> int:
        """Return the maximum number of photos per batch for views of this shape, (V, H, W, 3)."""
        return max(1, min(self.max_photos, self.max_pixels // pixel_count(views)))


# Several times as fast as photos one by one (docs/results/cuda.md); larger ones were not tried.
CUDA_BATCH = BatchSettings(16)


def pixel_count(views: UInt8Array) -> int:
    """Count the pixels of all views of a photo, (V, H, W, 3)."""
    return math.prod(views.shape[:3])


@dataclass(slots=True, eq=False)
class _Waiting:
    """Views of a photo that waits, and the future of their features."""

    views: UInt8Array
    features: Future[Float32Array] = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)


class BatchingEngine:
    """Engine whose calls from several threads share batches.

    A photo's features are those it has alone, up to the order of additions (see `Engine`'s contract test). When a batch fails, each of
    its photos is computed alone, so that one that the network cannot take fails no other.

    Args:
        engine: computes.
        settings: how photos are joined.
        streams: batches computed at the same time.
        computing: called with the number of photos before each call of the engine, from several threads.

    Attributes:
        engine: that computes.
        settings: of the batches.
        streams: batches computed at the same time.

    Raises:
        SettingsError: `streams` is below 1.
    """

    def __init__(
        self,
        engine: Engine,
        settings: BatchSettings,
        *,
        streams: int,
        computing: Callable[[int], None] = lambda photos: None,
    ) -> None:
        if streams < 1:
            raise SettingsError(f"streams must be at least 1, got {streams}")
        self.engine = engine
        self.settings = settings
        self.streams = streams
        self._computing = computing
        self._pool = ThreadPoolExecutor(streams, thread_name_prefix="mlsp-batch")
        self._joined = threading.Condition()
        self._waiting: list[_Waiting] = []
        # Batches that wait for more, at most one per stream.
        self._open: list[list[_Waiting]] = []

    @property
    def feature_spec(self) -> FeatureSpec:
        """Spec of its features."""
        return self.engine.feature_spec

    @property
    def precision(self) -> Precision:
        """Number format in which it computes."""
        return self.engine.precision

    @property
    def channels(self) -> int:
        """Number of channels of its features."""
        return self.engine.channels

    def pooled(self, batch: UInt8Array) -> Float32Array:
        """Compute the features of a photo's views, maybe together with others; see `Engine.pooled`."""
        photo = _Waiting(batch)
        with self._joined:
            if not self._joins_open(photo):
                self._waiting.append(photo)
                # One call per photo: those whose photo another call took find nothing to do.
                self._pool.submit(self._compute_next)
        return photo.features.result()

    def _joins_open(self, photo: _Waiting) -> bool:
        limit = self.settings.photos_of(photo.views)
        for group in self._open:
            if len(group) < limit and _fit(group[0], photo):
                group.append(photo)
                self._joined.notify_all()
                return True
        return False

    def _compute_next(self) -> None:
        group = self._take()
        if group:
            self._compute(group)

    def _take(self) -> list[_Waiting]:
        """Take the photo that waits longest, and others of its size."""
        with self._joined:
            if not self._waiting:
                return []
            first = self._waiting[0]
            limit = self.settings.photos_of(first.views)
            group = [photo for photo in self._waiting if _fit(first, photo)][:limit]
            self._waiting = [photo for photo in self._waiting if photo not in group]
            left = first.since + self.settings.wait_ms / 1000 - time.monotonic()
            if len(group) < limit and left > 0:
                self._open.append(group)
                self._joined.wait_for(lambda: len(group) >= limit, left)
                self._open.remove(group)
            size = _usual_size(len(group), limit)
            rest = group[size:]
            self._waiting = rest + self._waiting
            for _ in rest:
                self._pool.submit(self._compute_next)
        return group[:size]

    def _compute(self, group: list[_Waiting]) -> None:
        try:
            self._computing(len(group))
            views = [photo.views for photo in group]
            features = self.engine.pooled(np.concatenate(views) if len(views) > 1 else views[0])
        except Exception as error:
            if len(group) == 1:
                group[0].features.set_exception(error)
                return
            for photo in group:
                self._compute([photo])
            return
        first = 0
        for photo in group:
            photo.features.set_result(features[first : first + len(photo.views)])
            first += len(photo.views)


def _fit(first: _Waiting, photo: _Waiting) -> bool:
    return photo.views.shape == first.views.shape


def _usual_size(photos: int, limit: int) -> int:
    """Return the size of the batch where so many photos wait: a power of two, or the limit.

    An engine prepares itself for each shape of batch that it meets; the rest is the next batch.
    """
    return limit if photos >= limit else 1 << (photos.bit_length() - 1)
