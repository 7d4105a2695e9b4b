"""Photo: file, bytes or pixels in memory -> upright, sRGB, 8 bits."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image

from mlsp.base.arrays import UInt8Array
from mlsp.base.errors import (
    PhotoError,
    PhotoTooLargeError,
    SettingsError,
    UnreadablePhotoError,
    UnsupportedPhotoError,
    unknown_name,
)
from mlsp.photos import pillow_decoder, raw_decoder
from mlsp.photos.apart import LeftApartError, read_apart
from mlsp.photos.files import read_bytes
from mlsp.photos.formats import PhotoFormat, photo_format
from mlsp.photos.sizes import Reduction, reduce_pixels, resize_pixels

# What a file's pixels are taken for: `upright`, turned by its EXIF orientation and converted to sRGB by its profile; `released`, as
# they are stored, as the authors' released code reads them.
ReadAs = Literal["upright", "released"]

# Distributions that may move pixels with a version; rawpy is not installed everywhere.
DECODING_PACKAGES = ("Pillow", "pillow-heif", "simplejpeg", "rawpy")

# What Python's struct says, in what Pillow raises too.
_TOO_FEW_BYTES = re.compile(r"unpack(_from)? requires a buffer")
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


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """Settings of decoding.

    Attributes:
        longest_side: larger photos are reduced until their longest side has that many pixels; None for never.
        max_pixels: photos with more pixels are refused before they are decoded.
        resize: width and height that every photo is brought to, see `mlsp.photos.sizes.resize_pixels`; None for its own.
        is_preview: the caller reduces the pixels further, for people to look at: a JPEG is decoded at
            the smallest of its sizes that is a quarter larger than `longest_side`, which is quicker,
            and left at that size.
        reduction: how larger photos are reduced.
        read_as: `upright`; or `released`, as the authors' code reads photos, without orientation and colour profile.

    Raises:
        SettingsError: a value is below 1 or unknown, both `longest_side` and `resize` are given, or a preview has no `longest_side`.
    """

    longest_side: int | None = None
    max_pixels: int = 250_000_000
    resize: tuple[int, int] | None = None
    is_preview: bool = False
    reduction: Reduction = "area"
    read_as: ReadAs = "upright"

    def __post_init__(self) -> None:
        if self.longest_side is not None and self.longest_side < 1:
            raise SettingsError(f"longest_side must be at least 1, got {self.longest_side}")
        if self.max_pixels < 1:
            raise SettingsError(f"max_pixels must be at least 1, got {self.max_pixels}")
        if self.resize is not None and min(self.resize) < 1:
            raise SettingsError(f"resize must be at least 1×1, got {_size(self.resize)}")
        if self.resize is not None and self.longest_side is not None:
            raise SettingsError(
                f"photos can be reduced to a longest side of {self.longest_side} or resized to {_size(self.resize)}:"
                " choose one"
            )
        if self.read_as not in get_args(ReadAs):
            raise SettingsError(unknown_name("way to read photos", self.read_as, get_args(ReadAs)))
        if self.is_preview and self.longest_side is None:
            raise SettingsError("a preview needs a longest_side")

    @classmethod
    def of(
        cls,
        longest_side: int | None,
        max_pixels: int | None,
        *,
        resize: tuple[int, int] | None = None,
        reduction: Reduction = "area",
        read_as: ReadAs = "upright",
    ) -> DecodeSettings:
        """Return settings with the default limit where `max_pixels` is None.

        Raises:
            SettingsError: a value is below 1, or both sizes are given.
        """
        settings = cls(
            longest_side=longest_side, resize=resize, reduction=reduction, read_as=read_as
        )
        return settings if max_pixels is None else replace(settings, max_pixels=max_pixels)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"


def read_photo(
    source: Path | bytes,
    *,
    settings: DecodeSettings = DecodeSettings(),
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
    pixels: UInt8Array | Image.Image, *, settings: DecodeSettings = DecodeSettings()
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
    longest_side, max_pixels = settings.longest_side, settings.max_pixels
    try:
        if kind == "RAW":
            return raw_decoder.decode(
                content,
                longest_side=longest_side,
                max_pixels=max_pixels,
                reduction=settings.reduction,
            )
        if settings.read_as == "released":
            pixels = pillow_decoder.stored_pixels(content, kind, max_pixels=max_pixels)
            height, width = pixels.shape[:2]
            if longest_side is not None:
                pixels = reduce_pixels(pixels, longest_side, settings.reduction)
            return pixels, width, height
        return pillow_decoder.decode(
            content,
            kind,
            longest_side=longest_side,
            max_pixels=max_pixels,
            is_preview=settings.is_preview,
            reduction=settings.reduction,
        )
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
