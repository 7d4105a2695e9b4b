"""The default's heads as weights of the signed square roots of features, read from their graphs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.models.linear_form import Head, linear_form
from mlsp.models.model import Model
from mlsp.models.records import HeadRecord
from mlsp.models.signed_roots import signed_roots


class NarrowHead(Head, Protocol):
    """A head that reads narrow features."""

    @property
    def channels(self) -> int:
        """C of the features that it reads."""


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
        All its heads; none where one of them is not linear in these roots, since the others alone are not its taste.

    Raises:
        ModelError: a head cannot be read.
    """
    from mlsp.features.engines.openvino_engine import OpenVinoHead

    return read_linear_heads(
        (record, OpenVinoHead(model.folder / record.file)) for record in model.heads
    )


def read_linear_heads(heads: Iterable[tuple[HeadRecord, NarrowHead]]) -> tuple[LinearHead, ...]:
    """Read heads that are open; see `linear_heads`."""
    found = [_linear(record, head) for record, head in heads]
    return tuple(head for head in found if head) if all(found) else ()


def _linear(record: HeadRecord, head: NarrowHead) -> LinearHead | None:
    form = linear_form(head, (1, 1, head.channels), record.form)
    if form is None or form.of != "roots":
        return None
    middle, spread = _spread(record)
    return LinearHead(record.name, form.weights[0, 0], form.bias, middle, spread)


def _spread(record: HeadRecord) -> tuple[float, float]:
    if not record.quantiles:
        return (record.lowest + record.highest) / 2, (record.highest - record.lowest) / 6
    low, middle, high = np.quantile(record.quantiles, [0.16, 0.5, 0.84])
    return float(middle), max(float(high - low) / 2, (record.highest - record.lowest) / 100)
