"""Metrics of agreement between scores and ratings: functions of `(predicted, actual)`, numpy alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mlsp.base.arrays import Float64Array
from mlsp.base.errors import SettingsError
from mlsp.base.ranks import DrawnKendall, correlation, rank_correlation

_SPREAD_DECIMALS = 10


def _pair(
    predicted: ArrayLike, actual: ArrayLike, *, minimum: int = 2
) -> tuple[Float64Array, Float64Array]:
    first, second = np.asarray(predicted, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape or len(first) < minimum:
        raise SettingsError(
            f"expected two vectors of one length, at least {minimum}, got shapes {first.shape} and {second.shape}"
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise SettingsError("scores and ratings must be finite numbers")
    return first, second


def srcc(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Return Spearman's rank correlation, ties by average ranks.

    Args:
        predicted: (photos,) scores.
        actual: (photos,) ratings.

    Returns:
        -1…1; NaN where one side is constant.

    Raises:
        SettingsError: the vectors differ in length, are shorter than 2 or not finite.

    Examples:
        >>> srcc([1, 2, 3], [10, 20, 30])
        1.0
    """
    return rank_correlation(*_pair(predicted, actual))


def plcc(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Return Pearson's correlation; see `srcc` for arguments, returns and errors."""
    return correlation(*_pair(predicted, actual))


def kendall(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Return Kendall's rank correlation tau-b, which corrects for ties on both sides.

    It is the share of pairs of photos that are in the right order minus the share in the wrong one; see `srcc` for arguments,
    returns and errors.
    """
    first, second = _pair(predicted, actual)
    return DrawnKendall(first, second)(np.ones(len(first), dtype=np.intp))


def accuracy(predicted: ArrayLike, actual: ArrayLike, *, threshold: float) -> float:
    """Return the share of photos that are put on the right side of a threshold.

    Above the threshold is high, at it or below is low, for scores as for ratings: on AVA "MOS > 5" is high (the paper's
    section 5.1, after Murray et al.). It depends on the threshold and on how unequal the sides are, so show
    `majority_accuracy` beside it.

    Args:
        predicted: (photos,) scores.
        actual: (photos,) ratings.
        threshold: 5 on AVA; on the ratings' scale.

    Returns:
        0…1.

    Raises:
        SettingsError: the vectors differ in length, are empty or not finite.

    Examples:
        >>> accuracy([4, 5, 6], [4, 6, 6], threshold=5) == 2 / 3
        True
    """
    high_predicted, high = _sides(predicted, actual, threshold)
    return float((high_predicted == high).mean())


def default_threshold(lowest: float, highest: float) -> float:
    """Return the threshold of `accuracy` for a scale of ratings: 5 on 1 to 10, as in the paper, else the middle.

    Examples:
        >>> default_threshold(1, 10), default_threshold(0, 1)
        (5.0, 0.5)
    """
    # The paper calls MOS > 5 high, although the middle of AVA's scale is 5.5.
    return 5.0 if (lowest, highest) == (1, 10) else (lowest + highest) / 2


def majority_accuracy(actual: ArrayLike, *, threshold: float) -> float:
    """Return the accuracy of giving every photo the class of the majority: the baseline of `accuracy`, .7108 on AVA's test photos.

    Args:
        actual: (photos,) ratings.
        threshold: on the ratings' scale.

    Returns:
        .5…1.

    Raises:
        SettingsError: there are no ratings, or some are not finite.
    """
    _, high = _sides(actual, actual, threshold)
    share = float(high.mean())
    return max(share, 1 - share)


def balanced_accuracy(predicted: ArrayLike, actual: ArrayLike, *, threshold: float) -> float:
    """Return the mean of the accuracies among the high and among the low photos: .5 if all get one class.

    Args:
        predicted: (photos,) scores.
        actual: (photos,) ratings.
        threshold: on the ratings' scale; equal is low, as for `accuracy`.

    Returns:
        0…1; NaN where all photos are on one side.

    Raises:
        SettingsError: the vectors differ in length, are empty or not finite.
    """
    high_predicted, high = _sides(predicted, actual, threshold)
    if high.all() or not high.any():
        return float("nan")
    return float((high_predicted[high].mean() + (~high_predicted[~high]).mean()) / 2)


def rmse(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Return the root of the mean squared error, in the ratings' unit; see `accuracy` for arguments and errors."""
    first, second = _pair(predicted, actual, minimum=1)
    return float(np.sqrt(np.mean((first - second) ** 2)))


def mae(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Return the mean absolute error, in the ratings' unit; see `accuracy` for arguments and errors."""
    first, second = _pair(predicted, actual, minimum=1)
    return float(np.abs(first - second).mean())


def emd(predicted: ArrayLike, actual: ArrayLike, *, power: float = 2) -> float:
    """Return the earth mover's distance between distributions of votes, as NIMA defines it (Talebi and Milanfar 2018, eq. 1).

    For each photo: the mean over the bins of |difference of the cumulative distributions| to the power, and of that the root;
    then the mean over the photos. Bins count as equally far apart. Power 2 is the root of the mean squared difference, which
    NIMA is trained on; power 1 is the distance in bins, over their number.

    Args:
        predicted: (photos, bins) shares or counts; each row is divided by its sum.
        actual: (photos, bins) shares or counts.
        power: at least 1.

    Returns:
        0…1: 0 for equal distributions.

    Raises:
        SettingsError: the arrays differ in shape, are empty, have numbers that are negative or not finite or a row without any votes, or the
            power is below 1.

    Examples:
        >>> emd([[1, 0, 0, 0]], [[0, 2, 0, 0]])
        0.5
    """
    return float(emd_each(predicted, actual, power=power).mean())


def emd_each(predicted: ArrayLike, actual: ArrayLike, *, power: float = 2) -> Float64Array:
    """Return the earth mover's distance of each photo, (photos,); see `emd` for arguments and errors."""
    if not power >= 1:
        raise SettingsError(f"the power of an EMD must be at least 1, got {power}")
    first, second = (np.asarray(side, dtype=np.float64) for side in (predicted, actual))
    if first.ndim != 2 or first.shape != second.shape or first.size == 0:
        raise SettingsError(
            f"expected two arrays of one shape (photos, bins), got shapes {first.shape} and {second.shape}"
        )
    steps = np.abs(_cumulative(first) - _cumulative(second))
    # The last step is 0 up to rounding, which a root would magnify.
    steps[:, -1] = 0
    return np.asarray(np.mean(steps**power, axis=1) ** (1 / power))


def vote_spread(votes: ArrayLike, bins: ArrayLike) -> Float64Array:
    """Return the standard deviation of each photo's votes: how much people disagree.

    Args:
        votes: (photos, bins) shares or counts.
        bins: (bins,) their values.

    Returns:
        (photos,) in the bins' unit.

    Raises:
        SettingsError: the arrays do not fit, or votes are negative, not finite or all 0 in a row.

    Examples:
        >>> vote_spread([[1, 0, 1], [0, 5, 0]], [1, 2, 3]).tolist()
        [1.0, 0.0]
    """
    counts, values = (np.asarray(side, dtype=np.float64) for side in (votes, bins))
    if counts.ndim != 2 or values.shape != counts.shape[1:] or counts.size == 0:
        raise SettingsError(
            f"expected votes (photos, bins) and the values of the bins, got shapes {counts.shape} and {values.shape}"
        )
    shares = _shares(counts)
    means = shares @ values
    spread = np.sqrt((shares * (values - means[:, None]) ** 2).sum(axis=1))
    # Ranks must not depend on how equal spreads, of mirrored votes say, were rounded.
    return np.asarray(np.round(spread, _SPREAD_DECIMALS))


def _cumulative(votes: Float64Array) -> Float64Array:
    return np.asarray(np.cumsum(_shares(votes), axis=1))


def _shares(votes: Float64Array) -> Float64Array:
    sums = votes.sum(axis=1, keepdims=True)
    if not np.isfinite(votes).all() or votes.min() < 0 or sums.min() <= 0:
        raise SettingsError(
            "distributions must be finite shares or counts, none negative and not all 0 in a row"
        )
    return np.asarray(votes / sums)


def _sides(
    predicted: ArrayLike, actual: ArrayLike, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    first, second = _pair(predicted, actual, minimum=1)
    return first > threshold, second > threshold
