"""The user's own taste, learned in the background from the ratings and comparisons of a page's photos."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from mlsp.base.errors import MlspError, SettingsError
from mlsp.base.results import ScoreFailure
from mlsp.base.text import printable
from mlsp.personal import (
    Judgements,
    Taste,
    TasteSettings,
    check_base,
    learn_from_photos,
    personal_model_folder,
    read_judged_photos,
    write_personal_model,
)
from mlsp.photos.listing import shown_name
from mlsp.scoring.results import Score, ScoreResult
from mlsp.scoring.scorer import Scorer
from mlsp.serving.web.ended import why_ended
from mlsp.serving.web.live_scoring import LiveScoring
from mlsp.serving.web.rated_photos import RatedPhotos

State: TypeAlias = Literal["idle", "running", "done", "failed"]

TASTE = "taste"
_ROWS_AT_A_TIME = 200
_SECONDS_BETWEEN_LOOKS = 1.0


class BusyError(MlspError):
    """A taste is being learned already."""


class NotBetterError(MlspError):
    """No model is worth keeping."""


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
        self._left_out: Sequence[ScoreFailure] = ()
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
            "left_out": [self._told(failure) for failure in self._left_out],
            "result": None if self._taste is None else _result(self._taste),
            "saved": None if saved is None else {"name": saved[0], "folder": str(saved[1])},
        }

    def start(self) -> None:
        """Begin to learn.

        Raises:
            BusyError: it is learning already.
            SettingsError: the photos are not scored yet, or there are too few ratings and comparisons.
            ModelError: no taste can be learned on the model's features.
        """
        scorer = self._scoring.scorer
        if scorer is None:
            raise SettingsError("the model is still being loaded: try again in a moment")
        check_base(scorer)
        judgements, needed = self._rated.judgements(), TasteSettings().min_judgements
        found = len(judgements.ratings) + len(judgements.comparisons)
        if found < needed:
            raise SettingsError(
                f"too little to learn from: {found} ratings and comparisons of these photos, {needed} are needed."
                f" Rate or compare {needed - found} more"
            )
        with self._lock:
            if self._state == "running":
                raise BusyError("it is learning already: wait for it to end")
            self._state, self._message, self._left_out = "running", None, ()
        self._run(lambda: self._learn(scorer, judgements))

    def save(self, name: str) -> tuple[str, Path]:
        """Keep what was learned as a model, and show its scores.

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

    def _told(self, failure: ScoreFailure) -> dict[str, str]:
        photo, _ = shown_name(failure.source, self._rated.collection.root)
        return {"photo": photo, "error": printable(str(failure.error))}

    def _learn(self, scorer: Scorer, judgements: Judgements) -> None:
        try:
            photos = read_judged_photos(scorer, judgements)
            self._left_out = photos.failed
            self._taste = learn_from_photos(photos, scorer.model)
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
            self._message = why_ended(error, f"scoring by {folder}")


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
