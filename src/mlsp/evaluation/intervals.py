"""Bootstrap intervals of a metric, and the paired comparison of two models.

Photos are drawn with replacement, as many as there are, and the metric is measured on what was drawn, many times over; the
middle 95 % of these numbers are the interval (Efron's percentile bootstrap). Where photos come in groups that are alike (a
series, a photographer, a theme), whole groups are drawn: photos of one group carry less information than as many independent ones, and
drawing them singly would give intervals that are too short.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlsp.base.arguments import checked
from mlsp.base.bootstrap import draws, percentile_interval
from mlsp.base.errors import SettingsError
from mlsp.base.ranks import DrawnKendall, DrawnSpearman
from mlsp.evaluation.metrics import kendall, srcc

Metric: TypeAlias = Callable[[ArrayLike, ArrayLike], float]
_Counts: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Interval:
    """A metric with its confidence interval.

    Attributes:
        value: the metric on all photos.
        low: lower end of its interval; NaN where the metric is.
        high: upper end of it.
        confidence: share of such intervals that hold the true number, 0…1.
    """

    value: float
    low: float
    high: float
    confidence: float


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Difference of a metric between two models on the same photos, first minus second.

    Attributes:
        value: metric of the first minus that of the second.
        low: lower end of the difference's interval; NaN where the difference is.
        high: upper end of it.
        confidence: share of such intervals that hold the true difference, 0…1.
        p_value: two-sided: how often chance alone makes models of equal worth differ so much, 0…1; NaN where the difference is. Not
            below 2 / (resamples + 1).
    """

    value: float
    low: float
    high: float
    confidence: float
    p_value: float


@checked
def bootstrap_interval(
    metric: Metric,
    predicted: ArrayLike,
    actual: ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    groups: Sequence[Hashable] | None = None,
) -> Interval:
    """Measure a metric and its percentile bootstrap interval.

    Args:
        metric: of `mlsp.evaluation.metrics`, or any function of (predicted, actual); bind its settings by `functools.partial`.
        predicted: (photos, …) scores, or distributions for `emd`.
        actual: (photos, …) ratings, or distributions for `emd`.
        confidence: 0…1, both excluded.
        resamples: at least 100. Those in which the metric is not defined (all ratings alike, say) are left out.
        seed: equal seeds give equal intervals.
        groups: (photos,) names; whole groups are drawn instead of single photos.

    Returns:
        The metric on all photos, and the interval.

    Raises:
        SettingsError: the sides differ in length, the settings are out of range, or the metric cannot take the values.
    """
    first, second = np.asarray(predicted), np.asarray(actual)
    value = metric(first, second)
    drawn = _draws(len(second), [first], second, resamples, confidence, seed, groups)
    measure = _measure(metric, first, second)
    low, high = percentile_interval(
        np.array([measure(counts) for counts in drawn]), value, confidence
    )
    return Interval(value, low, high, confidence)


@checked
def paired_difference(
    metric: Metric,
    first: ArrayLike,
    second: ArrayLike,
    actual: ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    groups: Sequence[Hashable] | None = None,
) -> PairedDifference:
    """Compare two models on the same photos.

    Both are measured on the same draws, so what makes photos hard for both of them cancels: differences much smaller than either
    model's own interval can be told. The p-value is twice the share of draws on the far side of zero, so it goes with the interval:
    small where that leaves zero out.

    Args:
        metric: as for `bootstrap_interval`.
        first: (photos, …) scores of one model.
        second: (photos, …) scores of the other.
        actual: (photos, …) ratings.
        confidence: 0…1, both excluded.
        resamples: at least 100.
        seed: equal seeds give equal results.
        groups: (photos,) names; whole groups are drawn instead of single photos.

    Returns:
        The difference, its interval and its p-value. Positive: the first has the larger metric, which is the worse one for errors.

    Raises:
        SettingsError: the sides differ in length, the settings are out of range, or the metric cannot take the values.
    """
    sides, rated = [np.asarray(first), np.asarray(second)], np.asarray(actual)
    value = metric(sides[0], rated) - metric(sides[1], rated)
    drawn = _draws(len(rated), sides, rated, resamples, confidence, seed, groups)
    one, other = (_measure(metric, side, rated) for side in sides)
    differences = np.array([one(counts) - other(counts) for counts in drawn])
    low, high = percentile_interval(differences, value, confidence)
    return PairedDifference(value, low, high, confidence, _p_value(differences, value))


def _draws(
    photos: int,
    sides: Sequence[np.ndarray],
    actual: np.ndarray,
    resamples: int,
    confidence: float,
    seed: int,
    groups: Sequence[Hashable] | None,
) -> Iterator[_Counts]:
    """Check the arguments, then return how often each photo is drawn, (photos,), `resamples` times."""
    for side in sides:
        if side.shape[:1] != actual.shape[:1]:
            raise SettingsError(
                f"expected as many scores as ratings, got shapes {side.shape} and {actual.shape}"
            )
    check_interval(confidence, resamples)
    if groups is not None and len(groups) != photos:
        raise SettingsError(f"expected one group for each of {photos} photos, got {len(groups)}")
    codes = np.arange(photos)
    if groups is not None:
        known = {name: code for code, name in enumerate(dict.fromkeys(groups))}
        codes = np.array([known[name] for name in groups])
        if len(known) < 2:
            raise SettingsError(
                "all photos are in one group, so there is nothing to draw: leave the groups out"
            )
    return draws(codes, resamples=resamples, seed=seed)


def check_interval(confidence: float, resamples: int) -> None:
    """Raise `SettingsError` where an interval cannot be drawn so."""
    if not 0 < confidence < 1:
        raise SettingsError(f"confidence must lie between 0 and 1, got {confidence}")
    if resamples < 100:
        raise SettingsError(f"an interval needs at least 100 resamples, got {resamples}")


def _measure(
    metric: Metric, predicted: np.ndarray, actual: np.ndarray
) -> Callable[[_Counts], float]:
    """Return the metric as a function of how often each photo was drawn."""
    # These two need not sort each draw again.
    if metric is srcc:
        return DrawnSpearman(predicted, actual)
    if metric is kendall:
        return DrawnKendall(predicted, actual)
    photos = np.arange(len(actual))

    def measure(counts: _Counts) -> float:
        rows = np.repeat(photos, counts)
        # A draw of groups may have one photo, and one photo has no correlation.
        return metric(predicted[rows], actual[rows]) if len(rows) > 1 else float("nan")

    return measure


def _p_value(differences: NDArray[np.float64], value: float) -> float:
    defined = differences[np.isfinite(differences)]
    if not len(defined) or not np.isfinite(value):
        return float("nan")
    # One draw is added on each side: no number of draws can show that something never happens.
    far = min((defined <= 0).sum(), (defined >= 0).sum()) + 1
    return float(min(1.0, 2 * far / (len(defined) + 1)))
