"""Baselines of a photo: the photo without its content."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from mlsp.base.arrays import UInt8Array

# Share of the longer side: keeps colours and large shapes, removes what is sharp.
_BLUR = 1 / 42


def without_content(pixels: UInt8Array) -> tuple[UInt8Array, UInt8Array]:
    """Remove the content of a photo in two ways.

    Args:
        pixels: RGB, (H, W, 3).

    Returns:
        The photo far out of focus, and its mean colour everywhere; (H, W, 3) each.
    """
    sigma = max(pixels.shape[:2]) * _BLUR
    blurred = np.array(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(sigma)))
    mean = np.rint(pixels.reshape(-1, 3).mean(axis=0)).astype(np.uint8)
    return blurred, np.broadcast_to(mean, pixels.shape).copy()
