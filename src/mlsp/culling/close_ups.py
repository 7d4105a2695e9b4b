"""What a photo shows at full size: its faces, and how sharp its subject is.

photo ─ decode at full size ─┬ faces, the prominent ones ─ blur of their eyes ─┬ CloseUp
                             └ no face: the sharpest pieces in the middle ─────┘

Scores come from 512 pixels, where slight blur and closed eyes do not show. Only photos that compete are looked at like this: those of
one burst.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mlsp.base.arrays import Float32Array, UInt8Array
from mlsp.culling.faces import Face, face_finder
from mlsp.culling.sharpness import blur_of

Subject = Literal["eyes", "photo"]

# Second differences find what is in focus: at half the size, where there is less noise; clipped, so that a few lights do not hide
# the rest.
_DETAIL = ImageFilter.Kernel((3, 3), (0, -1, 0, -1, 4, -1, 0, -1, 0), scale=0.5)
_REDUCED = 2
_TILE = 128
# Half axes of an ellipse around the middle, where subjects are more often than not, as shares of the sides: a quarter of the photo.
_MIDDLE = 0.28
# Pieces that are measured, and those of them that count: the sharpest but for the very sharpest, which may be noise.
_PIECES, _COUNTED = 8, slice(1, 4)


@dataclass(frozen=True, slots=True)
class CloseUp:
    """What a photo shows at full size.

    Attributes:
        faces: the most prominent first.
        subject: what `blur` was measured on: the eyes of its prominent faces, or where there is no face the sharpest pieces in its
            middle.
        blur: as the standard deviation of a Gaussian, in thousandths of the photo's longest side, so that copies of other sizes
            can be compared; None where there are no edges.
    """

    faces: tuple[Face, ...]
    subject: Subject
    blur: float | None

    @property
    def prominent_faces(self) -> tuple[Face, ...]:
        """The faces that matter."""
        return tuple(face for face in self.faces if face.is_prominent)

    @property
    def closed_eyes(self) -> int:
        """Number of prominent faces whose eyes are closed."""
        return sum(face.eyes_state == "closed" for face in self.prominent_faces)

    @property
    def faces_cut_off(self) -> int:
        """Number of prominent faces that the photo's border cuts off."""
        return sum(face.is_cut_off for face in self.prominent_faces)


def close_up_of(pixels: UInt8Array, *, faces: bool = True) -> CloseUp:
    """Measure pixels (H, W, 3) at full size, as `mlsp.culling.looking` decodes them."""
    found = face_finder().find(pixels) if faces else ()
    subject: Subject = "eyes"
    blur = _blur_of_faces(found)
    if blur is None:
        subject, blur = "photo", _blur_of_pieces(pixels)
    relative = None if blur is None else blur * 1000 / max(pixels.shape[:2])
    return CloseUp(found, subject, relative)


def _blur_of_faces(faces: Sequence[Face]) -> float | None:
    """Return the mean blur of the prominent faces, in pixels, by prominence; None where none can be measured."""
    measured = [
        (face.prominence, face.sharpest_blur)
        for face in faces
        if face.is_prominent and face.sharpest_blur is not None
    ]
    if not measured:
        return None
    total = sum(weight for weight, _ in measured)
    return math.exp(sum(weight * math.log(blur) for weight, blur in measured) / total)


def _blur_of_pieces(pixels: UInt8Array) -> float | None:
    """Return the blur of the sharpest pieces in a photo's middle, in pixels, or in all of it if the middle has no edges; None if none has."""
    height, width = pixels.shape[:2]
    rows, columns = height // _TILE, width // _TILE
    if not rows or not columns:
        return blur_of(pixels)
    detail = np.asarray(Image.fromarray(pixels).convert("L").reduce(_REDUCED).filter(_DETAIL))
    side = _TILE // _REDUCED
    tiles = (
        detail[: rows * side, : columns * side]
        .reshape(rows, side, columns, side)
        .mean((1, 3), dtype=np.float32)
    )
    blurs = _blurs(pixels, tiles * _is_middle(rows, columns)) or _blurs(pixels, tiles)
    counted = blurs[_COUNTED] or blurs
    return float(np.mean(counted)) if counted else None


def _blurs(pixels: UInt8Array, tiles: Float32Array) -> list[float]:
    """Measure the blur of the pieces with the most detail, and return it sorted; some have no edges.

    Args:
        pixels: (H, W, 3).
        tiles: (rows, columns) detail of each tile; 0 is not measured.
    """
    left = tiles.copy()
    blurs = []
    for _ in range(_PIECES):
        row, column = np.unravel_index(int(left.argmax()), left.shape)
        if left[row, column] <= 0:
            break
        # A tile and half of those around it, which are then not measured again.
        top, start = (max(0, int(index) * _TILE - _TILE // 2) for index in (row, column))
        blur = blur_of(pixels[top : top + 2 * _TILE, start : start + 2 * _TILE])
        if blur is not None:
            blurs.append(blur)
        left[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = 0
    return sorted(blurs)


def _is_middle(rows: int, columns: int) -> NDArray[np.bool_]:
    """Return which tiles (rows, columns) have their centre in the middle of the photo."""
    down, across = (np.arange(0.5, count) / count - 0.5 for count in (rows, columns))
    is_middle: NDArray[np.bool_] = np.hypot(down[:, None], across) <= _MIDDLE
    return is_middle
