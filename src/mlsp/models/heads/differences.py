"""Pairs of photos of which one is known to be better: what a head learns from beside ratings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Differences:
    """Pairs of photos of which one is known to be better by a margin; what they are rated need not be known.

    Attributes:
        better: narrow features (pairs, C).
        worse: features of the other photos, (pairs, C).
        margins: by how much the scores should differ, (pairs,), on the scale of the ratings; 0 for photos that are equally good.
        weight: of a pair's squared error, against 1 of a rated photo; one number for all, or (pairs,).

    Raises:
        SettingsError: shapes do not agree, or a number is not finite.
    """

    better: Float32Array
    worse: Float32Array
    margins: Float64Array
    weight: float | Float64Array = 1.0

    def __post_init__(self) -> None:
        better, worse, margins = self.better, self.worse, self.margins
        if better.ndim != 2 or better.shape != worse.shape or margins.shape != (len(better),):
            raise SettingsError(
                f"expected pairs of features of one shape (pairs, channels) and a margin each, got {better.shape}, {worse.shape} and"
                f" {margins.shape}"
            )
        if not all(np.isfinite(array).all() for array in (better, worse, margins)):
            raise SettingsError("features and margins of pairs must be finite numbers")
