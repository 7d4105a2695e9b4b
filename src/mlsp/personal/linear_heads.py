"""The default's heads as weights of the square roots of features, found by asking them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mlsp.arrays import Float32Array, Float64Array
from mlsp.model import Model
from mlsp.model_records import HeadRecord

# A power of 4, whose root is exact; so large that rounding of the score does not matter.
_PROBE = 4.0**8
_ROWS_AT_ONCE = 256
_CHECKED_ROWS = 4
# Of the checked scores' size.
_LARGEST_DIFFERENCE = 1e-3


class Head(Protocol):
    """What reads features."""

    @property
    def channels(self) -> int:
        """C of the features that it reads."""

    def predict(self, features: Float32Array) -> Float32Array:
        """(N, 1, 1, C) -> (N,)."""


@dataclass(frozen=True, slots=True)
class LinearHead:
    """A head that is linear in the square roots of narrow features.

    Attributes:
        name: of the head.
        weights: (C,).
        bias: added to them.
        middle: score of a middling photo.
        spread: by how much scores deviate from it.
    """

    name: str
    weights: Float64Array
    bias: float
    middle: float
    spread: float

    def standardised(self, features: Float32Array) -> Float64Array:
        """(photos,) scores of (photos, C) features: 0 for a middling photo, of variance about 1."""
        roots = np.sqrt(np.maximum(features, 0))
        sums = (roots @ self.weights.astype(features.dtype)).astype(np.float64)
        return np.asarray((sums + self.bias - self.middle) / self.spread)


def linear_heads(model: Model) -> tuple[LinearHead, ...]:
    """Read the heads of a model.

    Args:
        model: its heads read narrow features.

    Returns:
        All its heads; none where one of them is not linear in the square roots of features, since the others alone are not its taste.

    Raises:
        ModelError: a head cannot be read.
    """
    from mlsp.engines.openvino_engine import OpenVinoHead

    return read_linear_heads(
        (record, OpenVinoHead(model.folder / record.file)) for record in model.heads
    )


def read_linear_heads(heads: Iterable[tuple[HeadRecord, Head]]) -> tuple[LinearHead, ...]:
    """Like `linear_heads`, of heads that are open."""
    found = [_linear(record, head) for record, head in heads]
    return tuple(head for head in found if head) if all(found) else ()


def _linear(record: HeadRecord, head: Head) -> LinearHead | None:
    channels = head.channels
    bias = float(_ask(head, np.zeros((1, channels), np.float32))[0])
    weights = np.empty(channels)
    rows = np.zeros((_ROWS_AT_ONCE, channels), np.float32)
    for start in range(0, channels, _ROWS_AT_ONCE):
        asked = np.arange(min(_ROWS_AT_ONCE, channels - start))
        rows[asked, start + asked] = _PROBE
        weights[start + asked] = (_ask(head, rows[: len(asked)]) - bias) / _PROBE**0.5
        rows[asked, start + asked] = 0
    checked = np.random.default_rng(0).random((_CHECKED_ROWS, channels), np.float32) * 4
    expected = np.sqrt(checked) @ weights + bias
    difference = np.abs(_ask(head, checked) - expected).max()
    if not difference <= _LARGEST_DIFFERENCE * max(1.0, float(np.abs(expected).max())):
        return None
    middle, spread = _spread(record)
    return LinearHead(record.name, weights, bias, middle, spread)


def _ask(head: Head, features: Float32Array) -> Float64Array:
    return head.predict(features[:, None, None, :]).astype(np.float64)


def _spread(record: HeadRecord) -> tuple[float, float]:
    if not record.quantiles:
        return (record.lowest + record.highest) / 2, (record.highest - record.lowest) / 6
    low, middle, high = np.quantile(record.quantiles, [0.16, 0.5, 0.84])
    return float(middle), max(float(high - low) / 2, (record.highest - record.lowest) / 100)
