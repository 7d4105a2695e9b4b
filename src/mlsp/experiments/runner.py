"""Runs the rows of an experiment that have no result yet."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from mlsp.arrays import Float64Array
from mlsp.atomic_file import atomic_write_text
from mlsp.datasets import load_ratings
from mlsp.errors import SettingsError, unknown_name
from mlsp.experiments.baselines import size_scores
from mlsp.experiments.features import extract_command, fitting_store, level_count
from mlsp.experiments.records import Estimate, Outcome, Result, Row, read_result, result_record
from mlsp.experiments.tables import EXPERIMENTS
from mlsp.feature_store import FeatureStore
from mlsp.heads import HeadSpec
from mlsp.intervals import bootstrap_interval
from mlsp.metrics import accuracy, majority_accuracy, plcc, srcc
from mlsp.ratings import RatingTable
from mlsp.splits import Split, SplitSettings, check_overlap, split_ratings
from mlsp.training import TrainedHead, TrainSettings, Watch, train_closed_form, train_head
from mlsp.training.rated_features import features_digest, join, ratings_digest

_LEAST_TEST = 2


@dataclass(frozen=True, slots=True)
class ExperimentJob:
    """What to run, from which files.

    Attributes:
        name: key of `EXPERIMENTS`.
        features: feature files; each row takes the first that has its features.
        ratings: see `mlsp.datasets.load_ratings`.
        output: folder of the results; those that are there are kept.
        backbone: network in place of the paper's; None for the paper's.
        own_size: run the rows on photos at their own size where the paper brings them to 256×256.
        lowest: end of a table's scale.
        highest: the other one.
        split: how the ratings are split.
        settings: how to train; the recipe is each row's.

    Raises:
        SettingsError: there is no such experiment.
    """

    name: str
    features: tuple[Path, ...]
    ratings: str
    output: Path
    backbone: str | None = None
    own_size: bool = False
    lowest: float | None = None
    highest: float | None = None
    split: SplitSettings = field(default_factory=SplitSettings)
    settings: TrainSettings = field(default_factory=TrainSettings)

    def __post_init__(self) -> None:
        if self.name not in EXPERIMENTS:
            raise SettingsError(unknown_name("experiment", self.name, EXPERIMENTS))


def run_experiment(
    job: ExperimentJob,
    *,
    watch: Watch | None = None,
    row_begins: Callable[[Row], None] = lambda _row: None,
) -> tuple[Outcome, ...]:
    """Run what is missing; interrupted, the same job goes on after the last whole epoch.

    Args:
        job: what to run.
        watch: is told of the training.
        row_begins: is told of each row that has no result yet.

    Raises:
        MlspError: files do not go together, see `mlsp.training.train_head`; or there are no test photos.
    """
    ratings = load_ratings(job.ratings, lowest=job.lowest, highest=job.highest)
    split = split_ratings(ratings, job.split)
    check_overlap(ratings, split)
    if len(split.test) < _LEAST_TEST:
        raise SettingsError(
            f"{ratings.name} has {len(split.test)} test photos, expected at least {_LEAST_TEST}: split by random or group"
        )
    job.output.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as files:
        stores = [files.enter_context(FeatureStore.open(path)) for path in job.features]
        rows = EXPERIMENTS[job.name].rows(job.backbone, partial(level_count, stores=stores))
        if job.own_size:
            rows = tuple(replace(row, resize=None) for row in rows)
        run = _Run(job, ratings, split, stores, watch, row_begins)
        return tuple(run.outcome(row) for row in rows)


@dataclass(frozen=True, slots=True)
class _Run:
    job: ExperimentJob
    ratings: RatingTable
    split: Split
    stores: list[FeatureStore]
    watch: Watch | None
    row_begins: Callable[[Row], None]

    def outcome(self, row: Row) -> Outcome:
        if row.way == "cited":
            return Outcome(row)
        if row.way == "finetuned":
            return Outcome(row, reason="not run: fine-tuning is `mlsp finetune`")
        if row.way in ("majority", "size"):
            if row.way == "size" and not self.stores:
                return Outcome(
                    row, reason="not run: sizes of photos are in feature files: give one"
                )
            store = self.stores[0] if row.way == "size" else None
        else:
            store = fitting_store(row, self.stores)
            if store is None:
                return Outcome(
                    row,
                    reason=f"not run: needs features of {row.backbone}, make them by `{extract_command(row)}`",
                )
        digest = self._digest(row, store)
        path = self.job.output / f"{digest[:16]}.json"
        if path.exists():
            return Outcome(row, _read(path))
        self.row_begins(row)
        began = time.monotonic()
        folder = self.job.output / f"{digest[:16]}.run"
        result = self._result(row, store, folder)
        result = replace(result, seconds=round(time.monotonic() - began, 1))
        with atomic_write_text(path) as file:
            json.dump(result_record(result), file, allow_nan=False)
        # It served to go on after an interruption, and is many times as large as the result.
        shutil.rmtree(folder, ignore_errors=True)
        return Outcome(row, result)

    def _digest(self, row: Row, store: FeatureStore | None) -> str:
        """Of everything that a result follows from."""
        settings = self.job.settings
        what: dict[str, object] = {
            # Neither the label nor the paper's numbers change what comes out.
            "row": dataclasses.asdict(row) | {"label": "", "paper": None},
            "ratings": ratings_digest(self.ratings, self.split),
        }
        if store is not None:
            rated = join(store, self.ratings, self.split)
            what["features"] = features_digest(store, rated.rows[rated.rows >= 0])
            what["settings"] = [
                settings.seed,
                settings.precision,
                settings.epochs,
                settings.batch,
            ]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    def _result(self, row: Row, store: FeatureStore | None, folder: Path) -> Result:
        if store is None:
            return self._majority()
        if row.way == "size":
            return self._size(store)
        levels = store.layout.kind.levels
        chosen = None if row.last_levels is None else levels[-row.last_levels :]
        settings = replace(self.job.settings, recipe=row.recipe)
        if row.way == "closed_form":
            trained = train_closed_form(
                row.head,
                store,
                ratings=self.ratings,
                split=self.split,
                levels=chosen,
                settings=settings,
            )
        else:
            spec = HeadSpec(
                row.head,
                chosen,
                row.more_dropout,
                lowest=self.ratings.lowest,
                highest=self.ratings.highest,
            )
            trained = train_head(
                store,
                self.ratings,
                self.split,
                spec,
                settings,
                run_folder=folder,
                watch=self.watch,
            )
        return self._measured(trained)

    def _measured(self, trained: TrainedHead) -> Result:
        test = trained.test
        if test is None:
            raise SettingsError(
                f"{self.ratings.name}: fewer than {_LEAST_TEST} test photos have features: extract more of them"
            )
        mos = self.ratings.mos[test.rows]
        numbers = {
            "srcc": _estimate(srcc, test.scores, mos),
            "plcc": _estimate(plcc, test.scores, mos),
            "accuracy": _estimate(partial(accuracy, threshold=test.threshold), test.scores, mos),
        }
        ids = tuple(self.ratings.photo_ids[row] for row in test.rows)
        return Result(
            trained.how,
            trained.validation.srcc,
            numbers,
            ids,
            tuple(mos.tolist()),
            tuple(test.scores.tolist()),
            0,
        )

    def _majority(self) -> Result:
        mos = self.ratings.mos[self.split.test]
        metric = partial(majority_accuracy, threshold=self._threshold)
        return self._baseline(
            "what most test photos are", {"accuracy": _estimate(metric, mos, mos)}, self.split
        )

    def _size(self, store: FeatureStore) -> Result:
        rated = join(store, self.ratings, self.split)
        sizes = np.zeros((len(self.ratings), 2))
        for row in np.flatnonzero(rated.rows >= 0):
            photo = store.photo(int(rated.rows[row]))
            sizes[row] = photo.width or 0, photo.height or 0
        high, test = self.ratings.mos > self._threshold, rated.split.test
        scores = size_scores(sizes, high, rated.split, seed=self.job.settings.seed)
        mos = self.ratings.mos[test]
        numbers = {
            "srcc": _estimate(srcc, sizes[test].prod(axis=1), mos),
            # The network gives a class, not a rating: its scores have another zero.
            "accuracy": _estimate(
                partial(accuracy, threshold=0.5),
                (scores > 0).astype(float),
                high[test].astype(float),
            ),
        }
        return self._baseline("width and height", numbers, rated.split)

    def _baseline(self, how: str, numbers: dict[str, Estimate], split: Split) -> Result:
        ids = tuple(self.ratings.photo_ids[row] for row in split.test)
        mos = tuple(self.ratings.mos[split.test].tolist())
        return Result(how, math.nan, numbers, ids, mos, (), 0)

    @property
    def _threshold(self) -> float:
        # As `mlsp.training.Measured` has it: 5 on AVA.
        lowest, highest = self.ratings.lowest, self.ratings.highest
        return 5.0 if (lowest, highest) == (1, 10) else (lowest + highest) / 2


def _estimate(
    metric: Callable[[ArrayLike, ArrayLike], float], scores: Float64Array, actual: Float64Array
) -> Estimate:
    interval = bootstrap_interval(metric, scores, actual, resamples=1000)
    return Estimate(interval.value, interval.low, interval.high)


def _read(path: Path) -> Result:
    try:
        return read_result(json.loads(path.read_text("utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"result {path} cannot be read: {error!r}: delete it, and it is computed anew"
        ) from error
