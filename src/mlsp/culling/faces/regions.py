"""Square regions of a photo, turned, cut out at the size that a network reads."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mlsp.base.arrays import Float32Array, Float64Array, UInt8Array


@dataclass(frozen=True, slots=True)
class SquareRegion:
    """A square of a photo, which may reach beyond its borders.

    Attributes:
        x: of its centre, in pixels of the photo from its left border.
        y: of its centre, in pixels from the upper border.
        side: in pixels.
        angle: by which it is turned, in radians, clockwise.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    def to_photo(self, points: Float64Array) -> Float64Array:
        """Return points of the region in the photo.

        Args:
            points: (N, 2) x and y in the region, 0…1.

        Returns:
            (N, 2) in pixels of the photo.
        """
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        turn = np.array([[cosine, sine], [-sine, cosine]])
        found: Float64Array = (points - 0.5) * self.side @ turn + (self.x, self.y)
        return found

    def cut(self, pixels: UInt8Array, size: int, *, mirrored: bool = False) -> UInt8Array:
        """Cut the region out. What lies beyond the photo is black.

        Args:
            pixels: (H, W, 3).
            size: of the result's sides, in pixels.
            mirrored: swap left and right of the result.

        Returns:
            (size, size, 3); a larger region is reduced by means first, so that fine texture does not alias.
        """
        reach = self.side * (abs(math.cos(self.angle)) + abs(math.sin(self.angle))) / 2 + 2
        height, width = pixels.shape[:2]
        left, top = max(0, math.floor(self.x - reach)), max(0, math.floor(self.y - reach))
        right = min(width, math.ceil(self.x + reach))
        bottom = min(height, math.ceil(self.y + reach))
        if right <= left or bottom <= top:
            return np.zeros((size, size, 3), np.uint8)
        image = Image.fromarray(np.ascontiguousarray(pixels[top:bottom, left:right]))
        factor = max(1, math.floor(self.side / size))
        if factor > 1:
            image = image.reduce(factor)
        step = self.side / size / factor
        cosine, sine = step * math.cos(self.angle), step * math.sin(self.angle)
        x, y = (self.x - left) / factor, (self.y - top) / factor
        half = size / 2
        # Pillow asks where in the source the result's pixels lie.
        across = (cosine, -sine, x - cosine * half + sine * half)
        down = (sine, cosine, y - sine * half - cosine * half)
        found = image.transform(
            (size, size),
            Image.Transform.AFFINE,
            (*across, *down),
            Image.Resampling.BILINEAR,
        )
        cut = np.asarray(found)
        return np.ascontiguousarray(cut[:, ::-1]) if mirrored else cut


def as_input(cut: UInt8Array, lowest: float) -> Float32Array:
    """Return pixels as a network reads them.

    Args:
        cut: (S, S, 3).
        lowest: the number that stands for black; 1 stands for white.

    Returns:
        (1, S, S, 3).
    """
    values: Float32Array = cut[None].astype(np.float32)
    values *= (1 - lowest) / 255
    values += lowest
    return values
