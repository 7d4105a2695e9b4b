"""What of a photo the network sees (section 3 of the paper)."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from mlsp.arrays import UInt8Array
from mlsp.errors import SettingsError, unknown_name

ViewsName = Literal["whole", "whole_mirrored", "corners8"]
VIEW_COUNTS: dict[ViewsName, int] = {"whole": 1, "whole_mirrored": 2, "corners8": 8}
# The paper's proportion of a crop to the photo, 224 of 256, as a fraction: exact for every size.
_CROP = (7, 8)


def cut_views(pixels: UInt8Array, views: ViewsName) -> UInt8Array:
    """Cut the views of a photo; they have one size, so they can go through a network as one batch.

    Args:
        pixels: (H, W, 3).
        views: `whole`; `whole_mirrored`, the photo and its mirror image; or `corners8`, the stored views of the paper: crops
            of floor(0.875 · W) × floor(0.875 · H) at the top left, top right, bottom left and bottom right, each plain and
            then mirrored.

    Returns:
        (V, h, w, 3), a view each.

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
        height, width = (max(1, side * _CROP[0] // _CROP[1]) for side in pixels.shape[:2])
        rows = (slice(0, height), slice(pixels.shape[0] - height, None))
        columns = (slice(0, width), slice(pixels.shape[1] - width, None))
        crops = [pixels[row, column] for row in rows for column in columns]
    return np.stack([view for crop in crops for view in (crop, crop[:, ::-1])])
