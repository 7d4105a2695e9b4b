"""Weights of linear heads, which start a user's taste: read from the graph, or found by predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.models.kernel_form import KernelForm
from mlsp.models.network_form import Graph
from mlsp.models.records import HeadForm

# A power of 4, so that it and its root are exact; so large that rounding of the score does not matter.
_STEP = 65536.0
_BATCH_ROWS = 256
# One prediction per feature takes time with the square of their number: a second here.
_MAX_FEATURES = 30_000
# Of the largest score, between the score of a linear head and that of the head.
_MAX_DIFFERENCE = 1e-3
_CHECKED_ROWS = 4


class Head(Graph, Protocol):
    """Head whose graph is open, and which predicts."""

    def predict(self, features: Float32Array) -> Float32Array:
        """Predict scores: (N, G, G, C) -> (N,)."""


@dataclass(frozen=True, slots=True)
class LinearForm:
    """Head that is linear in its features or in their signed square roots.

    Attributes:
        weights: (G, G, C).
        of: quantities that they weigh.
        bias: score of features that are all 0.
    """

    weights: Float64Array
    of: Literal["features", "roots"]
    bias: float


def linear_form(
    head: Head, shape: tuple[int, int, int], form: HeadForm | None = None
) -> LinearForm | None:
    """Return the weights of a head.

    Args:
        head: any.
        shape: (G, G, C) of the features that it reads.
        form: as its record states it.

    Returns:
        Of a kernel head the nearest linear one. None where it is not linear, or where no form is stated and it has too many features to be asked one by one.

    Raises:
        ModelError: the graph lacks an array that the form promises.
    """
    if form == "roots":
        weights = head.array("weight").astype(np.float64).reshape(shape)
        return LinearForm(weights, "roots", float(head.array("bias")))
    if form == "kernel":
        weights, bias = KernelForm.read(head).linear()
        return LinearForm(weights.reshape(shape), "roots", bias)
    return None if form == "other" else _ask(head, shape)


def _ask(head: Head, shape: tuple[int, int, int]) -> LinearForm | None:
    """Find the weights of a head whose record states no form, by one prediction per feature."""
    size = int(np.prod(shape))
    if size > _MAX_FEATURES:
        return None
    rng = np.random.default_rng(0)
    checked = rng.random((_CHECKED_ROWS, *shape), np.float32)
    start = float(head.predict(np.zeros((1, *shape), np.float32))[0])
    predicted = head.predict(checked).astype(np.float64)
    gains = np.empty(size)
    rows = np.zeros((_BATCH_ROWS, size), np.float32)
    for first in range(0, size, _BATCH_ROWS):
        columns = np.arange(min(_BATCH_ROWS, size - first))
        rows[columns, first + columns] = _STEP
        scores = head.predict(rows[: len(columns)].reshape(-1, *shape))
        gains[first + columns] = scores.astype(np.float64) - start
        rows[columns, first + columns] = 0
    flat = checked.reshape(_CHECKED_ROWS, size).astype(np.float64)
    forms: tuple[tuple[Literal["features", "roots"], float, Float64Array], ...] = (
        ("features", _STEP, flat),
        ("roots", _STEP**0.5, np.sqrt(flat)),
    )
    for of, step, values in forms:
        weights = gains / step
        expected = start + values @ weights
        largest = max(np.abs(predicted).max(), np.abs(expected - start).max())
        if np.abs(expected - predicted).max() <= _MAX_DIFFERENCE * largest:
            return LinearForm(weights.reshape(shape), of, start)
    return None
