"""Photo: file, bytes or pixels in memory -> upright, sRGB, 8 bits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mlsp.base.arrays import UInt8Array
from mlsp.base.errors import (
    PhotoError,
    PhotoTooLargeError,
    SettingsError,
    UnreadablePhotoError,
    UnsupportedPhotoError,
)
from mlsp.photos import jxl_decoder, pillow_decoder, raw_decoder
from mlsp.photos.apart import LeftApartError, read_apart
from mlsp.photos.files import read_bytes
from mlsp.photos.formats import PhotoFormat, photo_format
from mlsp.photos.settings import DEFAULTS, DecodeSettings
from mlsp.photos.sizes import reduce_pixels, resize_pixels

# Distributions that may move pixels with a version; the last two are not installed everywhere.
DECODING_PACKAGES = ("Pillow", "pillow-heif", "simplejpeg", "rawpy", "OpenImageIO")

# Of formats that Pillow does not read.
_DECODERS = {"RAW": raw_decoder.decode, "JXL": jxl_decoder.decode}

# What Python's struct says, in what Pillow raises too, and what Pillow says itself.
_TOO_FEW_BYTES = re.compile(
    r"unpack(_from)? requires a buffer|Truncated File Read|image file is truncated|.*: Truncated data$"
)
# The decoders' messages for photos that are not damaged, but have numbers, channels or codings that they do not know.
_UNKNOWN_PIXELS = re.compile(
    r"(?i)unknown pixel mode|unknown data organization|\bunsupported\b|not yet supported|cannot handle .*layers"
)


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo.

    Attributes:
        pixels: (H, W, 3) RGB, upright, sRGB.
        source: where it came from; None for pixels that were in memory.
        width: of the upright photo as stored, in pixels, before any reduction.
        height: of the same.
    """

    pixels: UInt8Array
    source: Path | None
    width: int
    height: int


def read_photo(
    source: Path | bytes,
    *,
    settings: DecodeSettings = DEFAULTS,
    source_path: Path | None = None,
) -> Photo:
    """Decode a photo. Safe to call from several threads at once.

    Args:
        source: a file, or the content of one.
        settings: reduction and limits.
        source_path: where `source` came from if it is bytes.

    Returns:
        The photo; its pixels are contiguous and its own.

    Raises:
        UnreadablePhotoError: it is missing, forbidden, empty, truncated or damaged.
        UnsupportedPhotoError: it is not a photo, of a format that is not read, has an absurd structure, takes longer than a minute in a
            process of its own (`mlsp.photos.apart`), or needs an extra that is not installed.
        PhotoTooLargeError: it has more pixels than the limit, or does not fit into memory.
        EngineError: it needs a process of its own, and none can be started.
    """
    if isinstance(source, bytes):
        content = source
    else:
        content = read_bytes(source)
        source_path = source
    if not content:
        raise UnreadablePhotoError("the file is empty")
    try:
        pixels, width, height = _decode(content, photo_format(content), settings)
    except LeftApartError:
        return read_apart(content, settings, source_path)
    if settings.resize is not None:
        pixels = resize_pixels(pixels, settings.resize)
    return Photo(pixels, source_path, width, height)


def photo_of_pixels(
    pixels: UInt8Array | Image.Image, *, settings: DecodeSettings = DEFAULTS
) -> Photo:
    """Bring pixels that are in memory to the size that a file's would have.

    Args:
        pixels: upright sRGB, uint8 (H, W, 3); or a Pillow image, whose mode, profile and EXIF orientation count as a file's.
        settings: reduction; the limit of pixels is for files.

    Raises:
        SettingsError: it is neither pixels nor an image.
        UnsupportedPhotoError: the array is of another type or shape, or the image has pixels without a defined white.
    """
    if isinstance(pixels, Image.Image):
        pixels = pillow_decoder.image_pixels(pixels)
    if not isinstance(pixels, np.ndarray):
        raise SettingsError(
            "expected a photo: a path, the content of a file, a Pillow image or uint8 pixels of shape (H, W, 3), got"
            f" {type(pixels).__name__}"
        )
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise UnsupportedPhotoError(
            f"expected uint8 pixels of shape (H, W, 3), got {pixels.dtype} {pixels.shape}:"
            " convert to 8-bit RGB first"
        )
    height, width = pixels.shape[:2]
    if settings.longest_side is not None:
        pixels = reduce_pixels(pixels, settings.longest_side, settings.reduction)
    if settings.resize is not None:
        pixels = resize_pixels(pixels, settings.resize)
    return Photo(pixels, None, width, height)


def _decode(
    content: bytes, kind: PhotoFormat, settings: DecodeSettings
) -> tuple[UInt8Array, int, int]:
    """Decode, and translate the errors of decoders."""
    try:
        if kind in _DECODERS:
            return _DECODERS[kind](content, settings)
        if settings.read_as == "released":
            pixels = pillow_decoder.stored_pixels(content, kind, max_pixels=settings.max_pixels)
            height, width = pixels.shape[:2]
            if settings.longest_side is not None:
                pixels = reduce_pixels(pixels, settings.longest_side, settings.reduction)
            return pixels, width, height
        return pillow_decoder.decode(content, kind, settings)
    except (PhotoError, LeftApartError):
        raise
    except Image.DecompressionBombError as error:
        raise PhotoTooLargeError(f"{error} This limit is Pillow's own") from error
    except MemoryError as error:
        raise PhotoTooLargeError("there is not enough memory to decode the photo") from error
    except Exception as error:
        # On damaged data decoders raise what they happen to run into (OSError, SyntaxError, ValueError, struct.error,
        # zlib.error, EOFError, IndexError, RuntimeError, …): a list of them would never be complete.
        reason = str(error) or "it cannot be decoded"
        if _TOO_FEW_BYTES.match(reason):
            reason = "it ends too early"
        if _UNKNOWN_PIXELS.search(reason):
            raise UnsupportedPhotoError(
                f"its pixels are of a kind that is not read ({reason}): convert it to 8-bit RGB"
            ) from error
        raise UnreadablePhotoError(f"damaged or truncated {kind}: {reason}") from error
