"""Efron's percentile bootstrap in numpy: draw with replacement, measure each draw, take the middle of the numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arrays import Float64Array


def draws(codes: NDArray[np.intp], *, resamples: int, seed: int) -> Iterator[NDArray[np.intp]]:
    """Draw groups with replacement, as many as there are.

    Args:
        codes: (n,) group of each value, 0…groups - 1; `np.arange(n)` draws single values.
        resamples: number of draws.
        seed: equal seeds give equal draws.

    Yields:
        (n,) how often each value was drawn.
    """
    number = int(codes.max()) + 1
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(rng.integers(0, number, number), minlength=number)[codes]


def percentile_interval(
    drawn: Float64Array, value: float, confidence: float
) -> tuple[float, float]:
    """Return the ends of the middle `confidence` of what was drawn.

    Args:
        drawn: (resamples,) one number per draw; those that are not finite are left out.
        value: the number on all values.
        confidence: 0…1.

    Returns:
        Lower and upper end; NaN where `value` or all of `drawn` are not finite.
    """
    defined = drawn[np.isfinite(drawn)]
    if not len(defined) or not np.isfinite(value):
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)
