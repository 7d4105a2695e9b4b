"""A model's linear heads, which start a user's taste: read from their graphs, or found by predictions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.models.kernel_form import KernelForm
from mlsp.models.model import Model
from mlsp.models.records import HeadRecord
from mlsp.models.signed_roots import signed_roots

if TYPE_CHECKING:
    from mlsp.features.engines.openvino_engine import OpenVinoHead

# A power of 4, so that it and its root are exact; so large that rounding of the score does not matter.
_STEP = 65536.0
_BATCH_ROWS = 256
# One prediction per feature takes time with the square of their number: a second here.
_MAX_FEATURES = 30_000
# Of the largest score, between the score of a linear head and that of the head.
_MAX_DIFFERENCE = 1e-3
_CHECKED_ROWS = 4


@dataclass(frozen=True, slots=True)
class LinearHead:
    """A head that is linear in the signed square roots of narrow features.

    Attributes:
        name: of the head.
        weights: (C,).
        bias: added to the weighted sum.
        middle: score of an average photo.
        spread: about one standard deviation of scores.
    """

    name: str
    weights: Float64Array
    bias: float
    middle: float
    spread: float

    def standardised(self, features: Float32Array) -> Float64Array:
        """Return standardised scores, (photos,), of (photos, C) features: 0 for an average photo, of variance about 1."""
        weights = self.weights.astype(features.dtype)
        sums = (signed_roots(features) @ weights).astype(np.float64)
        return np.asarray((sums + self.bias - self.middle) / self.spread)


def linear_heads(model: Model) -> tuple[LinearHead, ...]:
    """Read the heads of a model.

    Args:
        model: its heads read narrow features.

    Returns:
        All its heads, of a kernel head the nearest linear one; none where one of them is not linear in these roots, since the
        others alone are not its taste.

    Raises:
        ModelError: a head cannot be read.
    """
    found = [_linear(model.folder, record) for record in model.heads]
    return tuple(head for head in found if head) if all(found) else ()


def _linear(folder: Path, record: HeadRecord) -> LinearHead | None:
    from mlsp.features.engines.openvino_engine import OpenVinoHead

    if record.form == "other":
        return None
    head = OpenVinoHead(folder / record.file)
    if record.form == "roots":
        weights, bias = head.array("weight").astype(np.float64), float(head.array("bias"))
    elif record.form == "kernel":
        weights, bias = KernelForm.read(head).linear()
    elif (found := _ask(head)) is not None:
        weights, bias = found
    else:
        return None
    middle, spread = _spread(record)
    return LinearHead(record.name, weights.reshape(-1), bias, middle, spread)


def _ask(head: OpenVinoHead) -> tuple[Float64Array, float] | None:
    """Find weights and bias of a head whose record states no form, by one prediction per feature."""
    size = head.channels
    if size > _MAX_FEATURES:
        return None
    shape = (-1, 1, 1, size)
    checked = np.random.default_rng(0).random((_CHECKED_ROWS, size), np.float32)
    bias = float(head.predict(np.zeros((1, size), np.float32).reshape(shape))[0])
    predicted = head.predict(checked.reshape(shape)).astype(np.float64)
    gains = np.empty(size)
    rows = np.zeros((_BATCH_ROWS, size), np.float32)
    for first in range(0, size, _BATCH_ROWS):
        columns = np.arange(min(_BATCH_ROWS, size - first))
        rows[columns, first + columns] = _STEP
        scores = head.predict(rows[: len(columns)].reshape(shape))
        gains[first + columns] = scores.astype(np.float64) - bias
        rows[columns, first + columns] = 0
    weights = gains / _STEP**0.5
    expected = bias + np.sqrt(checked.astype(np.float64)) @ weights
    largest = max(np.abs(predicted).max(), np.abs(expected - bias).max())
    is_linear = np.abs(expected - predicted).max() <= _MAX_DIFFERENCE * largest
    return (weights, bias) if is_linear else None


def _spread(record: HeadRecord) -> tuple[float, float]:
    if not record.quantiles:
        return (record.lowest + record.highest) / 2, (record.highest - record.lowest) / 6
    low, middle, high = np.quantile(record.quantiles, [0.16, 0.5, 0.84])
    return float(middle), max(float(high - low) / 2, (record.highest - record.lowest) / 100)
