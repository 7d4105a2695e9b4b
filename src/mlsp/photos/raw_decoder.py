"""Decoding of cameras' raw photos by LibRaw. Its errors are translated only here."""

from __future__ import annotations

import io

import numpy as np

from mlsp.base.arrays import UInt8Array
from mlsp.base.errors import MissingExtraError, UnreadablePhotoError, UnsupportedPhotoError
from mlsp.photos.sizes import Reduction, check_pixels, reduce_pixels

# The curve of sRGB; LibRaw's own default is that of television.
_SRGB_GAMMA = (2.4, 12.92)


def decode(
    content: bytes, *, longest_side: int | None, max_pixels: int, reduction: Reduction = "area"
) -> tuple[UInt8Array, int, int]:
    """Develop a raw photo: white balance of the camera, automatic brightness, sRGB.

    Args:
        content: of the file.
        longest_side: larger photos are reduced to it; None for never.
        max_pixels: photos with more are refused before they are decoded.
        reduction: how larger photos are reduced.

    Returns:
        (h, w, 3) RGB, upright, sRGB; width and height of the upright photo before its reduction.

    Raises:
        UnsupportedPhotoError: rawpy is not installed, or does not know the camera.
        UnreadablePhotoError: the file is damaged.
        PhotoTooLargeError: it has more pixels than the limit.
    """
    try:
        import rawpy
    except ImportError as error:
        raise UnsupportedPhotoError(str(MissingExtraError("Reading raw photos", "raw"))) from error
    try:
        with rawpy.imread(io.BytesIO(content)) as raw:
            width, height = raw.sizes.width, raw.sizes.height
            check_pixels(raw.sizes.raw_width, raw.sizes.raw_height, max_pixels)
            # Half the size needs no interpolation of the missing colours, and is enough if twice what is wanted.
            half_size = longest_side is not None and max(width, height) >= 4 * longest_side
            pixels: UInt8Array = raw.postprocess(
                use_camera_wb=True,
                half_size=half_size,
                output_color=rawpy.ColorSpace.sRGB,
                output_bps=8,
                gamma=_SRGB_GAMMA,
            )
            turned = raw.sizes.flip in (5, 6)
    except (rawpy.LibRawFileUnsupportedError, rawpy.NotSupportedError) as error:
        raise UnsupportedPhotoError(
            f"LibRaw does not read this raw photo ({_text(error)}): convert it to DNG or TIFF"
        ) from error
    except rawpy.LibRawError as error:
        raise UnreadablePhotoError(f"damaged raw photo: {_text(error)}") from error
    if half_size:
        height, width = (width, height) if turned else (height, width)
    else:
        height, width = pixels.shape[:2]
    if longest_side is not None:
        pixels = reduce_pixels(pixels, longest_side, reduction)
    return np.ascontiguousarray(pixels), width, height


def _text(error: Exception) -> str:
    """Return the message of an error; LibRaw's are bytes."""
    detail = error.args[0] if error.args else type(error).__name__
    return detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
