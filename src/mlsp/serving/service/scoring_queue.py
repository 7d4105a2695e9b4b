"""Photos of all requests in one bounded queue, scored in parallel.

Photos of many small requests and of one large one keep all cores busy alike. Which of them go through the network together, if any, is the scorer's
affair (`Scorer.in_batches`): a thread brings its photo and waits for its scores.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mlsp.base.results import ScoreFailure
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer


class QueueFullError(Exception):
    """No more photos can wait."""


class ScoringQueue:
    """Scores photos in threads.

    Args:
        scorer: scores them.
        threads: photos that the scorer gets at the same time.
        size: photos that may wait.
    """

    def __init__(self, scorer: Scorer, *, threads: int, size: int) -> None:
        self._scorer = scorer
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="mlsp-service")
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
        future = self._pool.submit(self._score, content, source)
        future.add_done_callback(lambda _: self._release())
        return await asyncio.wrap_future(future)

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

    def _score(self, content: bytes, source: Path) -> ScoreResult | ScoreFailure:
        thread = threading.get_ident()
        self._begun[thread] = time.monotonic()
        try:
            return self._scorer.score_content(content, source=source)
        finally:
            with self._done:
                del self._begun[thread]
                self._done.notify_all()
