"""How well scores agree with ratings."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mlsp.errors import MissingExtraError, SettingsError

try:
    from scipy import stats
except ImportError as _error:
    raise MissingExtraError("Measuring agreement", "train") from _error


def _pair(predicted: ArrayLike, actual: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(predicted, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape or len(first) < 2:
        raise SettingsError(
            f"expected two vectors of one length, at least 2, got shapes {first.shape} and {second.shape}"
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise SettingsError("scores and ratings must be finite numbers")
    return first, second


def srcc(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Spearman's rank correlation, ties by average ranks.

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
    first, second = _pair(predicted, actual)
    return _correlation(stats.rankdata(first), stats.rankdata(second))


def plcc(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Pearson's correlation; see `srcc` for arguments, returns and errors."""
    return _correlation(*_pair(predicted, actual))


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first - first.mean(), second - second.mean()
    norm = np.sqrt((first @ first) * (second @ second))
    return float(first @ second / norm) if norm else float("nan")
