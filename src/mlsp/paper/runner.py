"""Runner of an experiment: computes the rows that have no result yet."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from mlsp.base.atomic_file import atomic_write_text, make_output_folder
from mlsp.base.errors import OutputError, SettingsError
from mlsp.base.records import record_of
from mlsp.evaluation.metrics import accuracy, majority_accuracy, srcc
from mlsp.evaluation.sources import FileScores
from mlsp.evaluation.votes import VotePair
from mlsp.features.store.store import FeatureStore
from mlsp.models.heads import HEADS, HeadSpec
from mlsp.paper.baselines import size_scores
from mlsp.paper.features import finetune_command, fitting_store, has_sizes, lacking, level_count
from mlsp.paper.folds import fold_splits
from mlsp.paper.further_heads import code_of, with_heads
from mlsp.paper.job import ExperimentJob
from mlsp.paper.measuring import Measure
from mlsp.paper.records import Estimate, Outcome, Result, Row, read_result, result_record
from mlsp.paper.tables import EXPERIMENTS
from mlsp.ratings.splits import Split, check_overlap, split_rows
from mlsp.ratings.table import RatingTable
from mlsp.training import TrainingCallbacks, TrainSettings, train_closed_form, train_head
from mlsp.training.batches import Rows
from mlsp.training.finetuning.output import TEST_SCORES
from mlsp.training.head_trainer import chosen_levels
from mlsp.training.job import hint_for
from mlsp.training.rated_features import RatedFeatures, features_digest, join, ratings_digest

_MIN_TEST_PHOTOS = 2
# Attributes of a row that earlier versions did not have.
_LATER = ("distribution", "levels", "first", "column")
_NO_SIZES = "not run: no feature file has the photos' widths and heights: give one of `mlsp extract`, or import into a new one with --photos"
_log = logging.getLogger(__name__)


def run_experiment(
    job: ExperimentJob,
    *,
    callbacks: TrainingCallbacks | None = None,
    row_begins: Callable[[Row], None] = lambda _row: None,
) -> tuple[Outcome, ...]:
    """Run what is missing; interrupted, the same job goes on after the last whole epoch.

    Raises:
        MlspError: files do not go together, see `mlsp.training.train_head`; there are no test photos; or the folder cannot be made.
    """
    ratings = job.load_ratings()
    if job.folds == 1:
        splits: tuple[Split, ...] = (split_rows(ratings, job.split),)
    else:
        splits = fold_splits(ratings, job.split, job.folds)
    for split in splits:
        check_overlap(ratings, split)
        if len(split.test) < _MIN_TEST_PHOTOS:
            raise SettingsError(
                f"{ratings.name} has {len(split.test)} test photos, expected at least {_MIN_TEST_PHOTOS}: split by random or group"
            )
    with contextlib.ExitStack() as files:
        stores = [files.enter_context(FeatureStore.open(path)) for path in job.features]
        papers = EXPERIMENTS[job.name].rows(job.backbone, partial(level_count, stores=stores))
        rows = tuple(job.as_asked(row) for row in with_heads(papers, job.heads))
        job.check_labels(rows)
        make_output_folder(job.output, hint="name another")
        measure = Measure(ratings, job.by_group)
        run = _Run(job, ratings, splits, stores, measure, callbacks, row_begins)
        return tuple(run.outcome(row) for row in rows)


@dataclass(frozen=True, slots=True)
class _Run:
    job: ExperimentJob
    ratings: RatingTable
    splits: tuple[Split, ...]
    stores: list[FeatureStore]
    measure: Measure
    callbacks: TrainingCallbacks | None
    row_begins: Callable[[Row], None]
    hints: set[str] = field(default_factory=set)
    left_out: set[tuple[str, ...]] = field(default_factory=set)

    def outcome(self, row: Row) -> Outcome:
        if row.label in self.job.scores:
            return Outcome(row, self._from_table(self.job.scores[row.label]))
        if row.kind == "cited":
            return Outcome(row, reason="as the paper cites it")
        if row.kind == "finetuned":
            return Outcome(
                row,
                reason=f"not run: `{finetune_command(row)}`, then --scores '{row.label}=MODEL.run/{TEST_SCORES}'",
            )
        if row.kind in ("majority", "size"):
            stores = [one for one in self.stores if row.kind != "size" or self._has_sizes(one)]
            if row.kind == "size" and not stores:
                return Outcome(row, reason=_NO_SIZES)
            store = stores[0] if stores else None
            return self._kept(row, store, self.splits, self.job.settings)
        store = fitting_store(row, self.stores)
        if store is None:
            # Of a row that nobody asked for, nobody asks why.
            why = lacking(row, self.stores) if self.job.runs(row) else "left out by --rows"
            return Outcome(row, reason=f"not run: {why}")
        found = self._of_folds(row, store, self.job.settings)
        if row.kind != "head" or self.job.seeds == 1 or found.result is None:
            return found
        first = self.job.settings.seed
        repeats = [found] + [
            self._of_folds(row, store, replace(self.job.settings, seed=seed))
            for seed in range(first + 1, first + self.job.seeds)
        ]
        results = tuple(one.result for one in repeats if one.result is not None)
        return replace(found, repeats=results)

    def _has_sizes(self, store: FeatureStore) -> bool:
        rows = (self._join(store, split).rows for split in self.splits)
        return all(has_sizes(store, of_split[of_split >= 0]) for of_split in rows)

    def _of_folds(self, row: Row, store: FeatureStore, settings: TrainSettings) -> Outcome:
        folds = [self._kept(row, store, (split,), settings) for split in self.splits]
        results = [one.result for one in folds if one.result is not None]
        if len(results) < len(folds):
            return next(one for one in folds if one.result is None)
        return Outcome(row, self.measure.joined(results))

    def _kept(
        self,
        row: Row,
        store: FeatureStore | None,
        splits: tuple[Split, ...],
        settings: TrainSettings,
    ) -> Outcome:
        """Return the result on splits from the folder, or compute it and put it there."""
        digest = self._digest(row, store, splits, settings)
        path = self.job.output / f"{digest[:16]}.json"
        if path.exists():
            return Outcome(row, _read(path))
        if not self.job.runs(row):
            return Outcome(row, reason="not run: left out by --rows")
        self.row_begins(row)
        began = time.monotonic()
        folder = self.job.output / f"{digest[:16]}.run"
        result = self._result(row, store, splits, settings, folder)
        result = replace(result, seconds=round(time.monotonic() - began, 1))
        with atomic_write_text(path) as file:
            json.dump(result_record(result), file, allow_nan=False)
        # It served to go on after an interruption, and is many times as large as the result.
        shutil.rmtree(folder, ignore_errors=True)
        return Outcome(row, result)

    def _digest(
        self,
        row: Row,
        store: FeatureStore | None,
        splits: tuple[Split, ...],
        settings: TrainSettings,
    ) -> str:
        """Return the digest of everything that a result follows from."""
        learns = row.kind == "head"
        # Neither the label nor the paper's numbers change what comes out, nor a recipe where nothing is trained.
        without = {"label": "", "paper": None} | ({} if learns else {"recipe": ""})
        what: dict[str, object] = {
            # What came later counts only where it is not as before, so that earlier results are kept.
            "row": record_of(row, later=_LATER) | without,
            "ratings": [ratings_digest(self.ratings, split) for split in splits],
            # Of the intervals.
            "groups": self.measure.groups,
        }
        if store is not None:
            rated = [self._join(store, split).rows for split in splits]
            what["features"] = [features_digest(store, rows[rows >= 0]) for rows in rated]
        if learns:
            what["settings"] = [
                settings.seed,
                settings.precision,
                settings.epochs,
                settings.batch,
            ]
            if store is not None and row.head not in HEADS.own:
                what["head"] = code_of(row.head, store.layout.level_channels)
        elif row.kind == "size":
            what["settings"] = settings.seed
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    def _join(self, store: FeatureStore, split: Split) -> RatedFeatures:
        return join(store, self.ratings, split, missing=self.job.settings.missing)

    def _result(
        self,
        row: Row,
        store: FeatureStore | None,
        splits: tuple[Split, ...],
        settings: TrainSettings,
        folder: Path,
    ) -> Result:
        if store is None or row.kind == "majority":
            return self._majority(store)
        if row.kind == "size":
            return self._size(store)
        (split,) = splits
        self._warn(self._join(store, split))
        levels = store.layout.feature_spec.levels
        chosen = (
            chosen_levels(row.levels, levels)
            if row.last_levels is None
            else levels[-row.last_levels :]
        )
        settings = replace(settings, recipe=row.recipe)
        if row.kind == "closed_form":
            trained = train_closed_form(
                row.head,
                store,
                ratings=self.ratings,
                split=split,
                levels=chosen,
                settings=settings,
                warns=False,
            )
        else:
            spec = HeadSpec(
                row.head,
                chosen,
                row.more_dropout,
                lowest=self.ratings.lowest,
                highest=self.ratings.highest,
                first=row.first,
                column=row.column,
            )
            self._hint(settings, spec, store, split)
            trained = train_head(
                store,
                self.ratings,
                split,
                spec,
                settings,
                run_folder=folder,
                callbacks=self.callbacks,
                warns=False,
            )
        test = trained.test
        if test is None:
            raise SettingsError(
                f"{self.ratings.name}: fewer than {_MIN_TEST_PHOTOS} test photos have features: extract more of them"
            )
        of_validation = math.nan if trained.validation is None else trained.validation.srcc
        return self.measure.scored(
            test.rows, test.scores, how=trained.how, validation_srcc=of_validation, seconds=0
        )

    def _hint(
        self, settings: TrainSettings, head: HeadSpec, store: FeatureStore, split: Split
    ) -> None:
        """Log once what to do about a small collection."""
        hint = hint_for(settings, head.grid, store.layout.views, len(split.train))
        if hint and hint not in self.hints:
            self.hints.add(hint)
            _log.warning("mlsp: %s", hint)

    def _warn(self, rated: RatedFeatures) -> None:
        """Log once, not for every row and seed, which photos have no features."""
        if rated.left_out not in self.left_out:
            self.left_out.add(rated.left_out)
            rated.warn_of_left_out()

    def _from_table(self, path: Path) -> Result:
        """Return the result of a table's scores of the test photos."""
        (split,) = self.splits
        source = FileScores(path).read(self.ratings.select(split.test))
        found = source.scores
        ids = self.ratings.photo_ids
        rows = np.array([row for row in split.test if ids[row] in found], dtype=np.intp)
        if len(rows) < _MIN_TEST_PHOTOS:
            raise SettingsError(
                f"table {path} has scores of {len(rows)} of {len(split.test)} test photos, expected at least {_MIN_TEST_PHOTOS}"
            )
        scores = np.array([found[ids[row]] for row in rows])
        how = f"scores of {path.name}, {len(rows)} of {len(split.test)} test photos"
        result = self.measure.scored(rows, scores, how=how, validation_srcc=math.nan, seconds=0)
        votes = VotePair.of(source, self.ratings.select(rows))
        if votes is None:
            return result
        return replace(result, numbers=result.numbers | {"emd": self.measure.emd(votes, rows)})

    def _majority(self, store: FeatureStore | None) -> Result:
        """Return the baseline on the photos that other rows are tested on: those with features, of all where there is no file."""
        splits = (one if store is None else self._join(store, one).split for one in self.splits)
        test = np.concatenate([split.test for split in splits])
        mos = self.ratings.mos[test]

        def metric(_predicted: ArrayLike, actual: ArrayLike) -> float:
            return majority_accuracy(actual, threshold=self.measure.threshold)

        numbers = {"accuracy": self.measure.estimate(metric, mos, mos, test)}
        return self._baseline("what most test photos are; without an order", numbers, test)

    def _size(self, store: FeatureStore) -> Result:
        high = self.ratings.mos > self.measure.threshold
        sizes = np.zeros((len(self.ratings), 2))
        classes, tests = [], []
        for split in self.splits:
            rated = self._join(store, split)
            for row in np.flatnonzero(rated.rows >= 0):
                photo = store.photo(int(rated.rows[row]))
                sizes[row] = photo.width or 0, photo.height or 0
            scores = size_scores(sizes, high, rated.split, seed=self.job.settings.seed)
            classes.append((scores > 0).astype(float))
            tests.append(rated.split.test)
        test = np.concatenate(tests)
        # The network gives a class, not a rating: its scores have another zero.
        right = partial(accuracy, threshold=0.5)
        numbers = {
            "srcc": self.measure.estimate(
                srcc, sizes[test].prod(axis=1), self.ratings.mos[test], test
            ),
            "accuracy": self.measure.estimate(
                right, np.concatenate(classes), high[test].astype(float), test
            ),
        }
        return self._baseline("width and height", numbers, test)

    def _baseline(self, how: str, numbers: dict[str, Estimate], test: Rows) -> Result:
        ids = self.ratings.photo_ids
        mos = tuple(self.ratings.mos[test].tolist())
        return Result(how, math.nan, numbers, tuple(ids[row] for row in test), mos, (), 0)


def _read(path: Path) -> Result:
    try:
        return read_result(json.loads(path.read_text("utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"result {path} cannot be read: {error!r}: delete it, and it is computed anew"
        ) from error
