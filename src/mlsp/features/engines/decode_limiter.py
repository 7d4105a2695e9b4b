"""Bounds the photos that are in memory at the same time.

slot to read ─ photo read ─ room to wait ─ features computed

Threads that fill batches must be more than those that read photos, which may take hundreds of megabytes each. So a thread keeps its slot until there is room for its photo among those that wait for the network.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from mlsp.base.arrays import UInt8Array
from mlsp.base.parallel import check_workers, map_in_order
from mlsp.features.engines.batching_engine import BatchingEngine, pixel_count
from mlsp.features.engines.engine import Engine

_Item = TypeVar("_Item")
_Photo = TypeVar("_Photo")
_Result = TypeVar("_Result")


class DecodeLimiter:
    """Slots for photos that are read, and room for those that wait for the network or are being computed.

    Args:
        engine: computes the photos. If it joins them, further ones wait for it, with at most twice the pixels of its batches: while
            each stream computes a batch, another one gathers.
        workers: photos that are read at the same time, at least 1.

    Attributes:
        workers: photos that are read at the same time.
        threads: that must bring photos so that the engine is kept busy.

    Raises:
        SettingsError: `workers` is below 1.
    """

    def __init__(self, engine: Engine, workers: int) -> None:
        check_workers(workers)
        self.workers = workers
        self.threads = workers
        # Without batches there are as many threads as slots, so no photo waits.
        self._room: int | None = None
        if isinstance(engine, BatchingEngine):
            batches = 2 * engine.streams
            self.threads += batches * engine.settings.max_photos
            self._room = batches * engine.settings.max_pixels
        self._reading = threading.BoundedSemaphore(workers)
        # A large photo must not wait while small ones pass it.
        self._turn = threading.Lock()
        self._left = threading.Condition()
        self._held = 0

    def map(
        self, function: Callable[[_Item], _Result], photos: Iterable[_Item]
    ) -> Generator[_Result, None, None]:
        """Apply a function that brings a photo to many, by so many threads as keep the engine busy; see `mlsp.base.parallel.map_in_order`.

        Results that are not drawn yet are few: enough that one slow photo does not stop the others, and one for each thread that only
        waits for a batch. Wide features take megabytes per photo.
        """
        window = self.threads + 3 * self.workers
        return map_in_order(function, photos, workers=self.threads, window=window)

    @contextmanager
    def photo(
        self, read: Callable[[], tuple[_Photo, UInt8Array]]
    ) -> Iterator[tuple[_Photo, UInt8Array]]:
        """Read a photo once there is a free slot, and hold it once there is room.

        Args:
            read: returns the photo or facts of it, and its crops, (V, H, W, 3).

        Yields:
            Result of `read`, while the photo is held.
        """
        with self._reading:
            found = read()
            pixels = pixel_count(found[1])
            self._enter(pixels)
        try:
            yield found
        finally:
            self._leave(pixels)

    def _enter(self, pixels: int) -> None:
        room = self._room
        with self._turn, self._left:
            # However large a photo is, it may be alone.
            self._left.wait_for(
                lambda: room is None or not self._held or self._held + pixels <= room
            )
            self._held += pixels

    def _leave(self, pixels: int) -> None:
        with self._left:
            self._held -= pixels
            self._left.notify_all()
