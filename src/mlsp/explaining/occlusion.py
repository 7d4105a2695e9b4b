"""Occlusion sensitivity (Zeiler and Fergus, ECCV 2014): cover a cell of the photo, score it again, see what the score lost."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageFilter

from mlsp.base.arrays import Float64Array, UInt8Array
from mlsp.base.machine import usable_cores
from mlsp.base.parallel import map_in_order
from mlsp.scoring.scorer import Scorer

# Along the longer side, of about 72 pixels of 512. Smaller ones move the score by little more than rounding does.
_CELLS = 7
# Share of the longer side: keeps colours and large shapes, removes what is sharp.
_BLUR = 1 / 42

# Rows and columns of pixels.
Cell: TypeAlias = tuple[slice, slice]


def occlusion_effects(scorer: Scorer, pixels: UInt8Array) -> dict[str, Float64Array]:
    """Measure how much the scores of a photo fall when a cell of it is covered; takes as long as scoring up to 98 photos.

    Each cell is covered in two ways: by the same part far out of focus, and by the mean colour of the photo.

    Args:
        scorer: scores it.
        pixels: of the upright photo, RGB, (H, W, 3).

    Returns:
        For each head (2, rows, columns), in units of its score: out of focus, mean colour. Seven cells along the longer side.

    Raises:
        PhotoError: the photo cannot be scored.
        EngineError: the network or a head failed.
    """
    (rows, columns), cells = cells_of(pixels, _CELLS)
    photos = itertools.chain(
        [pixels], *(_with_a_cell_covered(pixels, cover, cells) for cover in _covers(pixels))
    )
    # Scores would not do: those beyond the end of the scale are all alike.
    original, *outputs = map_in_order(scorer.unclipped, photos, workers=usable_cores() + 1)
    return {
        head: value - np.array([output[head] for output in outputs]).reshape(2, rows, columns)
        for head, value in original.items()
    }


def cells_of(pixels: UInt8Array, longer: int) -> tuple[tuple[int, int], list[Cell]]:
    """Cut a photo into cells that are about square.

    Args:
        pixels: of the photo, (H, W, 3).
        longer: number of cells along its longer side.

    Returns:
        Rows and columns of cells, and the rows and columns of pixels of each cell, row by row.
    """
    height, width = pixels.shape[:2]
    rows, columns = (max(1, round(longer * side / max(height, width))) for side in (height, width))
    return (rows, columns), [
        (
            slice(height * row // rows, height * (row + 1) // rows),
            slice(width * column // columns, width * (column + 1) // columns),
        )
        for row in range(rows)
        for column in range(columns)
    ]


def _covers(pixels: UInt8Array) -> tuple[UInt8Array, UInt8Array]:
    blurred = Image.fromarray(pixels).filter(
        ImageFilter.GaussianBlur(max(pixels.shape[:2]) * _BLUR)
    )
    mean = np.rint(pixels.reshape(-1, 3).mean(axis=0)).astype(np.uint8)
    return np.array(blurred), np.broadcast_to(mean, pixels.shape)


def _with_a_cell_covered(
    pixels: UInt8Array, cover: UInt8Array, cells: Sequence[Cell]
) -> Iterator[UInt8Array]:
    for cell in cells:
        covered = pixels.copy()
        covered[cell] = cover[cell]
        yield covered
