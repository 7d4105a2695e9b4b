"""Sources of the scores of rated photos: a model that scores the photos, or a table of scores."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mlsp.base.errors import SettingsError, unknown_name
from mlsp.base.results import ScoreFailure
from mlsp.base.text import normal_name
from mlsp.evaluation.records import Predictions, Unscored
from mlsp.evaluation.score_tables import TABLE_SUFFIXES, number_of, read_score_table
from mlsp.models.model import Model, load_model
from mlsp.models.records import HeadRecord
from mlsp.ratings.table import RatingTable, with_photos
from mlsp.reports.predictions import vote_column
from mlsp.scoring.cache import Caches
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer

if TYPE_CHECKING:
    pass

Advance: TypeAlias = Callable[[ScoreResult | ScoreFailure], None]


def find_head(model: Model, head: str | None) -> HeadRecord:
    """Return the record of the head to evaluate.

    Args:
        model: whose.
        head: its name; None where the model has one only.

    Raises:
        SettingsError: there is no such head, or several and none was named.
    """
    names = [record.name for record in model.heads]
    return model.heads[names.index(_choose(f"model {model.name!r}", "heads", names, head))]


@dataclass(frozen=True, slots=True)
class PhotoScores:
    """Source of scores: a model that scores the photos.

    Attributes:
        scorer: the model.
        head: which of its heads; None where it has one only.
    """

    scorer: Scorer
    head: str | None = None

    def read(self, table: RatingTable, *, advance: Advance | None = None) -> Predictions:
        """Score the photos.

        Args:
            table: the rated photos.
            advance: called for each photo as it is done.

        Raises:
            SettingsError: see `find_head`.
            RatingsError: none of the photos is there.
        """
        record = find_head(self.scorer.model, self.head)
        # Raises where none is there: a folder was not named.
        with_photos(table)
        head = None
        if table.bins is not None:
            # Metrics and tables of scores need no engine.
            from mlsp.features.engines.openvino_votes import open_votes

            head = open_votes(self.scorer.model.folder / record.file, table.bins)
        scores: dict[str, float] = {}
        votes: dict[str, tuple[float, ...]] = {}
        unscored: list[Unscored] = []
        score = self.scorer.score if head is None else self.scorer.scores_and_features
        # Closed on Ctrl-C too, so that what is queued is dropped.
        with contextlib.closing(score(table.photos)) as results:
            for photo_id, found in zip(table.photo_ids, results, strict=True):
                result, features = found if isinstance(found, tuple) else (found, None)
                if isinstance(result, ScoreFailure):
                    unscored.append(Unscored(photo_id, str(result.error)))
                else:
                    scores[photo_id] = result.scores[record.name].value
                if head is not None and features is not None:
                    # Views count the same, as in the score.
                    shares = head.predict(features.features).astype(np.float64).mean(axis=0)
                    votes[photo_id] = tuple(shares.tolist())
                if advance is not None:
                    advance(result)
        read = _with_card(self.scorer.model, record, scores, unscored)
        return read if head is None else replace(read, votes=votes)


@dataclass(frozen=True, slots=True)
class FileScores:
    """Source of scores: a table, such as `mlsp predict` and `mlsp score --output` write.

    It has a column `photo` (or `image`, `image_name`) and one per head, and of a head that predicts votes one per rating that people
    could give, `HEAD_votes_1` and so on, with shares of the votes; photos are found in the ratings by their names, or by the end of
    their paths, so that a report of `photos/a.jpg` fits to ratings of `a.jpg`. Photos that are not rated are left out.

    Attributes:
        path: the table.
        head: the column; None where there is one only.
        model: that made the scores, for its scale and what it learned from; None where it is not known.
    """

    path: Path
    head: str | None = None
    model: Model | None = None

    def read(self, table: RatingTable, *, advance: Advance | None = None) -> Predictions:
        """Find the scores of the rated photos.

        Args:
            table: the rated photos.
            advance: not called, since no photo is scored.

        Raises:
            SettingsError: the table cannot be read, lacks the columns, has a photo twice or none of the rated ones.
            MissingExtraError: it is `.parquet`, and pyarrow is not installed.
        """
        scored = read_score_table(self.path)
        rows = scored.rows
        head = _choose(f"table {self.path}", "scores", scored.heads, self.head)
        vote_columns = [vote_column(head, bin_) for bin_ in table.bins or ()]
        has_votes = bool(rows and vote_columns) and all(name in rows[0] for name in vote_columns)
        votes: dict[str, tuple[float, ...]] = {}
        find = _PhotoFinder(table.photo_ids)
        scores: dict[str, float] = {}
        unscored: dict[str, Unscored] = {}
        found: dict[str, str] = {}
        for row in rows:
            name = str(row[scored.photo_column])
            photo_id = find(name)
            if photo_id is None:
                continue
            if photo_id in found:
                raise SettingsError(
                    f"table {self.path}: {found[photo_id]!r} and {name!r} are both photo {photo_id!r} of {table.name}: keep one of them"
                )
            found[photo_id] = name
            score = number_of(row[head])
            if score is None:
                reason = f"has no number in column {head!r} of {self.path.name}, but {row[head]!r}"
                unscored[photo_id] = Unscored(photo_id, reason)
                continue
            if has_votes:
                shares = [number_of(row[name]) for name in vote_columns]
                if None in shares:
                    reason = f"has no number in a column {vote_columns[0]} to {vote_columns[-1]} of {self.path.name}"
                    unscored[photo_id] = Unscored(photo_id, reason)
                    continue
                votes[photo_id] = tuple(share for share in shares if share is not None)
            scores[photo_id] = score
        if not found:
            names = (
                f"photos like {rows[0][scored.photo_column]!r}, the ratings"
                if rows
                else "no photos, the ratings some"
            )
            raise SettingsError(
                f"table {self.path} has none of the {len(table)} rated photos of {table.name}: "
                f"it names {names} like {table.photo_ids[0]!r}"
            )
        listed = tuple(
            unscored.get(photo_id, Unscored(photo_id, f"is not in {self.path.name}"))
            for photo_id in table.photo_ids
            if photo_id not in scores
        )
        if self.model is not None:
            known = _with_card(self.model, find_head(self.model, head), scores, listed)
        else:
            known = Predictions(self.path.name, head, scores, listed)
        return replace(known, votes=votes) if has_votes else known


@dataclass(frozen=True, slots=True)
class ScoringSettings:
    """Settings of scoring, as for `mlsp.scoring.scorer.Scorer`."""

    precision: str = "auto"
    workers: int | None = None
    max_pixels: int | None = None
    caches: Caches = field(default_factory=Caches)


def open_source(
    source: str, *, head: str | None, scores: Path | None = None, settings: ScoringSettings
) -> PhotoScores | FileScores:
    """Open a model, or a table of scores.

    Args:
        source: name of an installed model, its folder, or a table of scores ending in `.csv`, `.jsonl` or `.parquet`.
        head: whose scores to evaluate; None where there is one head only.
        scores: a table of the model's scores; then it does not score photos itself and needs no network.
        settings: of scoring.

    Raises:
        ModelError: the model is missing or damaged.
        SettingsError: there is no such head, a table was given as the model although `scores` is one, or a setting is out of range.
    """
    if Path(source).suffix.lower() in TABLE_SUFFIXES and not Path(source).is_dir():
        if scores is not None:
            raise SettingsError(
                f"both {source} and {scores} are tables of scores: give a model instead of the first, or leave one out"
            )
        return FileScores(Path(source), head)
    if scores is not None:
        model = load_model(source)
        return FileScores(scores, find_head(model, head).name, model)
    # An unknown head is reported before the network is loaded.
    find_head(load_model(source), head)
    scorer = Scorer(
        source,
        precision=settings.precision,
        workers=settings.workers,
        cache=settings.caches,
        max_pixels=settings.max_pixels,
    )
    return PhotoScores(scorer, head)


def _with_card(
    model: Model, head: HeadRecord, scores: Mapping[str, float], unscored: Sequence[Unscored]
) -> Predictions:
    return Predictions(
        model.name,
        head.name,
        scores,
        tuple(unscored),
        scale=(float(head.lowest), float(head.highest)),
        learned_from=head.ratings,
    )


def _choose(owner: str, noun: str, names: Sequence[str], head: str | None) -> str:
    if head is None:
        if len(names) == 1:
            return names[0]
        listed = ", ".join(map(repr, names))
        raise SettingsError(
            f"{owner} has the {noun} {listed}: choose one by --head"
            if names
            else f"{owner} has no scores: expected a column for each head, named after it"
        )
    if head not in names:
        raise SettingsError(f"{owner}: {unknown_name('head', head, names)}")
    return head


class _PhotoFinder:
    """Lookup of a rated photo by its name, or where one's name is the end of the other's path."""

    def __init__(self, photo_ids: Sequence[str]) -> None:
        self._ids = {normal_name(photo_id): photo_id for photo_id in photo_ids}
        self._by_end: dict[str, str | None] = {}
        for name, photo_id in self._ids.items():
            for end in _ends(name):
                # An end that two photos share leads to neither.
                self._by_end[end] = None if end in self._by_end else photo_id

    def __call__(self, name: str) -> str | None:
        posix = normal_name(PurePath(name).as_posix())
        for end in _ends(posix):
            if end in self._ids:
                return self._ids[end]
        return self._by_end.get(posix)


def _ends(path: str) -> Iterator[str]:
    yield path
    while "/" in path:
        path = path.partition("/")[2]
        yield path
