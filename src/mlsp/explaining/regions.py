"""Regions of a photo that crops, levels and the cells of a map cover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import numpy as np

from mlsp.backbones import BACKBONES
from mlsp.base.arrays import Float64Array
from mlsp.photos.crops import ViewsName, crop_size


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of a photo, in shares of its height and width, 0…1.

    Attributes:
        top: where it begins.
        bottom: where it ends.
        left: where it begins.
        right: where it ends.
        is_mirrored: whether left and right are exchanged in it.
    """

    top: float = 0.0
    bottom: float = 1.0
    left: float = 0.0
    right: float = 1.0
    is_mirrored: bool = False

    def part(self, inner: Region) -> Region:
        """Return a rectangle of this one, given in shares of it, as a rectangle of the photo."""
        height, width = self.bottom - self.top, self.right - self.left
        left, right = inner.left, inner.right
        if self.is_mirrored:
            left, right = 1 - right, 1 - left
        return Region(
            self.top + height * inner.top,
            self.top + height * inner.bottom,
            self.left + width * left,
            self.left + width * right,
            self.is_mirrored != inner.is_mirrored,
        )

    def spread(self, amounts: Float64Array, canvas: tuple[int, int]) -> Float64Array:
        """Spread the amount of each cell of a map evenly over the part of the photo that it covers.

        Args:
            amounts: (h, w) of the map, which covers the rectangle.
            canvas: rows and columns of the result, which covers the photo.

        Returns:
            (rows, columns), with the same sum.
        """
        if self.is_mirrored:
            amounts = amounts[:, ::-1]
        rows = _shares(amounts.shape[0], canvas[0], self.top, self.bottom)
        columns = _shares(amounts.shape[1], canvas[1], self.left, self.right)
        spread: Float64Array = rows @ amounts @ columns.T
        return spread


def _shares(sources: int, targets: int, start: float, stop: float) -> Float64Array:
    """Share of each source cell in each target cell, along one axis: (targets, sources), whose columns add up to 1."""
    borders = np.linspace(start, stop, sources + 1) * targets
    edges = np.arange(targets + 1.0)
    overlap = np.minimum(borders[1:], edges[1:, None]) - np.maximum(borders[:-1], edges[:-1, None])
    shares = np.maximum(overlap, 0)
    result: Float64Array = shares / shares.sum(axis=0)
    return result


def view_regions(views: ViewsName, height: int, width: int) -> tuple[Region, ...]:
    """Return the regions of a photo's views, in the order of `mlsp.photos.crops.cut_views`.

    Args:
        views: which.
        height: of the photo, in pixels.
        width: of the photo, in pixels.
    """
    match views:
        case "whole":
            return (Region(),)
        case "whole_mirrored":
            return (Region(), Region(is_mirrored=True))
        case "corners8":
            rows, columns = crop_size((height, width))
            high, wide = rows / height, columns / width
            return tuple(
                Region(top, top + high, left, left + wide, is_mirrored)
                for top in (0.0, 1 - high)
                for left in (0.0, 1 - wide)
                for is_mirrored in (False, True)
            )
        case _:
            assert_never(views)


def level_region(backbone: str, level: str, height: int, width: int) -> Region:
    """Return the part of a view that a level sees.

    Args:
        backbone: name of the network.
        level: name of the level.
        height: of the view, in pixels.
        width: of the view, in pixels.
    """
    spec = BACKBONES.get(backbone)
    regions = {known.name: known.region for known in spec.levels} if spec else {}
    side, multiple = (spec.detail_side, spec.side_multiple) if spec else (0, 1)
    high, wide = height // multiple * multiple, width // multiple * multiple
    seen = _middle(height, width, high, wide)
    match regions.get(level, "whole"):
        case "whole":
            return seen
        case "overview":
            # An odd last row or column is left out.
            return seen.part(Region(0, high // 2 * 2 / high, 0, wide // 2 * 2 / wide))
        case "detail":
            return seen.part(_middle(high, wide, min(high, side), min(wide, side)))
        case region:
            assert_never(region)


def _middle(height: int, width: int, high: int, wide: int) -> Region:
    """Return the middle of a view of which so many pixels are left."""
    top, left = (height - high) // 2, (width - wide) // 2
    return Region(top / height, (top + high) / height, left / width, (left + wide) / width)
