"""Records of a learned taste and of its agreement with the user."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.models.signed_roots import signed_roots

Measure: TypeAlias = Literal["ratings", "comparisons"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """A number and its confidence interval.

    Attributes:
        value: the number; NaN where it is not defined.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class TasteAgreement:
    """Agreement of the personal model and of the default with the user, on photos that the personal one had not seen.

    Attributes:
        measure: `ratings`: Spearman's rank correlation of scores with ratings, -1…1. `comparisons`: share of the comparisons in which
            the better photo has the higher score, 0…1.
        count: ratings or comparisons that it was measured on.
        personal: agreement of the personal model.
        default: agreement of the default's overall score.
        difference: the first minus the second.
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
    """A linear map from the signed square roots of narrow features to stars, and its agreement with the user.

    Attributes:
        weights: (C,), with the standardisation and the default's heads folded in.
        bias: added to the weighted sum.
        lowest: lower end of the scale.
        highest: upper end of the scale.
        quantiles: scores of the judged photos by models that had not seen them, at even steps from the lowest to the highest.
        photo_count: photos that were judged.
        rating_count: ratings that it learned from.
        comparison_count: comparisons that it learned from.
        group_count: groups of similar photos, single photos included; no group was on both sides of a fold.
        uses_default: whether the default's heads are folded in.
        penalty: on the weights of the features beyond the default's heads, chosen by cross-validation; infinite where only the heads count.
        agreement: on the ratings, the comparisons or both, in this order.
        is_better: whether it predicts the user significantly better than the default.
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
            (photos,) stars, not clipped to the scale.
        """
        return np.asarray(signed_roots(features) @ self.weights + self.bias, dtype=np.float64)
