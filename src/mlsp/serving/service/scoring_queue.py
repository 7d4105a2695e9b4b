"""Photos of all requests in one bounded queue, scored in parallel.

Photos of many small requests and of one large one keep all cores busy alike. Which of them go through the network together, if any, is the scorer's
affair (`Scorer.in_batches`): a thread brings its photo and waits for its features. Heads read the features of several photos in the time of one, so
features are held while photos wait for a thread, and no longer.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from mlsp.base.results import ScoreFailure, result_or_failure
from mlsp.features.pipeline import PhotoFeatures
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer

# A photo that is decoded for seconds must not hold up those that are nearly done.
_MAX_HELD_SECONDS = 0.05


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
        self._steps = scorer.steps
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="mlsp-service")
        self._heads = ThreadPoolExecutor(threads, thread_name_prefix="mlsp-service-heads")
        # Touched by the event loop only.
        self._features: list[tuple[PhotoFeatures, asyncio.Future[ScoreResult | ScoreFailure]]] = []
        self._timer: asyncio.TimerHandle | None = None
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
        result: asyncio.Future[ScoreResult | ScoreFailure] = (
            asyncio.get_running_loop().create_future()
        )
        self._features.append((begun, result))
        self._finish_if_due()
        return await result

    def _finish_if_due(self) -> None:
        """Score the photos whose features are held, if no photo waits for a thread or the heads can read no more at a time."""
        loop = asyncio.get_running_loop()
        if self._held < self._threads or len(self._features) >= self._steps.heads.at_once:
            self._finish(loop)
        elif self._features and self._timer is None:
            self._timer = loop.call_later(_MAX_HELD_SECONDS, self._finish, loop)

    def _finish(self, loop: asyncio.AbstractEventLoop) -> None:
        """Score the photos whose features are held."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # Callers that left wait no more.
        held = [(photo, result) for photo, result in self._features if not result.done()]
        self._features = []
        if held:
            photos = [photo for photo, _ in held]
            call = loop.run_in_executor(self._heads, lambda: list(self._steps.results_of(photos)))
            call.add_done_callback(partial(_hand_out, [result for _, result in held]))

    def is_stuck(self, seconds: float) -> bool:
        """Return whether every thread has been at one photo for longer than so many seconds, so that no other is scored."""
        begun = list(self._begun.values())
        now = time.monotonic()
        return len(begun) >= self._threads and all(now - start > seconds for start in begun)

    def close(self, seconds: float) -> None:
        """Drop what has not begun, and wait for the rest, for so many seconds at most."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._heads.shutdown(wait=False)
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


def _hand_out(
    waiting: list[asyncio.Future[ScoreResult | ScoreFailure]],
    call: asyncio.Future[list[ScoreResult | ScoreFailure]],
) -> None:
    """Give the results of a call to the photos that wait for them, but for callers that left."""
    for index, future in enumerate(waiting):
        if future.done():
            continue
        if (error := call.exception()) is not None:
            future.set_exception(error)
        else:
            future.set_result(call.result()[index])
