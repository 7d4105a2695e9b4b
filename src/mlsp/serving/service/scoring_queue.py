"""Photos of all requests in one bounded queue, scored in parallel.

Photos of many small requests and of one large one keep all cores busy alike. Which of them go through the network together, if any, is the scorer's
affair (`Scorer.in_batches`): a thread brings its photo and waits for its features. Heads read the features of several photos in the time of one, so
features are held while photos wait for a thread, and no longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mlsp.base.results import ScoreFailure, result_or_failure
from mlsp.features.pipeline import PhotoFeatures
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer

# A photo that is decoded for seconds must not hold up those that are nearly done.
_MAX_HELD_SECONDS = 0.05


class QueueFullError(Exception):
    """No more photos can wait."""


class _Batch:
    """Photos whose heads are computed together.

    Attributes:
        photos: those that have come so far.
        is_due: set when no more will come.
        results: of all photos, in their order.
    """

    results: asyncio.Task[list[ScoreResult | ScoreFailure]]

    def __init__(self) -> None:
        self.photos: list[PhotoFeatures] = []
        self.is_due = asyncio.Event()


class ScoringQueue:
    """Scores photos in threads.

    Args:
        scorer: scores them.
        threads: photos that the scorer gets at the same time.
        size: photos that may wait.
    """

    def __init__(self, scorer: Scorer, *, threads: int, size: int) -> None:
        self._steps = scorer.steps
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="mlsp-service")
        # Touched by the event loop only.
        self._open: _Batch | None = None
        self._limit = threads + size
        self._threads = threads
        self._lock = threading.Lock()
        self._held = 0
        # When each photo that is being scored was begun.
        self._begun: dict[int, float] = {}
        self._done = threading.Condition()

    @property
    def held(self) -> int:
        """Number of photos that wait or are being scored."""
        return self._held

    def reserve(self, photos: int) -> None:
        """Take slots for the photos of a request; each is given back when its photo is done.

        Where nothing waits, a request may have more photos than there are slots, or it would never be taken.

        Raises:
            QueueFullError: there are not enough.
        """
        with self._lock:
            if self._held and self._held + photos > self._limit:
                raise QueueFullError
            self._held += photos

    def _release(self) -> None:
        """Give a slot back."""
        with self._lock:
            self._held -= 1

    async def score(self, content: bytes, source: Path) -> ScoreResult | ScoreFailure:
        """Score a photo for which a slot was taken.

        A caller that stops waiting does not stop a photo that has begun, which still holds its slot; one that has not begun is dropped.
        """
        future = self._pool.submit(self._begin, content, source)
        future.add_done_callback(lambda _: self._release())
        begun = await asyncio.wrap_future(future)
        if not isinstance(begun, PhotoFeatures):
            self._finish_if_due()
            return begun
        if self._open is None:
            self._open = _Batch()
            self._open.results = asyncio.create_task(self._results(self._open))
        batch, index = self._open, len(self._open.photos)
        batch.photos.append(begun)
        self._finish_if_due()
        # Other callers wait for the batch, too.
        return (await asyncio.shield(batch.results))[index]

    def _finish_if_due(self) -> None:
        """Score the photos whose features are held, if no photo waits for a thread or the heads can read no more at a time."""
        batch = self._open
        if batch is not None and (
            self._held < self._threads or len(batch.photos) >= self._steps.heads.at_once
        ):
            self._open = None
            batch.is_due.set()

    async def _results(self, batch: _Batch) -> list[ScoreResult | ScoreFailure]:
        """Score the photos of a batch once it is due."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_MAX_HELD_SECONDS):
                await batch.is_due.wait()
        if self._open is batch:
            self._open = None
        return await asyncio.to_thread(lambda: list(self._steps.results_of(batch.photos)))

    def is_stuck(self, seconds: float) -> bool:
        """Return whether every thread has been at one photo for longer than so many seconds, so that no other is scored."""
        begun = list(self._begun.values())
        now = time.monotonic()
        return len(begun) >= self._threads and all(now - start > seconds for start in begun)

    def close(self, seconds: float) -> None:
        """Drop what has not begun, and wait for the rest, for so many seconds at most."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._done:
            self._done.wait_for(lambda: not self._begun, seconds)

    def _begin(self, content: bytes, source: Path) -> ScoreResult | ScoreFailure | PhotoFeatures:
        thread = threading.get_ident()
        self._begun[thread] = time.monotonic()
        try:
            return result_or_failure(
                source, lambda: self._steps.result_or_features(source, content)
            )
        finally:
            with self._done:
                del self._begun[thread]
                self._done.notify_all()
