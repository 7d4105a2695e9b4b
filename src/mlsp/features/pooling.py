"""Spatial pooling of maps to a small grid: the one definition, used by numpy, torch and the exported graph.

The paper resizes every map to 5×5 ("wide") or 1×1 ("narrow") by TensorFlow's `ResizeArea`: the exact mean over cells whose
borders may cut pixels (section 4 of the paper). Two small matrices do this on any size, also smaller than the grid.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from mlsp.base.arrays import Float64Array
from mlsp.base.errors import SettingsError

_Real = TypeVar("_Real", np.float32, np.float64)


def area_weights(size: int, grid: int) -> Float64Array:
    """Compute the share of each pixel in the mean over each cell, along one axis.

    `A[i, j] = |[i·n/k, (i+1)·n/k] ∩ [j, j+1]| · k/n` for n pixels and k cells.

    Args:
        size: pixels n of the axis, at least 1.
        grid: cells k of the axis, at least 1.

    Returns:
        (grid, size) matrix whose rows add up to 1.

    Raises:
        SettingsError: `size` or `grid` is below 1.

    Examples:
        >>> area_weights(3, 2)
        array([[0.66666667, 0.33333333, 0.        ],
               [0.        , 0.33333333, 0.66666667]])
    """
    if size < 1 or grid < 1:
        raise SettingsError(
            f"area pooling needs at least 1 pixel and 1 cell, got {size} and {grid}"
        )
    # In units of 1/grid pixel all borders are whole numbers, so the overlaps are exact.
    cells = np.arange(grid, dtype=np.int64)[:, None] * size
    pixels = np.arange(size, dtype=np.int64)[None, :] * grid
    overlap = np.minimum(cells + size, pixels + grid) - np.maximum(cells, pixels)
    weights: Float64Array = np.maximum(overlap, 0) / np.float64(size)
    return weights


def pool(
    maps: np.ndarray[tuple[int, ...], np.dtype[_Real]], grid: int
) -> np.ndarray[tuple[int, ...], np.dtype[_Real]]:
    """Pool maps to a grid by exact area means.

    Args:
        maps: (..., H, W, C), any real dtype.
        grid: cells G of each side.

    Returns:
        (..., G, G, C) of the same dtype, computed in float64.
    """
    rows = area_weights(maps.shape[-3], grid)
    columns = area_weights(maps.shape[-2], grid)
    pooled: np.ndarray[tuple[int, ...], np.dtype[_Real]] = np.einsum(
        "gh,...hwc,kw->...gkc", rows, maps, columns, optimize=True
    ).astype(maps.dtype, copy=False)
    return pooled


def narrow_from_wide(
    wide: np.ndarray[tuple[int, ...], np.dtype[_Real]],
) -> np.ndarray[tuple[int, ...], np.dtype[_Real]]:
    """Compute narrow features from wide ones, so that one pass of a network gives both.

    All cells of a grid have the same area, also where their borders cut pixels, so the mean over the cells *is* the mean over
    the map: the result is the narrow feature itself, on photos of any size, up to rounding.

    Args:
        wide: (..., G, G, C), any real dtype.

    Returns:
        (..., 1, 1, C) of the same dtype, computed in float64.

    Examples:
        >>> maps = np.random.default_rng(0).random((7, 3, 2))
        >>> np.allclose(narrow_from_wide(pool(maps, 5)), pool(maps, 1), rtol=1e-15)
        True
    """
    narrow: np.ndarray[tuple[int, ...], np.dtype[_Real]] = wide.mean(
        axis=(-3, -2), dtype=np.float64, keepdims=True
    ).astype(wide.dtype, copy=False)
    return narrow
