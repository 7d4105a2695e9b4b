"""Contributions of each position of one view to a score, compared with the same view without its content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.features.pooling import area_weights
from mlsp.models.kernel_form import KernelForm
from mlsp.models.linear_form import Head, LinearForm

# Cells along the longer side, where a head must be evaluated for each of them.
_CELLS = 8


@dataclass(frozen=True, slots=True)
class View:
    """The maps and features of one view of a photo.

    Attributes:
        maps: (C, h, w), one per level.
        features: (G, G, C of all levels).
    """

    maps: Sequence[Float32Array]
    features: Float64Array

    @classmethod
    def of(cls, maps: Sequence[Float32Array], grid: int) -> View:
        """Pool maps to a grid of G × G cells."""
        return cls(maps, np.concatenate([_pooled(level, grid) for level in maps], axis=2))


def by_position(form: LinearForm | KernelForm, view: View, base: View) -> list[Float64Array]:
    """Compute how much each position of each map adds to the score of a head whose form is known.

    Args:
        form: of the head.
        view: the view that is explained.
        base: the view without its content.

    Returns:
        (h, w), one per level; together they add up to the difference of the two scores.
    """
    grid = form.grid
    slopes = form.slopes(view.features, base.features).reshape(grid * grid, -1).astype(np.float32)
    amounts, first = [], 0
    for level, without in zip(view.maps, base.maps, strict=True):
        channels, height, width = level.shape
        of_level = slopes[:, first : first + channels]
        first += channels
        # Weighted before pooling and before the difference: few channels are left of many.
        weighted = of_level @ level.reshape(channels, -1) - of_level @ without.reshape(channels, -1)
        cells = weighted.reshape(grid, grid, height, width).astype(np.float64)
        rows, columns = area_weights(height, grid), area_weights(width, grid)
        amounts.append(np.einsum("gkhw,gh,kw->hw", cells, rows, columns, optimize=True))
    return amounts


def by_cell(head: Head, view: View, base: View) -> Float64Array:
    """Compute how much each cell of a view adds to the score of any head.

    Halfway between the view and its baseline, the content of each cell is added and removed. For a linear head the results add
    up to the difference of the two scores, for others approximately.

    Args:
        head: reads features.
        view: the view that is explained.
        base: the view without its content.

    Returns:
        (rows, columns), eight along the longer side.
    """
    halfway = (view.features + base.features) / 2
    grid = halfway.shape[0]
    height, width = view.maps[0].shape[1:]
    rows = max(1, round(_CELLS * height / max(height, width)))
    columns = max(1, round(_CELLS * width / max(height, width)))
    amounts = np.empty((rows, columns))
    for row in range(rows):
        # One row of cells at a time: wide features of all take hundreds of megabytes.
        parts = [
            _of_row(level - without, row, (rows, columns), grid)
            for level, without in zip(view.maps, base.maps, strict=True)
        ]
        half = np.concatenate(parts, axis=3) / 2
        amounts[row] = head.predict((halfway + half).astype(np.float32)).astype(np.float64)
        amounts[row] -= head.predict((halfway - half).astype(np.float32))
    return amounts


def _pooled(level: Float32Array, grid: int) -> Float64Array:
    """(C, h, w) -> (G, G, C)."""
    if grid == 1:
        # Much faster than the general case.
        narrow: Float64Array = level.mean(axis=(1, 2), dtype=np.float64)[None, None]
        return narrow
    rows, columns = area_weights(level.shape[1], grid), area_weights(level.shape[2], grid)
    wide: Float64Array = np.einsum("gh,chw,kw->gkc", rows, level, columns, optimize=True)
    return wide


def _of_row(difference: Float32Array, row: int, cells: tuple[int, int], grid: int) -> Float64Array:
    """Return the share of each cell of one row in the features, (columns, G, G, C)."""
    _, height, width = difference.shape
    of_rows = _membership(height, cells[0])[row] * area_weights(height, grid)
    lines = np.einsum("chw,gh->gcw", difference, of_rows, optimize=True)
    of_columns = _membership(width, cells[1])[:, None] * area_weights(width, grid)[None]
    part: Float64Array = np.einsum("gcw,jkw->jgkc", lines, of_columns, optimize=True)
    return part


def _membership(size: int, cells: int) -> Float64Array:
    """Return the share of each position that lies in each cell, (cells, size); columns add up to 1."""
    weights = area_weights(size, cells)
    shares: Float64Array = weights / weights.sum(axis=0)
    return shares
