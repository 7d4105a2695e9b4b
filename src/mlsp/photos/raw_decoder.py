"""Decoding of cameras' raw photos by LibRaw. Its errors are translated only here.

raw photo ─┬ preview in it, if it is large enough: what the camera showed ─┬ upright ─ reduce
           └ developed: white balance of the camera, no automatic brightness ┘
"""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mlsp.base.arrays import UInt8Array
from mlsp.base.errors import MissingExtraError, UnreadablePhotoError, UnsupportedPhotoError
from mlsp.photos import pillow_decoder
from mlsp.photos.apart import leave_apart
from mlsp.photos.formats import exif_orientation
from mlsp.photos.memory import bytes_needed, memory_for
from mlsp.photos.pillow_headers import open_header
from mlsp.photos.settings import DecodeSettings
from mlsp.photos.sizes import check_pixels, reduce_pixels

if TYPE_CHECKING:
    from rawpy import RawPy

# The curve of sRGB; LibRaw's own default is that of television.
_SRGB_GAMMA = (2.4, 12.92)
# Smaller previews are thumbnails for lists: soft, and often with black bars.
MIN_PREVIEW_SIDE = 1000
# EXIF orientation for each of LibRaw's flips.
_ORIENTATIONS = (1, 2, 4, 3, 5, 8, 6, 7)


def decode(content: bytes, settings: DecodeSettings) -> tuple[UInt8Array, int, int]:
    """Return the preview in a raw photo, or develop it: white balance of the camera, no automatic brightness, sRGB.

    The preview counts if its longest side has 1,000 pixels and is not smaller than what is wanted. It is what people saw on the
    camera and in most programs; developing is slower, and darker than most cameras' own pictures.

    Returns:
        (h, w, 3) RGB, upright, sRGB; width and height of the upright photo before its reduction.

    Raises:
        UnsupportedPhotoError: rawpy is not installed, or does not know the camera.
        UnreadablePhotoError: the file is damaged.
        PhotoTooLargeError: it has more pixels than the limit.
        LeftApartError: it is to be developed in another process, see `mlsp.photos.apart`.
    """
    try:
        import rawpy
    except ImportError as error:
        raise UnsupportedPhotoError(str(MissingExtraError("Reading raw photos", "raw"))) from error
    longest_side = settings.longest_side
    try:
        with rawpy.imread(io.BytesIO(content)) as raw:
            # Developing at half the size changes what LibRaw says here.
            width, height = _upright_size(raw)
            check_pixels(raw.sizes.raw_width, raw.sizes.raw_height, settings.max_pixels)
            preview = _preview(raw, settings)
            if preview is not None:
                return preview, width, height
            leave_apart()
            # Half the size needs no interpolation of the missing colours, and is enough if twice what is wanted.
            half_size = longest_side is not None and max(width, height) >= 4 * longest_side
            with memory_for(bytes_needed("RAW", raw.sizes.raw_width * raw.sizes.raw_height)):
                pixels: UInt8Array = raw.postprocess(
                    use_camera_wb=True,
                    half_size=half_size,
                    output_color=rawpy.ColorSpace.sRGB,
                    output_bps=8,
                    gamma=_SRGB_GAMMA,
                    no_auto_bright=True,
                )
    except (rawpy.LibRawFileUnsupportedError, rawpy.NotSupportedError) as error:
        raise UnsupportedPhotoError(
            f"LibRaw does not read this raw photo ({_text(error)}): if it is not damaged, convert it to DNG or TIFF"
        ) from error
    except rawpy.LibRawIOError as error:
        raise UnreadablePhotoError(
            "damaged raw photo: the file ends before its picture does"
        ) from error
    except rawpy.LibRawError as error:
        raise UnreadablePhotoError(f"damaged raw photo: {_text(error)}") from error
    if not half_size:
        height, width = pixels.shape[:2]
    if longest_side is not None:
        pixels = reduce_pixels(pixels, longest_side, settings.reduction)
    return np.ascontiguousarray(pixels), width, height


def _preview(raw: RawPy, settings: DecodeSettings) -> UInt8Array | None:
    """Return the preview, upright and reduced; None where there is none that is large enough, or it is damaged."""
    import rawpy

    longest_side = settings.longest_side
    wanted = max(raw.sizes.width, raw.sizes.height)
    wanted = max(MIN_PREVIEW_SIDE, wanted if longest_side is None else min(longest_side, wanted))
    # Whatever is wrong with it, there is still the sensor's data.
    with suppress(Exception):
        thumbnail = raw.extract_thumb()
        orientation = None
        if thumbnail.format == rawpy.ThumbFormat.JPEG:
            content = bytes(thumbnail.data)
            with open_header("JPEG", io.BytesIO(content)) as header:
                orientation = exif_orientation(header.info.get("exif", b""))
            if max(header.size) < wanted:
                return None
            whole = replace(settings, is_preview=False)
            pixels, _, _ = pillow_decoder.decode(content, "JPEG", whole)
        elif thumbnail.format == rawpy.ThumbFormat.BITMAP:
            pixels = np.array(thumbnail.data)
            if max(pixels.shape[:2]) < wanted:
                return None
            if longest_side is not None:
                pixels = reduce_pixels(pixels, longest_side, settings.reduction)
        else:
            return None
        return _turned(pixels, raw, orientation)
    return None


def _turned(pixels: UInt8Array, raw: RawPy, orientation: int | None) -> UInt8Array:
    """Turn a preview upright as the raw photo is.

    Args:
        pixels: of the preview, turned by its own EXIF orientation.
        raw: the raw photo.
        orientation: that of the preview; None where it has none. Some cameras turn the preview and write one all the same, so that
            the shape counts more.
    """
    width, height = _upright_size(raw)
    rows, columns = pixels.shape[:2]
    if (rows > columns) != (height > width) and rows != columns:
        back = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation or 1)
        return pillow_decoder.upright(pixels, back or _ORIENTATIONS[raw.sizes.flip])
    if orientation is None and raw.sizes.flip == 3:
        return pillow_decoder.upright(pixels, 3)
    return pixels


def _upright_size(raw: RawPy) -> tuple[int, int]:
    """Return width and height of a raw photo when it is upright."""
    width, height = raw.sizes.width, raw.sizes.height
    return (height, width) if raw.sizes.flip in (5, 6) else (width, height)


def _text(error: Exception) -> str:
    """Return the message of an error; LibRaw's are bytes."""
    detail = error.args[0] if error.args else type(error).__name__
    return detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
