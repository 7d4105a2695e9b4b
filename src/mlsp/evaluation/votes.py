"""Agreement between predicted and real distributions of votes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mlsp.base.arrays import Float64Array
from mlsp.evaluation.intervals import Interval, Metric, PairedDifference
from mlsp.evaluation.metrics import emd_each, plcc, srcc, vote_spread
from mlsp.evaluation.records import Predictions, VoteResult
from mlsp.ratings.table import RatingTable

# Of (metric, predicted, actual), and of (metric, first, second, actual).
MeasureInterval: TypeAlias = Callable[[Metric, Float64Array, Float64Array], Interval]
MeasureDifference: TypeAlias = Callable[
    [Metric, Float64Array, Float64Array, Float64Array], PairedDifference
]


@dataclass(frozen=True, slots=True)
class VotePair:
    """A model's votes beside people's.

    Attributes:
        bins: ratings that people could give, ascending.
        actual: (photos, bins) shares of people's votes.
        predicted: (photos, bins) of the model's.
    """

    bins: tuple[float, ...]
    actual: Float64Array
    predicted: Float64Array

    @classmethod
    def of(cls, source: Predictions, rated: RatingTable) -> VotePair | None:
        """Pair them up; None where the model or the table has no votes; the photos all have scores."""
        if source.votes is None or rated.bins is None:
            return None
        actual = rated.votes
        predicted = np.array([source.votes[photo_id] for photo_id in rated.photo_ids])
        return cls(rated.bins, actual / actual.sum(axis=1, keepdims=True), predicted)

    def distances(self, power: float) -> Float64Array:
        """Return the earth mover's distances, (photos,)."""
        return emd_each(self.predicted, self.actual, power=power)

    def spreads(self) -> tuple[Float64Array, Float64Array]:
        """Return the standard deviations of the model's votes and of people's, (photos,) each."""
        return vote_spread(self.predicted, self.bins), vote_spread(self.actual, self.bins)


@dataclass(frozen=True, slots=True)
class VoteMeasure:
    """A number of a model that predicts the distribution of votes, where people's is known.

    Attributes:
        label: its name for people.
        meaning: what it means, in a sentence.
        values: votes -> (photos,) of the model and (photos,) of people. A photo's values do not depend on what else is drawn,
            so they are computed once.
        metric: of these values.
        has_baseline: whether predicting the mean distribution for every photo is measured beside it.
    """

    label: str
    meaning: str
    values: Callable[[VotePair], tuple[Float64Array, Float64Array]]
    metric: Metric
    has_baseline: bool = False


def _distances(pair: VotePair, *, power: float) -> tuple[Float64Array, Float64Array]:
    distances = pair.distances(power)
    return distances, distances


def _mean(predicted: ArrayLike, actual: ArrayLike) -> float:
    return float(np.mean(np.asarray(predicted)))


# By their names in the JSON file, in the order of every report.
VOTE_MEASURES = {
    "emd_1": VoteMeasure(
        "EMD, r = 1",
        "Distance between the model's distribution of votes and people's, 0 to 1, as NIMA reports it. Lower is better.",
        partial(_distances, power=1),
        _mean,
        has_baseline=True,
    ),
    "emd_2": VoteMeasure(
        "EMD, r = 2",
        "The same as NIMA learns it. Lower is better.",
        partial(_distances, power=2),
        _mean,
        has_baseline=True,
    ),
    "spread_srcc": VoteMeasure(
        "SRCC of spread",
        "Does it know which photos people disagree on? Rank correlation of the votes' standard deviations.",
        VotePair.spreads,
        srcc,
    ),
    "spread_plcc": VoteMeasure(
        "PLCC of spread", "Pearson's correlation of the same.", VotePair.spreads, plcc
    ),
}


def vote_result(pair: VotePair, interval: MeasureInterval) -> VoteResult:
    """Measure one model."""
    mean = pair.actual.mean(axis=0)
    alike = replace(pair, predicted=np.tile(mean, (len(pair.actual), 1)))
    predicted_spread, actual_spread = pair.spreads()
    return VoteResult(
        bins=pair.bins,
        actual=tuple(mean.tolist()),
        predicted=tuple(pair.predicted.mean(axis=0).tolist()),
        actual_spread=float(actual_spread.mean()),
        predicted_spread=float(predicted_spread.mean()),
        numbers={
            name: interval(measure.metric, *measure.values(pair))
            for name, measure in VOTE_MEASURES.items()
        },
        baseline={
            name: interval(measure.metric, *measure.values(alike))
            for name, measure in VOTE_MEASURES.items()
            if measure.has_baseline
        },
    )


def vote_comparison(
    pairs: Sequence[VotePair | None], difference: MeasureDifference
) -> dict[str, PairedDifference]:
    """Compare two models.

    Returns:
        For each of `VOTE_MEASURES`; empty unless both predict votes.
    """
    match pairs:
        case [VotePair() as first, VotePair() as second]:
            return {
                name: difference(measure.metric, one, measure.values(second)[0], actual)
                for name, measure in VOTE_MEASURES.items()
                for one, actual in [measure.values(first)]
            }
    return {}
