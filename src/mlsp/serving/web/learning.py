"""The user's own taste, learned in the background from the ratings and comparisons of a page's photos."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import MlspError, SettingsError
from mlsp.culling.marks import Marks
from mlsp.features.pipeline import PhotoFeatures
from mlsp.personal import (
    Taste,
    TasteSettings,
    learn_taste,
    linear_heads,
    personal_model_folder,
    write_personal_model,
)
from mlsp.scoring.results import Score, ScoreResult
from mlsp.scoring.scorer import Scorer
from mlsp.serving.web.ended import why_ended
from mlsp.serving.web.entry import Entry
from mlsp.serving.web.live_scoring import LiveScoring
from mlsp.serving.web.rated_photos import RatedPhotos

State: TypeAlias = Literal["idle", "running", "done", "failed"]

TASTE = "taste"
# Stars that a flag alone stands for.
_STARS_OF_FLAG = {"pick": 5, "reject": 1}
_ROWS_AT_A_TIME = 200
_SECONDS_BETWEEN_LOOKS = 1.0

_log = logging.getLogger(__name__)


class BusyError(MlspError):
    """A taste is being learned already."""


class NotBetterError(MlspError):
    """No model is worth keeping."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """Ratings and comparisons of photos, by rows."""

    entries: Sequence[Entry]
    ratings: tuple[Sequence[int], Sequence[float]]
    comparisons: tuple[Sequence[int], Sequence[int]]


class TasteLearner:
    """Learns, keeps and shows the user's own taste. Safe for several threads.

    Args:
        rated: the photos, their ratings and comparisons.
        scoring: its scorer has the photos' features.
        load: loads a model that was kept.
    """

    def __init__(
        self, rated: RatedPhotos, scoring: LiveScoring, load: Callable[[Path], Scorer]
    ) -> None:
        self._rated = rated
        self._scoring = scoring
        self._load = load
        self._lock = threading.Lock()
        self._is_stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._state: State = "idle"
        self._message: str | None = None
        self._taste: Taste | None = None
        self._saved: tuple[str, Path] | None = None
        self._scorer: Scorer | None = None
        # Counts up, so that an earlier model's thread stops showing its scores.
        self._shown = 0

    @property
    def is_shown(self) -> bool:
        """True if the photos have a score of the user's taste."""
        return TASTE in self._rated.collection.columns

    @property
    def scorer(self) -> Scorer | None:
        """Scorer of the user's taste; None until one was kept."""
        return self._scorer

    def status(self) -> dict[str, Any]:
        """Return how far learning is, as JSON for the page."""
        rated, compared = self._rated.counts()
        saved = self._saved
        return {
            "state": self._state,
            "message": self._message,
            "ratings": rated,
            "comparisons": compared,
            "needed": TasteSettings().min_judgements,
            "result": None if self._taste is None else _result(self._taste),
            "saved": None if saved is None else {"name": saved[0], "folder": str(saved[1])},
        }

    def start(self) -> None:
        """Begin to learn.

        Raises:
            BusyError: it is learning already.
            SettingsError: the photos are not scored yet, or there are too few ratings and comparisons.
        """
        scorer = self._scoring.scorer
        if scorer is None:
            raise SettingsError("the model is still being loaded: try again in a moment")
        judged, needed = self._judged(), TasteSettings().min_judgements
        found = len(judged.ratings[0]) + len(judged.comparisons[0])
        if found < needed:
            raise SettingsError(
                f"too little to learn from: {found} ratings and comparisons of these photos, {needed} are needed."
                f" Rate or compare {needed - found} more"
            )
        with self._lock:
            if self._state == "running":
                raise BusyError("it is learning already: wait for it to end")
            self._state, self._message = "running", None
        self._run(lambda: self._learn(scorer, judged))

    def save(self, name: str) -> tuple[str, Path]:
        """Keep what was learned as a model, and show its scores.

        Args:
            name: of the model.

        Returns:
            Its name and folder.

        Raises:
            SettingsError: the name cannot be one.
            NotBetterError: there is nothing that predicts the user better than the default.
            OutputError: it cannot be written, or another model has the name.
        """
        scorer, taste = self._scoring.scorer, self._taste
        folder = personal_model_folder(name)
        if scorer is None or taste is None or not taste.is_better:
            raise NotBetterError(
                "no model of yours predicts you better than the default: learn first"
            )
        write_personal_model(folder, scorer.model, taste)
        with self._lock:
            self._saved = (name, folder)
            self._shown += 1
            number = self._shown
        self._run(lambda: self._show(folder, number))
        return name, folder

    def stop(self) -> None:
        """Stop soon; what is being learned is lost."""
        self._is_stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name="mlsp-learn", daemon=True)
        self._threads = [other for other in self._threads if other.is_alive()] + [thread]
        thread.start()

    def _judged(self) -> _Judged:
        by_content = {e.sha256: e for e in self._rated.collection.entries() if e.sha256}
        rating_of = self._rated.collection.rating_of
        stars = {sha256: _stars(rating_of(entry)) for sha256, entry in by_content.items()}
        rated = {sha256: found for sha256, found in stars.items() if found is not None}
        compared = self._rated.comparisons()
        used = dict.fromkeys([*rated, *(sha256 for pair in compared for sha256 in pair)])
        row = {sha256: number for number, sha256 in enumerate(used)}
        return _Judged(
            [by_content[sha256] for sha256 in used],
            ([row[sha256] for sha256 in rated], list(rated.values())),
            ([row[better] for better, _ in compared], [row[worse] for _, worse in compared]),
        )

    def _learn(self, scorer: Scorer, judged: _Judged) -> None:
        try:
            features = _features(scorer, judged.entries)
            heads = [head.name for head in scorer.model.heads]
            prior = [[e.scores[head].standing for head in heads] for e in judged.entries]
            rows, stars = judged.ratings
            better, worse = judged.comparisons
            self._taste = learn_taste(
                features,
                ratings=(np.array(rows, np.intp), np.array(stars, np.float64)),
                comparisons=(np.array(better, np.intp), np.array(worse, np.intp)),
                prior=np.array(prior, np.float64),
                heads=linear_heads(scorer.model),
            )
            self._state = "done"
        except Exception as error:
            self._message = why_ended(error, "learning")
            self._state = "failed"

    def _show(self, folder: Path, number: int) -> None:
        """Score all photos by a model that was kept, also those that are scored by the default only later."""
        try:
            self._scorer = scorer = self._load(folder)
            done: set[int] = set()
            while True:
                is_last = self._scoring.wait(0)
                waiting = [
                    entry
                    for entry in self._rated.collection.entries()
                    if entry.sha256 and entry.id not in done
                ]
                for first in range(0, len(waiting), _ROWS_AT_A_TIME):
                    some = waiting[first : first + _ROWS_AT_A_TIME]
                    results = scorer.score([entry.source for entry in some])
                    scores = {e.id: _taste_score(r) for e, r in zip(some, results, strict=True)}
                    if self._is_stopping.is_set() or number != self._shown:
                        return
                    found = {id_: score for id_, score in scores.items() if score is not None}
                    self._rated.collection.extend(TASTE, found)
                    done.update(entry.id for entry in some)
                if is_last:
                    return
                self._is_stopping.wait(_SECONDS_BETWEEN_LOOKS)
        except Exception as error:
            self._message = str(error) or type(error).__name__
            _log.exception("the scores of %s are not shown", folder)


