"""What a model's graph gives besides scores: percentiles, faults and kinds, as `mlsp.scoring.heads` computes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto

from mlsp.base.arrays import Float32Array
from mlsp.models.model import Model
from mlsp.models.one_file.parts import Parts
from mlsp.models.records import NOT_PHOTO, ClassifierRecord, HeadRecord


class LabelOutputs:
    """The probabilities of a model's labels in a graph.

    Args:
        parts: of the graph; each label becomes an output of its name.
        model: the model's record.
        features: name of the features that its heads read.
        views: crops per photo, whose probabilities are averaged.

    Attributes:
        names: of the outputs.
    """

    def __init__(self, parts: Parts, model: Model, features: str, views: int) -> None:
        self._parts = parts
        self._kinds = model.classifier("kinds")
        self.names: list[str] = []
        self._probabilities = {
            record.name: self._add(model, record, features, views) for record in model.classifiers
        }
        self._is_none = self._find_not_photos()

    def _add(self, model: Model, record: ClassifierRecord, features: str, views: int) -> str:
        """Add a classifier; return the name of its probabilities, (N, labels)."""
        parts = self._parts
        found = parts.add(onnx.load(model.folder / record.file), record.name, features)
        found = parts.mean_of_views(found, views, columns=len(record.labels))
        for index, label in enumerate(record.labels):
            parts.node("Gather", [found, parts.constant(np.int64(index))], label.name, axis=1)
            self.names.append(label.name)
        return found

    def _find_not_photos(self) -> str | None:
        """Return the name of what tells photos, False, from what is none, (N,)."""
        labels = () if self._kinds is None else self._kinds.labels
        index = next((at for at, label in enumerate(labels) if label.name == NOT_PHOTO), None)
        if index is None:
            return None
        parts, found = self._parts, self._probabilities["kinds"]
        needed = np.array([[label.threshold or 0.0 for label in labels]], np.float32)
        reached = parts.node("GreaterOrEqual", [found, parts.constant(needed)])
        known = parts.node("Where", [reached, found, parts.constant(np.float32(-1))])
        first = parts.node("ArgMax", [known], axis=1, keepdims=0)
        is_first = parts.node("Equal", [first, parts.constant(np.int64(index))])
        columns = parts.constant(np.int64(index))
        is_reached = parts.node("Gather", [reached, columns], axis=1)
        return parts.node("And", [is_first, is_reached])

    def without_not_photos(self, value: str, output: str) -> None:
        """Name a value, NaN of what is no photo."""
        parts = self._parts
        if self._is_none is None:
            parts.node("Identity", [value], output)
        else:
            nan = parts.constant(np.float32(np.nan))
            parts.node("Where", [self._is_none, nan, value], output)

    def percentile(self, record: HeadRecord) -> str:
        """Return the name of a score's percentile, (N,), of what is no photo too: `HeadRecord.percentile_of_kind`."""
        parts = self._parts
        among_all = _percentile(parts, record, record.quantiles)
        if not record.kind_quantiles or self._kinds is None:
            return among_all
        names = [label.name for label in self._kinds.labels]
        kinds = [index for index, name in enumerate(names) if name != NOT_PHOTO]
        found = self._probabilities["kinds"]
        shares = parts.node("Gather", [found, parts.constant(np.array(kinds, np.int64))], axis=1)
        axis = parts.constant(np.array([1], np.int64))
        total = parts.node("ReduceSum", [shares, axis], keepdims=0)
        total = parts.node("Max", [total, parts.constant(np.finfo(np.float32).tiny)])
        # Each kind moves the percentile from that among all to its own, by its share.
        moved = [among_all]
        for kind, quantiles in record.kind_quantiles.items():
            own = _percentile(parts, record, quantiles)
            share = parts.node("Div", [kind, total])
            moved.append(parts.node("Mul", [share, parts.node("Sub", [own, among_all])]))
        return parts.node("Sum", moved)


def position(parts: Parts, record: HeadRecord) -> str:
    """Compute `HeadRecord.position`."""
    above = parts.node("Sub", [record.name, parts.constant(np.float32(record.lowest))])
    scale = parts.constant(np.float32(100 / (record.highest - record.lowest)))
    return parts.node("Mul", [above, scale])


def _percentile(parts: Parts, record: HeadRecord, quantiles: Sequence[float]) -> str:
    """Compute the percentile of a score among quantiles, as a sum of ramps and steps."""
    pieces = percentile_pieces(quantiles)
    value = parts.node("Unsqueeze", [record.name, parts.constant(np.array([1], np.int64))])
    last = parts.constant(np.array([1], np.int64))
    bounds = [parts.constant(np.float32(0)), parts.constant(np.float32(1))]
    over = parts.node("Sub", [value, parts.constant(pieces.begins)])
    ramps = parts.node("Clip", [parts.node("Div", [over, parts.constant(pieces.widths)]), *bounds])
    total = parts.node("ReduceSum", [ramps, last], keepdims=0)
    if len(pieces.jumps):
        is_over = parts.node("GreaterOrEqual", [value, parts.constant(pieces.jumps)])
        heights = parts.node("Cast", [is_over], to=TensorProto.FLOAT)
        steps = parts.node("Mul", [heights, parts.constant(pieces.heights)])
        total = parts.node("Add", [total, parts.node("ReduceSum", [steps, last], keepdims=0)])
    scale = parts.constant(np.float32(100 / (len(quantiles) - 1)))
    return parts.node("Mul", [total, scale])


@dataclass(frozen=True, slots=True)
class PercentilePieces:
    """Ascending function as a sum of ramps, each from 0 to 1, and of jumps: in steps between quantiles, 0 … their number - 1.

    Attributes:
        begins: (R,) where a ramp begins.
        widths: (R,) of the ramps, above 0.
        jumps: (J,) where the function jumps.
        heights: (J,) by how much.
    """

    begins: Float32Array
    widths: Float32Array
    jumps: Float32Array
    heights: Float32Array


def percentile_pieces(quantiles: Sequence[float]) -> PercentilePieces:
    """Write the interpolation between quantiles as a sum.

    Args:
        quantiles: at least two, ascending, perhaps with equal ones, where the percentile jumps.

    Examples:
        >>> pieces = percentile_pieces([0.0, 1.0, 1.0, 3.0])
        >>> pieces.begins.tolist(), pieces.widths.tolist(), pieces.jumps.tolist()
        ([0.0, 1.0], [1.0, 2.0], [1.0])
    """
    values = np.asarray(quantiles, np.float32)
    widths = np.diff(values)
    is_ramp = widths > 0
    jumps, heights = np.unique(values[:-1][~is_ramp], return_counts=True)
    return PercentilePieces(
        values[:-1][is_ramp], widths[is_ramp], jumps, heights.astype(np.float32)
    )
