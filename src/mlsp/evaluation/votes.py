"""How well a model predicts the distribution of votes, where people's is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mlsp.base.arrays import Float64Array
from mlsp.evaluation.intervals import Interval, Metric, PairedDifference
from mlsp.evaluation.metrics import emd_each, plcc, srcc, vote_spread
from mlsp.evaluation.records import Predictions, VoteResult
from mlsp.ratings.table import RatingTable

_POWERS: Mapping[str, float] = {"emd_1": 1, "emd_2": 2}
_SPREADS: Mapping[str, Metric] = {"spread_srcc": srcc, "spread_plcc": plcc}


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
        """Both, or None where the model or the table has no votes; the photos all have scores."""
        if source.votes is None or rated.bins is None:
            return None
        actual = rated.votes
        predicted = np.array([source.votes[photo_id] for photo_id in rated.photo_ids])
        return cls(rated.bins, actual / actual.sum(axis=1, keepdims=True), predicted)

    def distances(self, power: float) -> Float64Array:
        """(photos,) earth mover's distances."""
        return emd_each(self.predicted, self.actual, power=power)

    def spreads(self) -> tuple[Float64Array, Float64Array]:
        """(photos,) standard deviations of the model's votes, and of people's."""
        return vote_spread(self.predicted, self.bins), vote_spread(self.actual, self.bins)


def vote_result(pair: VotePair, interval: MeasureInterval) -> VoteResult:
    """Measure one model.

    Args:
        pair: its votes and people's.
        interval: measures with an interval.
    """
    mean = pair.actual.mean(axis=0)
    alike = VotePair(pair.bins, pair.actual, np.tile(mean, (len(pair.actual), 1)))
    predicted_spread, actual_spread = pair.spreads()
    return VoteResult(
        bins=pair.bins,
        actual=tuple(mean.tolist()),
        predicted=tuple(pair.predicted.mean(axis=0).tolist()),
        actual_spread=float(actual_spread.mean()),
        predicted_spread=float(predicted_spread.mean()),
        numbers={
            name: _mean_interval(pair.distances(power), interval) for name, power in _POWERS.items()
        }
        | {
            name: interval(metric, predicted_spread, actual_spread)
            for name, metric in _SPREADS.items()
        },
        baseline={
            name: _mean_interval(alike.distances(power), interval)
            for name, power in _POWERS.items()
        },
    )


def vote_comparison(
    pairs: Sequence[VotePair | None], difference: MeasureDifference
) -> dict[str, PairedDifference]:
    """Compare two models.

    Args:
        pairs: votes of each.
        difference: measures the first minus the second.

    Returns:
        For each of `VoteResult.numbers`; empty unless both predict votes.
    """
    if len(pairs) != 2 or pairs[0] is None or pairs[1] is None:
        return {}
    first, second = pairs[0], pairs[1]
    spread, actual = first.spreads()
    other, _ = second.spreads()
    return {
        name: difference(_mean, first.distances(power), second.distances(power), actual)
        for name, power in _POWERS.items()
    } | {name: difference(metric, spread, other, actual) for name, metric in _SPREADS.items()}


def _mean_interval(distances: Float64Array, interval: MeasureInterval) -> Interval:
    # A photo's distance does not depend on what else is drawn, so it is measured once.
    return interval(_mean, distances, distances)


def _mean(predicted: ArrayLike, actual: ArrayLike) -> float:
    return float(np.mean(np.asarray(predicted)))