def _stars(rating: Marks) -> float | None:
    if rating.stars is not None:
        return rating.stars
    return None if rating.flag is None else _STARS_OF_FLAG[rating.flag]


def _features(scorer: Scorer, entries: Sequence[Entry]) -> Float32Array:
    """Return features (N, C); free for photos that were scored, where features are cached."""
    rows = []
    for result in scorer.features([entry.source for entry in entries]):
        if not isinstance(result, PhotoFeatures):
            raise result.error
        if result.features.shape[:3] != (1, 1, 1):
            raise SettingsError(
                f"taste is learned from models that see a photo once and whole; {scorer.model.name!r} does not: serve with another"
            )
        rows.append(result.features[0, 0, 0])
    return np.stack(rows)


def _taste_score(result: object) -> Score | None:
    return next(iter(result.scores.values())) if isinstance(result, ScoreResult) else None


def _result(taste: Taste) -> dict[str, Any]:
    """Return what the page shows: agreement by ratings or by comparisons, whichever are more."""
    shown = max(taste.agreement, key=lambda agreement: agreement.count)
    words = {
        "ratings": f"Rank correlation of scores with your {shown.count} ratings (1 is perfect)",
        "comparisons": f"Share of your {shown.count} comparisons that scores decide as you did",
    }
    values = [shown.personal.value, shown.default.value]
    agreement, default = (round(value, 3) if np.isfinite(value) else None for value in values)
    return {
        "is_better": taste.is_better,
        "agreement": agreement,
        "default_agreement": default,
        "measure": words[shown.measure],
        "ratings": taste.rating_count,
        "comparisons": taste.comparison_count,
    }
