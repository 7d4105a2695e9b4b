"""Quantiles of rated photos' scores: a photo's percentile among them, and among small ones."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


def percentile_among(quantiles: Sequence[float], value: float) -> float:
    """Return the share of scores that are lower, 0…100, by linear interpolation.

    Args:
        quantiles: of the scores at even steps from the minimum to the maximum.
        value: a score.

    Returns:
        NaN where there are no quantiles, or the score is NaN.
    """
    if math.isnan(value) or not quantiles:
        return math.nan
    above = bisect.bisect_right(quantiles, value)
    if above == 0:
        return 0.0
    if above == len(quantiles):
        return 100.0
    low, high = quantiles[above - 1], quantiles[above]
    steps = above - 1 + (value - low) / (high - low)
    return 100 * steps / (len(quantiles) - 1)


def check_quantiles(quantiles: Sequence[float], what: str) -> None:
    """Raise ValueError if quantiles cannot be used."""
    if not all(isinstance(one, int | float) and math.isfinite(one) for one in quantiles):
        raise ValueError(f"{what}: expected finite numbers")
    if len(quantiles) == 1 or list(quantiles) != sorted(quantiles):
        raise ValueError(f"{what}: expected none, or at least two, ascending")


@dataclass(frozen=True, slots=True)
class SmallPhotos:
    """How a head scores small photos: the same rated photos that give its percentiles, reduced to several sizes.

    Attributes:
        below: longest side, in pixels, from which photos are scored as large.
        quantiles: by a longest side below that one, in pixels, scores of the rated photos reduced to it, at even steps from the minimum to
            the maximum.
    """

    below: int
    quantiles: Mapping[int, tuple[float, ...]]

    def as_large(self, value: float, side: int, large: Sequence[float]) -> float:
        """Return the score that a large photo of the same rank has.

        Args:
            value: the score of a photo.
            side: its longest side, in pixels.
            large: quantiles of large photos.
        """
        if side >= self.below:
            return value
        return float(np.interp(value, self.between(side, large), large))

    def between(self, side: int, large: Sequence[float]) -> tuple[float, ...]:
        """Return the quantiles of photos of a size, by linear interpolation in its logarithm; those of the smallest size below it.

        Args:
            side: longest side, in pixels.
            large: quantiles of large photos.
        """
        known = {**self.quantiles, self.below: large}
        sides = sorted(known)
        smaller = max((one for one in sides if one <= side), default=sides[0])
        larger = min((one for one in sides if one > smaller), default=smaller)
        if larger == smaller or side <= smaller:
            return tuple(known[smaller])
        share = math.log(side / smaller) / math.log(larger / smaller)
        pairs = zip(known[smaller], known[larger], strict=True)
        return tuple(low + share * (high - low) for low, high in pairs)

    def check(self, count: int, what: str) -> None:
        """Raise ValueError if these cannot be used.

        Args:
            count: of the quantiles of large photos.
            what: they are.
        """
        if not self.quantiles:
            raise ValueError(f"{what}: expected at least one size")
        for side, quantiles in self.quantiles.items():
            check_quantiles(quantiles, f"{what} at {side} pixels")
            if not (0 < side < self.below and len(quantiles) == count):
                raise ValueError(
                    f"{what} at {side} pixels: expected {count} of a size below {self.below}"
                )
