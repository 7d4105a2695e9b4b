"""Percentiles without a search, as a graph can compute them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlsp.base.arrays import Float32Array


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
