"""Results of a row from its scores, and of several folds as one."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from mlsp.base.arrays import Float64Array
from mlsp.evaluation.intervals import bootstrap_interval
from mlsp.evaluation.metrics import accuracy, default_threshold, plcc, srcc
from mlsp.evaluation.votes import VOTE_MEASURES, VotePair
from mlsp.paper.records import Estimate, Result
from mlsp.ratings.table import RatingTable
from mlsp.training.batches import Rows

_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Measure:
    """Metrics with intervals.

    Attributes:
        ratings: of the photos.
        by_group: draw whole groups for the intervals, not photos.
    """

    ratings: RatingTable
    by_group: bool

    @property
    def threshold(self) -> float:
        """Ratings above it are high: 5 on AVA."""
        return default_threshold(self.ratings.lowest, self.ratings.highest)

    @property
    def groups(self) -> dict[str, str] | None:
        """Groups by the photos' names; None where photos are drawn."""
        return groups_of(self.ratings) if self.by_group else None

    def scored(
        self, rows: Rows, scores: Float64Array, *, how: str, validation_srcc: float, seconds: float
    ) -> Result:
        """Return the result of a head."""
        mos = self.ratings.mos[rows]
        high = partial(accuracy, threshold=self.threshold)
        numbers = {
            name: self.estimate(metric, scores, mos, rows)
            for name, metric in (("srcc", srcc), ("plcc", plcc), ("accuracy", high))
        }
        ids = tuple(self.ratings.ratings[row].photo_id for row in rows)
        return Result(
            how, validation_srcc, numbers, ids, tuple(mos.tolist()), tuple(scores.tolist()), seconds
        )

    def emd(self, votes: VotePair, rows: Rows) -> Estimate:
        """Return the earth mover's distance as NIMA reports it, r = 1.

        Args:
            votes: (photos,) of a model and of people.
            rows: of the table, whose photos they are.
        """
        measure = VOTE_MEASURES["emd_1"]
        return self.estimate(measure.metric, *measure.values(votes), rows)

    def estimate(
        self,
        metric: Callable[[ArrayLike, ArrayLike], float],
        predicted: Float64Array,
        actual: Float64Array,
        rows: Rows,
    ) -> Estimate:
        """Return a metric and its interval.

        Args:
            metric: of (predicted, actual).
            predicted: (photos,).
            actual: (photos,).
            rows: of the table, whose photos they are.
        """
        groups = self.groups
        ids = self.ratings.photo_ids
        interval = bootstrap_interval(
            metric,
            predicted,
            actual,
            resamples=_RESAMPLES,
            groups=None if groups is None else [groups[ids[row]] for row in rows],
        )
        return Estimate(interval.value, interval.low, interval.high)

    def joined(self, results: Sequence[Result]) -> Result:
        """Join the results of a row on several folds, measured on all their photos together."""
        if len(results) == 1:
            return results[0]
        row_of = {name: row for row, name in enumerate(self.ratings.photo_ids)}
        rows = np.array([row_of[name] for one in results for name in one.photo_ids], dtype=np.intp)
        scores = np.array([score for one in results for score in one.scores])
        of_validation = [one.validation_srcc for one in results]
        known = [value for value in of_validation if math.isfinite(value)]
        return self.scored(
            rows,
            scores,
            how=f"{len(results)} folds, the first: {results[0].how}",
            validation_srcc=statistics.fmean(known) if known else math.nan,
            seconds=round(sum(one.seconds for one in results), 1),
        )


def groups_of(ratings: RatingTable) -> dict[str, str]:
    """Return the group of each photo; one without is a group of its own."""
    return {rating.photo_id: rating.group or f"\0{rating.photo_id}" for rating in ratings}
