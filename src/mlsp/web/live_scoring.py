"""Scores the photos of a page in the background, while people already look at it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mlsp.errors import MlspError
from mlsp.features import Failed
from mlsp.scoring import Scorer
from mlsp.web.collection import Collection

State: TypeAlias = Literal["loading", "scoring", "done", "failed"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is.

    Attributes:
        state: `loading` the model, `scoring`, `done`, or `failed`: it goes no further.
        total: photos in all.
        done: photos that have a result.
        failed: those of them that could not be scored.
        photos_per_second: on the average since scoring began; 0 before.
        seconds_left: at this speed; None where it is not known.
        message: why it failed.
    """

    state: State
    total: int
    done: int
    failed: int
    photos_per_second: float
    seconds_left: int | None
    message: str | None


class LiveScoring:
    """Scores the photos of a collection in a thread of its own.

    Args:
        collection: its photos are scored, in its order.
        load: loads what scores them; called in the thread.
    """

    def __init__(self, collection: Collection, load: Callable[[], Scorer]) -> None:
        self._collection = collection
        self._load = load
        self._thread = threading.Thread(target=self._run, name="mlsp-live", daemon=True)
        self._is_stopping = threading.Event()
        self._is_over = threading.Event()
        self._scorer: Scorer | None = None
        self._state: State = "loading"
        self._message: str | None = None
        self._done = self._failed = 0
        self._began = self._ended = 0.0

    @property
    def scorer(self) -> Scorer | None:
        """What scores; None until it is loaded."""
        return self._scorer

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait until all is scored, or it failed; False where it is not after so many seconds."""
        return self._is_over.wait(seconds)

    def stop(self) -> None:
        """Stop after the photos that are being scored; what is scored is in the caches."""
        self._is_stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def progress(self) -> Progress:
        """Say how far it is."""
        done, total = self._done, len(self._collection.sources)
        seconds = (self._ended or time.monotonic()) - self._began if self._began else 0.0
        speed = done / seconds if seconds > 0 else 0.0
        left = round((total - done) / speed) if speed > 0 and self._state == "scoring" else None
        return Progress(
            self._state, total, done, self._failed, round(speed, 1), left, self._message
        )

    def _run(self) -> None:
        try:
            self._scorer = scorer = self._load()
            self._collection.begin([head.name for head in scorer.model.heads])
            self._began, self._state = time.monotonic(), "scoring"
            with contextlib.closing(scorer.score(self._collection.sources)) as results:
                for id_, result in enumerate(results):
                    self._collection.add(id_, result)
                    self._failed += isinstance(result, Failed)
                    self._done += 1
                    if self._is_stopping.is_set():
                        return
            self._state = "done"
        except Exception as error:
            # Nobody waits for this thread: what is said here is all that anyone learns.
            self._state, self._message = "failed", str(error) or type(error).__name__
            if not isinstance(error, MlspError):
                _log.exception("scoring ended")
        finally:
            self._ended = time.monotonic()
            self._is_over.set()
