"""Crops of a photo that the network sees (section 3 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from mlsp.base.arrays import UInt8Array
from mlsp.base.errors import SettingsError, unknown_name

ViewsName = Literal["whole", "whole_mirrored", "corners8"]
VIEW_COUNTS: dict[ViewsName, int] = {"whole": 1, "whole_mirrored": 2, "corners8": 8}
# The paper's proportion of a crop to the photo, 224 of 256, as a fraction: exact for every size.
CROP = (7, 8)


def cut_views(pixels: UInt8Array, views: ViewsName) -> UInt8Array:
    """Cut the crops of a photo. They have one size, so they can go through a network as one batch.

    Args:
        pixels: (H, W, 3).
        views: `whole`; `whole_mirrored`, the photo and its mirror image; or `corners8`, the stored views of the paper: crops
            of floor(0.875 · W) × floor(0.875 · H) at the top left, top right, bottom left and bottom right, each plain and
            then mirrored.

    Returns:
        (V, h, w, 3), one crop per view.

    Raises:
        SettingsError: `views` is unknown.

    Examples:
        >>> cut_views(np.zeros((400, 500, 3), np.uint8), "corners8").shape
        (8, 350, 437, 3)
    """
    if views not in get_args(ViewsName):
        raise SettingsError(unknown_name("views", views, get_args(ViewsName)))
    if views == "whole":
        return pixels[None]
    crops = [pixels]
    if views == "corners8":
        height, width = crop_size(pixels.shape[:2])
        rows = (slice(0, height), slice(pixels.shape[0] - height, None))
        columns = (slice(0, width), slice(pixels.shape[1] - width, None))
        crops = [pixels[row, column] for row in rows for column in columns]
    return np.stack([view for crop in crops for view in (crop, crop[:, ::-1])])


def min_photo_side(network_side: int, views: ViewsName) -> int:
    """Return the smallest side of a photo whose crops are as large as the network needs.

    Args:
        network_side: smallest side of a crop, in pixels.
        views: see `cut_views`.

    Examples:
        >>> min_photo_side(75, "whole"), min_photo_side(75, "corners8")
        (75, 86)
    """
    if views != "corners8":
        return network_side
    numerator, denominator = CROP
    return -(-network_side * denominator // numerator)


def random_view(pixels: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """Cut a crop at a random position, mirrored with probability 1/2, as for fine-tuning (section 3.1 of the paper).

    Of a photo resized to 256×256 it is 224×224, as in the paper's Table 2.

    Args:
        pixels: (H, W, 3).
        rng: draws the position and the mirroring; three numbers are drawn whatever the size.

    Returns:
        (h, w, 3), a copy; see `crop_size`.

    Examples:
        >>> random_view(np.zeros((256, 256, 3), np.uint8), np.random.default_rng(0)).shape
        (224, 224, 3)
    """
    height, width = crop_size(pixels.shape[:2])
    top = int(rng.integers(pixels.shape[0] - height + 1))
    left = int(rng.integers(pixels.shape[1] - width + 1))
    view = pixels[top : top + height, left : left + width]
    return np.ascontiguousarray(view[:, ::-1]) if rng.integers(2) else view.copy()


def random_views(pixels: UInt8Array, count: int, rng: np.random.Generator) -> UInt8Array:
    """Cut several random crops; a fine-tuned network's score of a photo is the mean over 20 of them.

    Args:
        pixels: (H, W, 3).
        count: V, at least 1.
        rng: see `random_view`.

    Returns:
        (V, h, w, 3), the same as of V calls of `random_view`.

    Raises:
        SettingsError: `count` is below 1.
    """
    if count < 1:
        raise SettingsError(f"random views must be at least 1, got {count}")
    return np.stack([random_view(pixels, rng) for _ in range(count)])


def crop_size(sides: Sequence[int]) -> tuple[int, int]:
    """Return both sides of a crop: floor(7/8 · side), at least 1.

    Args:
        sides: of the photo, in pixels; height and width, or the other way round.
    """
    numerator, denominator = CROP
    first, second = (max(1, side * numerator // denominator) for side in sides)
    return first, second
