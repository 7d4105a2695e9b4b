"""Heat maps of explanations as pictures."""

from __future__ import annotations

from mlsp.arrays import UInt8Array
from mlsp.explaining.explanation import Explanation


def heat_map_png(
    pixels: UInt8Array,
    explanation: Explanation,
    *,
    longest_side: int = 1024,
    has_legend: bool = True,
) -> bytes:
    """Draw what raised and lowered a score over the photo.

    Args:
        pixels: of the upright photo, RGB, uint8 (H, W, 3), at any size.
        explanation: of its score.
        longest_side: of the photo in the picture, in pixels; smaller photos are enlarged by at most twice.
        has_legend: whether score and legend are written below it; without, the picture is of the photo's proportions exactly.

    Returns:
        A PNG file.
    """
    raise NotImplementedError
