"""A head's weights, found by asking it; so any head can be explained and learned from, whatever its graph looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from mlsp.base.arrays import Float32Array, Float64Array

# A power of 4, so that it and its root are exact; so large that rounding of the score does not matter.
_STEP = 65536.0
_ROWS_AT_ONCE = 256
# Asking for each feature takes the square of their number: a second here.
_MOST_FEATURES = 30_000
# Of the largest score, between what a linear head would say and what the head says.
_LARGEST_DIFFERENCE = 1e-3
_CHECKED_ROWS = 4


class Head(Protocol):
    """What reads features."""

    def predict(self, features: Float32Array) -> Float32Array:
        """(N, G, G, C) -> (N,)."""


@dataclass(frozen=True, slots=True)
class LinearForm:
    """A head that is linear in its features or in their square roots.

    Attributes:
        weights: (G, G, C).
        of: what they weigh.
        bias: score of features that are all 0.
    """

    weights: Float64Array
    of: Literal["features", "roots"]
    bias: float

    def slopes(self, features: Float64Array, base: Float64Array) -> Float64Array:
        """What the score gains for each unit of a feature, on the whole way from one photo's features to another's.

        With them the difference of two scores is exactly `(slopes · (features - base)).sum()`: for roots
        √f - √b = (f - b) / (√f + √b).

        Args:
            features: (G, G, C).
            base: (G, G, C).

        Returns:
            (G, G, C). Where both features are 0, so are the maps everywhere, and the slope does not matter: 0.
        """
        if self.of == "features":
            return self.weights
        roots = np.sqrt(np.maximum(features, 0)) + np.sqrt(np.maximum(base, 0))
        slopes: Float64Array = np.divide(
            self.weights, roots, out=np.zeros_like(self.weights), where=roots > 0
        )
        return slopes


def linear_form(head: Head, shape: tuple[int, int, int]) -> LinearForm | None:
    """Find the weights of a head.

    Args:
        head: any.
        shape: (G, G, C) of the features that it reads.

    Returns:
        None where it is not linear, or has more features than can be asked for one by one.
    """
    size = int(np.prod(shape))
    if size > _MOST_FEATURES:
        return None
    rng = np.random.default_rng(0)
    checked = rng.random((_CHECKED_ROWS, *shape), np.float32)
    start = float(head.predict(np.zeros((1, *shape), np.float32))[0])
    said = head.predict(checked).astype(np.float64)
    gains = np.empty(size)
    rows = np.zeros((_ROWS_AT_ONCE, size), np.float32)
    for first in range(0, size, _ROWS_AT_ONCE):
        places = np.arange(min(_ROWS_AT_ONCE, size - first))
        rows[places, first + places] = _STEP
        scores = head.predict(rows[: len(places)].reshape(-1, *shape))
        gains[first + places] = scores.astype(np.float64) - start
        rows[places, first + places] = 0
    flat = checked.reshape(_CHECKED_ROWS, size).astype(np.float64)
    forms: tuple[tuple[Literal["features", "roots"], float, Float64Array], ...] = (
        ("features", _STEP, flat),
        ("roots", _STEP**0.5, np.sqrt(flat)),
    )
    for of, step, values in forms:
        weights = gains / step
        expected = start + values @ weights
        largest = max(np.abs(said).max(), np.abs(expected - start).max())
        if np.abs(expected - said).max() <= _LARGEST_DIFFERENCE * largest:
            return LinearForm(weights.reshape(shape), of, start)
    return None
