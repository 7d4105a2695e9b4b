"""Scoring of a page's photos in the background, while people already look at it; again when the model is replaced."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mlsp.base.digests import file_sha256
from mlsp.base.errors import MlspError
from mlsp.base.results import ScoreFailure
from mlsp.culling.bursts import ScoredShot, take_shots
from mlsp.models.model import MODEL_FILE, Model
from mlsp.scoring.scorer import Scorer
from mlsp.serving.web.collection import Collection
from mlsp.serving.web.ended import why_ended

State: TypeAlias = Literal["loading", "scoring", "done", "failed"]

_SECONDS_BETWEEN_LOOKS = 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of scoring.

    Attributes:
        state: `loading` the model, `scoring`, `done`, or `failed`: it goes no further.
        total: photos in all.
        done: photos that have a result.
        failed: those of them that could not be scored.
        photos_per_second: mean since scoring began; 0 before.
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
    """Scoring of a collection in a thread of its own, again whenever the model's folder has another model.

    Args:
        collection: its photos are scored, in its order.
        load: loads what scores them; called in the thread.
        then: called with those that could be scored, each time all are.
        seconds_between_looks: at the model's folder.
    """

    def __init__(
        self,
        collection: Collection,
        load: Callable[[], Scorer],
        *,
        then: Callable[[Sequence[ScoredShot]], None] = lambda _: None,
        seconds_between_looks: float = _SECONDS_BETWEEN_LOOKS,
    ) -> None:
        self._collection = collection
        self._load = load
        self._then = then
        self._seconds_between_looks = seconds_between_looks
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
        """Scorer; None until it is loaded."""
        return self._scorer

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait until all photos were scored once, or scoring failed; return False if that takes longer."""
        return self._is_over.wait(seconds)

    def stop(self) -> None:
        """Stop after the photos that are being scored; what is scored is in the caches."""
        self._is_stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def progress(self) -> Progress:
        """Return how far scoring is."""
        done, total = self._done, len(self._collection.sources)
        seconds = (self._ended or time.monotonic()) - self._began if self._began else 0.0
        speed = done / seconds if seconds > 0 else 0.0
        left = round((total - done) / speed) if speed > 0 and self._state == "scoring" else None
        return Progress(
            self._state, total, done, self._failed, round(speed, 1), left, self._message
        )

    def _run(self) -> None:
        try:
            scorer = self._load()
            while True:
                self._score(scorer)
                self._is_over.set()
                changed = self._changed(scorer.model)
                if changed is None:
                    return
                scorer = changed
        except Exception as error:
            self._state, self._message = "failed", why_ended(error, "scoring")
        finally:
            self._ended = self._ended or time.monotonic()
            self._is_over.set()

    def _score(self, scorer: Scorer) -> None:
        before = () if self._scorer is None else _heads(self._scorer)
        self._scorer = scorer
        self._collection.begin(_heads(scorer), instead_of=before)
        self._done = self._failed = 0
        self._began, self._ended, self._state = time.monotonic(), 0.0, "scoring"
        scored: list[ScoredShot] = []
        with contextlib.closing(take_shots(scorer, self._collection.shots)) as results:
            for id_, result in enumerate(results):
                if isinstance(result, ScoreFailure):
                    self._collection.add(id_, result)
                    self._failed += 1
                else:
                    self._collection.add(id_, result.scored)
                    scored.append(result)
                self._done += 1
                if self._is_stopping.is_set():
                    return
        self._ended, self._state = time.monotonic(), "done"
        self._then(scored)

    def _changed(self, model: Model) -> Scorer | None:
        """Wait until the model's folder has another model; None where the page ends before."""
        file = model.folder / MODEL_FILE
        fingerprint, looked_at = model.fingerprint, None
        while not self._is_stopping.wait(self._seconds_between_looks):
            try:
                found = file.stat()
                mark = found.st_mtime_ns, found.st_size, found.st_ino
                if mark == looked_at:
                    continue
                if file_sha256(file) == fingerprint:
                    looked_at = mark
                    continue
                scorer = self._load()
                looked_at = mark
                if scorer.model.fingerprint != fingerprint:
                    return scorer
            except (MlspError, OSError) as error:
                # It may be about to be replaced: the photos keep their scores, and the next look finds it whole.
                _log.debug("the model in %s cannot be loaded again: %s", model.folder, error)
        return None


def _heads(scorer: Scorer) -> list[str]:
    return [head.name for head in scorer.model.heads]
