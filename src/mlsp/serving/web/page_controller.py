"""Controller of a page: its photos, their scores, ratings, explanations and sidecars."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from mlsp.base.errors import PhotoError, SettingsError, unknown_name
from mlsp.base.text import printable
from mlsp.culling.looking import CloseUps
from mlsp.culling.shots import Shot
from mlsp.explaining import Explainer, heat_map_png
from mlsp.personal.following import AnyCache
from mlsp.personal.user_ratings import UserRatings
from mlsp.photos import DecodeSettings, read_photo
from mlsp.reports.rows import label_meanings
from mlsp.scoring.scorer import Scorer
from mlsp.serving.web.collection import Collection
from mlsp.serving.web.entry import Entry
from mlsp.serving.web.file_marks import FileMarks
from mlsp.serving.web.learning import TASTE, TasteLearner
from mlsp.serving.web.live_scoring import LiveScoring
from mlsp.serving.web.photo_export import PhotoExport
from mlsp.serving.web.rated_photos import RatedPhotos
from mlsp.serving.web.sidecar_export import SidecarExport
from mlsp.serving.web.stacks import Stacks

Load: TypeAlias = Callable[[Path | str], Scorer]
_HEAT_MAP_SIDE = 1600


class PageController:
    """Controller of a page: its photos, their scores, ratings, explanations and sidecars. Safe for several threads.

    Args:
        shots: what the page shows.
        ratings: file of the user's ratings.
        load: loads a model by name or folder; called in a thread.
        model: name or folder of the model that scores the photos.
        faces: whether the best of a burst is chosen by its faces too.
        max_pixels: photos of a burst with more are not looked at.
        close_ups: cache of what they show at full size; None caches nothing.
        caches: all of them, in which photos that are written stay known.
        left_out: what else is in the folders, in words (`mlsp.culling.left_out`).
    """

    def __init__(
        self,
        shots: Sequence[Shot],
        ratings: UserRatings,
        load: Load,
        *,
        model: str = "default",
        faces: bool = True,
        max_pixels: int | None = None,
        close_ups: CloseUps | None = None,
        caches: Sequence[AnyCache] = (),
        left_out: str = "",
    ) -> None:
        self.model = printable(model)
        self.left_out = left_out
        earlier = {rating.content_sha256: rating.marks for rating in ratings.ratings()}
        self.collection = Collection(shots, earlier, ratings.found())
        self.rated = RatedPhotos(self.collection, ratings)
        self.files = FileMarks(self.rated)
        self.sidecars = SidecarExport(self.rated, self.files, caches)
        self.photo_export = PhotoExport(self.collection)
        self.stacks = Stacks(self.collection, faces=faces, max_pixels=max_pixels, cache=close_ups)
        self.scoring = LiveScoring(self.collection, lambda: load(model), then=self.stacks.find)
        self.learner = TasteLearner(self.rated, self.scoring, load)
        self._explaining = threading.Lock()

    @property
    def shown_root(self) -> str:
        """The folder of all photos, safe to show."""
        root = self.collection.root
        return "" if root is None else printable(os.fspath(root))

    def start(self) -> None:
        """Start scoring, and following what other programs write."""
        self.scoring.start()
        self.files.start()

    def stop(self) -> None:
        """Stop scoring and learning soon."""
        self.files.stop()
        self.scoring.stop()
        self.stacks.stop()
        self.photo_export.stop()
        self.learner.stop()

    def entry(self, id_: int) -> Entry:
        """Return a photo by its number.

        Raises:
            PhotoError: there is none.
        """
        entry = self.collection.entry(id_)
        if entry is None:
            raise PhotoError(f"there is no photo {id_}, or it is not scored yet")
        return entry

    def heads(self) -> dict[str, Any]:
        """Return the scales of the scores, by name; empty while the model is loaded."""
        scorer = self.scoring.scorer
        heads = () if scorer is None else scorer.model.heads
        return {head.name: {"lowest": head.lowest, "highest": head.highest} for head in heads}

    def meanings(self) -> dict[str, str]:
        """Return what kinds and faults mean, by name; empty while the model is loaded."""
        scorer = self.scoring.scorer
        return label_meanings(() if scorer is None else scorer.model.classifiers)

    def question(self) -> tuple[tuple[Entry, Entry] | None, str | None, str | None]:
        """Return two photos to compare, why these, and where there are none, why not."""
        head = TASTE if self.learner.is_shown else None
        pair = self.rated.pair(head)
        if pair is not None:
            whose = "your own model" if head else "the model"
            return pair, f"{whose} cannot tell which of these you like better", None
        is_over = self.scoring.wait(0)
        message = "all photos are compared" if is_over else "photos are still being scored"
        if len(self.collection.entries()) < 2 and is_over:
            message = "there are not two photos to compare"
        return None, None, message

    def scorer_of(self, head: str) -> Scorer:
        """Return what gives a score now; it is replaced when a model is.

        Raises:
            SettingsError: there is no such score.
        """
        # A model of the user's taste may also be what the page was opened with.
        if head == TASTE and self.learner.scorer is not None:
            return self.learner.scorer
        scorer = self.scoring.scorer
        if scorer is None or head not in [found.name for found in scorer.model.heads]:
            raise SettingsError(unknown_name("score", head, self.collection.columns))
        return scorer

    def heat_map(self, entry: Entry, head: str, scorer: Scorer) -> bytes:
        """Return a PNG of what raised and lowered a score of a photo.

        Args:
            entry: the photo.
            head: name of the score.
            scorer: gives it, see `scorer_of`.

        Raises:
            PhotoError: the photo cannot be read.
        """
        # One at a time, as each takes as long as a hundred photos.
        with self._explaining:
            explanation = Explainer(scorer, heads=[head]).explain(entry.source)[head]
        settings = DecodeSettings(longest_side=_HEAT_MAP_SIDE)
        pixels = read_photo(entry.source, settings=settings).pixels
        return heat_map_png(pixels, explanation, longest_side=_HEAT_MAP_SIDE)
