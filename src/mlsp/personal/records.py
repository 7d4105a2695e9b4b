"""What was learned, and how well it does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from mlsp.base.arrays import Float32Array, Float64Array

Measure: TypeAlias = Literal["ratings", "comparisons"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """A number and the interval that it is sure to.

    Attributes:
        value: the number; NaN where it is not defined.
        low: lower end of its interval.
        high: upper end of it.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class TasteAgreement:
    """How well the personal model and the default predict the user, on photos that the personal one had not seen.

    Attributes:
        measure: `ratings`: Spearman's rank correlation of scores with ratings, -1…1. `comparisons`: share of the comparisons in which
            the better photo has the higher score, 0…1.
        count: ratings or comparisons that it was measured on.
        personal: of the personal model.
        default: of the default's overall.
        difference: of the first less the second.
        plcc: Pearson's correlation of the personal model's scores with the ratings; NaN for comparisons.
    """

    measure: Measure
    count: int
    personal: Bounds
    default: Bounds
    difference: Bounds
    plcc: float = math.nan


@dataclass(frozen=True, slots=True)
class Taste:
    """A linear map from the square roots of narrow features to stars, and how well it does.

    Attributes:
        weights: (C,), with the standardisation and the default's heads folded in.
        bias: added to it.
        lowest: end of the scale.
        highest: other end of it.
        quantiles: scores of the judged photos at even steps from the least to the largest, by models that had not seen them.
        photo_count: photos that were judged.
        rating_count: ratings that it learned from.
        comparison_count: comparisons that it learned from.
        group_count: groups of photos that are alike, single ones included: a group was never on both sides of a fold.
        uses_default: whether the default's heads are folded in.
        penalty: what cross-validation chose: how little the photos' features are believed beyond the default's heads; infinite for not at all.
        agreement: of the ratings, the comparisons or both, in this order.
        is_better: whether it predicts the user convincingly better than the default.
    """

    weights: Float64Array
    bias: float
    lowest: float
    highest: float
    quantiles: tuple[float, ...]
    photo_count: int
    rating_count: int
    comparison_count: int
    group_count: int
    uses_default: bool
    penalty: float
    agreement: tuple[TasteAgreement, ...]
    is_better: bool

    def scores(self, features: Float32Array) -> Float64Array:
        """Score photos.

        Args:
            features: narrow, (photos, C).

        Returns:
            (photos,) stars, not cut off at the ends of the scale.
        """
        roots = np.sqrt(np.maximum(features, 0))
        return np.asarray(roots @ self.weights + self.bias, dtype=np.float64)
