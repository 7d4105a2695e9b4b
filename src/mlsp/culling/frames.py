"""What changes from frame to frame of a series: how far the picture moved, and where it is sharp.

photo ─ grey, 256 pixels ─┬ phase correlation ─ shift ─ correlation of what both show ─ Shift
                          └ strength of edges per tile ─ which frame each tile is sharpest in ─ is_focus_moving
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlsp.base.arrays import Float32Array
from mlsp.photos import DecodeSettings, read_photo
from mlsp.photos.colour import luma_of

_SIDE = 256
_TILES = 8
_PEAKS = 5
# Of each side; what both frames show is no more than noise below that.
_MIN_OVERLAP = 0.12
# A tile that is in focus in one frame and not in another has so much stronger edges there.
_FOCUS_RATIO = 1.6
_MIN_MOVING_TILES = 0.4
_MIN_STEADY_TILES = 0.7
# Frames that must each be the sharpest for a tenth of the tiles: a shaken frame is softer everywhere, a stack somewhere else.
_MIN_SHARPEST_FRAMES = 3


@dataclass(frozen=True, slots=True)
class Shift:
    """Movement of the picture from one frame to the next.

    Attributes:
        right: part of the width, -1…1.
        down: part of the height, -1…1.
        correlation: of what both frames show, -1…1.
    """

    right: float
    down: float
    correlation: float

    @property
    def length(self) -> float:
        """How far, in parts of the side."""
        return float(np.hypot(self.right, self.down))


def read_frame(photo: Path) -> Float32Array:
    """Read a photo as a small grey picture.

    Returns:
        (h, w), at most 256 pixels a side, 0…255.

    Raises:
        PhotoError: it cannot be read.
    """
    pixels = read_photo(photo, settings=DecodeSettings(longest_side=_SIDE)).pixels
    return luma_of(pixels)


def shift_between(one: Float32Array, other: Float32Array) -> Shift:
    """Find how far the picture moved between two frames of one size.

    Args:
        one: (h, w), as `read_frame` gives it.
        other: the later frame.

    Returns:
        The shift whose overlap correlates best, of the highest peaks of the phase correlation (Kuglin and Hines, 1975).
    """
    height, width = one.shape
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    spectra = [np.fft.rfft2((frame - frame.mean()) * window) for frame in (one, other)]
    cross = spectra[0] * np.conj(spectra[1])
    surface = np.fft.irfft2(cross / np.maximum(np.abs(cross), 1e-6), s=one.shape)
    best = Shift(0, 0, _correlation(one, other, 0, 0))
    for peak in np.argsort(surface, axis=None)[::-1][:_PEAKS]:
        row, column = divmod(int(peak), width)
        # The surface repeats: a shift to the left looks like a larger one to the right.
        for down in (row, row - height):
            for right in (column, column - width):
                found = _correlation(one, other, down, right)
                if found > best.correlation:
                    best = Shift(right / width, down / height, found)
    return best


def _correlation(one: Float32Array, other: Float32Array, down: int, right: int) -> float:
    """Return how what both frames show correlates, for a shift in pixels; -1 where that is too little."""
    height, width = one.shape
    if height - abs(down) < _MIN_OVERLAP * height or width - abs(right) < _MIN_OVERLAP * width:
        return -1
    first = one[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
    second = other[max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)]
    first, second = first - first.mean(), second - second.mean()
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum()) / size if size else -1


def is_focus_moving(edges: Sequence[Float32Array]) -> bool:
    """Return whether the focus moves through a series of frames of one view.

    Args:
        edges: of each frame, as `edges_of` gives them, in the order in which they were taken; at least three.

    Returns:
        True where many parts are much sharper in one frame than in another, in different frames, and each becomes sharper and then
        softer again as the focus passes.
    """
    strengths = np.stack(edges)
    highest, lowest = strengths.max(0), strengths.min(0)
    textured = highest > np.median(highest) / 4
    moving = textured & (highest > _FOCUS_RATIO * np.maximum(lowest, 1e-6))
    if not moving.any() or moving.sum() < _MIN_MOVING_TILES * textured.sum():
        return False
    tiles = strengths[:, moving]
    sharpest = np.bincount(tiles.argmax(0), minlength=len(edges))
    if (sharpest >= 0.1 * tiles.shape[1]).sum() < min(_MIN_SHARPEST_FRAMES, len(edges)):
        return False
    # Up to the sharpest frame it rises, then it falls; noise may undo a tenth of it.
    peaks = tiles.argmax(0)
    steps = np.diff(tiles, axis=0) / tiles.max(0)
    before = np.arange(len(steps))[:, None] < peaks
    wrong = np.where(before, steps < -0.1, steps > 0.1).any(0)
    return bool((~wrong).mean() >= _MIN_STEADY_TILES)


def edges_of(frame: Float32Array) -> Float32Array:
    """Measure the strength of edges in each tile.

    Args:
        frame: (h, w), as `read_frame` gives it.

    Returns:
        (8, 8); 0 where the frame has not as many pixels.
    """
    down, right = np.diff(frame, axis=0)[:, :-1], np.diff(frame, axis=1)[:-1]
    strength = down**2 + right**2
    rows, columns = (size // _TILES * _TILES for size in strength.shape)
    tiles = strength[:rows, :columns].reshape(_TILES, rows // _TILES, _TILES, columns // _TILES)
    strengths: Float32Array = tiles.sum((1, 3)) / max(1, tiles.shape[1] * tiles.shape[3])
    return strengths
