"""Decoding by Pillow, of all photos but raw ones. Only this module knows what its pixels mean."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext

import numpy as np
from PIL import ExifTags, Image, ImageFile

from mlsp.base.arrays import UInt8Array
from mlsp.base.errors import UnsupportedPhotoError
from mlsp.photos.colour import ColourMode, lab_to_srgb, over_white, to_srgb
from mlsp.photos.formats import PhotoFormat, exif_orientation
from mlsp.photos.hdr import ColourCode, hdr_to_srgb
from mlsp.photos.heif_checks import check_items, colour_code
from mlsp.photos.jpeg_file import JpegFile
from mlsp.photos.memory import bytes_needed, memory_for
from mlsp.photos.pillow_headers import open_header
from mlsp.photos.pillow_warnings import pillow_is_quiet
from mlsp.photos.png_chunks import png_metadata
from mlsp.photos.settings import DecodeSettings
from mlsp.photos.sizes import ReadRows, check_pixels, reduce_rows, reduced_size
from mlsp.photos.tiff_directories import photo_first
from mlsp.photos.webp import check_webp_filled, webp_size

# A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, many times faster, if the result is still so many times larger than what
# is wanted: then its errors are averaged away (measured in docs/photos.md).
DRAFT_MARGIN: float = 3
# The same where Lanczos's filter reduces on.
LANCZOS_MARGIN: float = 2
# The same of a preview, which Pillow's Lanczos reduces on: as sharp as area means of all pixels (tests/photos/test_thumbnails.py).
_PREVIEW_MARGIN = 1.25

# Pixels that are copied out of Pillow at once.
_MAX_COPIED_PIXELS = 1_000_000

_XMP_ORIENTATION = re.compile(rb"""tiff:Orientation\s*(?:=\s*["']|>\s*)([1-8])""")


def decode(
    content: bytes, photo_format: PhotoFormat, settings: DecodeSettings
) -> tuple[UInt8Array, int, int]:
    """Decode a photo.

    Returns:
        (h, w, 3) RGB, upright, sRGB; width and height of the upright photo before its reduction.

    Raises:
        PhotoTooLargeError: it has more pixels than the limit.
        UnsupportedPhotoError: its pixels have no defined white, its structure is absurd, or it is coded in a way that is not read.
        LeftApartError: it is for another process, see `mlsp.photos.apart`.
        Exception: whatever the decoder meets in damaged data; `mlsp.photos` translates it.
    """
    longest_side, max_pixels = settings.longest_side, settings.max_pixels
    content, code = _checked(content, photo_format, max_pixels)
    quiet = pillow_is_quiet() if _may_warn(photo_format) else nullcontext()
    with ExitStack() as opened:
        if photo_format == "WebP":
            opened.enter_context(_memory_for_webp(content, max_pixels, longest_side is None))
        opened.enter_context(quiet)
        image = opened.enter_context(open_header(photo_format, io.BytesIO(content)))
        width, height = image.size
        check_pixels(width, height, max_pixels)
        size = reduced_size(width, height, longest_side)
        margin = LANCZOS_MARGIN if settings.reduction == "lanczos" else DRAFT_MARGIN
        block = _draft(image, size, _PREVIEW_MARGIN if settings.is_preview else margin)
        covered = image.tile[0].extents if photo_format == "GIF" and image.tile else None
        if photo_format != "WebP":
            needed = bytes_needed(
                photo_format,
                width * height,
                decoded=image.width * image.height,
                is_progressive="progressive" in image.info,
                is_whole=size == (width, height),
                mode=image.mode,
            )
            opened.enter_context(memory_for(needed))
        deep_colours = "RGB;16" in str(image.tile[:1])
        image.load()
        if deep_colours:
            # Pillow keeps 8 of 16 bits, but the transparent colour has 16: it can no longer be found.
            image.info.pop("transparency", None)
        mode, read_rows = _row_reader(_as_in_browsers(image, photo_format, covered))
        if size == (width, height) or (settings.is_preview and isinstance(image, JpegFile)):
            pixels = _all_rows(image, read_rows)
        else:
            pixels = reduce_rows(read_rows, (width, height), size, settings.reduction, block=block)
        profile = image.info.get("icc_profile")
        # Some formats carry it behind the pixels.
        orientation = _orientation(image, photo_format)
    # After the reduction, because there are fewer pixels then.
    if mode == "RGB" and code is not None and code.is_hdr:
        pixels = hdr_to_srgb(pixels, code)
    else:
        pixels = to_srgb(pixels, mode, profile)
    pixels = upright(pixels, orientation)
    return (pixels, height, width) if orientation >= 5 else (pixels, width, height)


def stored_pixels(content: bytes, photo_format: PhotoFormat, *, max_pixels: int) -> UInt8Array:
    """Decode a photo as Keras's `load_img` does, which the authors' released code reads photos with.

    Neither its orientation nor its colour profile counts, and other modes become RGB by Pillow's own conversion, which drops alpha.

    Args:
        content: of the file.
        photo_format: of the content, neither RAW nor JXL.
        max_pixels: photos with more are refused before they are decoded.

    Returns:
        (H, W, 3) as stored.

    Raises:
        PhotoTooLargeError: it has more pixels than the limit.
        UnsupportedPhotoError: its structure is absurd, or it is coded in a way that is not read.
        Exception: see `decode`.
    """
    # Of a TIFF whose first picture is a thumbnail, `load_img` reads that.
    _checked(content, photo_format, max_pixels)
    # Pillow also warns of palettes with transparency that become RGB.
    quiet = nullcontext() if photo_format == "JPEG" else pillow_is_quiet()
    with ExitStack() as opened:
        if photo_format == "WebP":
            opened.enter_context(_memory_for_webp(content, max_pixels, is_whole=True))
        opened.enter_context(quiet)
        image = opened.enter_context(open_header(photo_format, io.BytesIO(content)))
        width, height = image.size
        check_pixels(width, height, max_pixels)
        if photo_format != "WebP":
            needed = bytes_needed(photo_format, width * height, is_whole=True)
            opened.enter_context(memory_for(needed))
        return np.array(image.convert("RGB"))


def image_pixels(image: Image.Image) -> UInt8Array:
    """Convert an image that Pillow has opened.

    Args:
        image: of any mode; its colour profile and EXIF orientation count.

    Returns:
        (H, W, 3) RGB, upright, sRGB.

    Raises:
        UnsupportedPhotoError: its pixels have no defined white.
    """
    image.load()
    mode, read_rows = _row_reader(image)
    pixels = to_srgb(_all_rows(image, read_rows), mode, image.info.get("icc_profile"))
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return upright(pixels, orientation if orientation in range(1, 9) else 1)


def upright(pixels: UInt8Array, orientation: int) -> UInt8Array:
    """Turn pixels upright, by their EXIF orientation.

    Args:
        pixels: (H, W, C) as stored.
        orientation: 1…8.

    Returns:
        (H, W, C), or (W, H, C) from orientation 5 on.
    """
    if orientation == 1:
        return pixels
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _checked(
    content: bytes, photo_format: PhotoFormat, max_pixels: int
) -> tuple[bytes, ColourCode | None]:
    """Refuse what is absurd before it is opened; return the photo's content and its colours by their numbers."""
    if photo_format == "TIFF":
        return photo_first(content), None
    if photo_format in ("HEIC", "AVIF"):
        return content, colour_code(check_items(content, photo_format, max_pixels))
    if photo_format == "PNG":
        return content, png_metadata(io.BytesIO(content)).code
    return content, None


@contextmanager
def _memory_for_webp(content: bytes, max_pixels: int, is_whole: bool) -> Iterator[None]:
    """Hold memory for a WebP, whose decoder takes it when it is opened; refuse one that is too large, or was not written to its end."""
    width, height = webp_size(content)
    check_pixels(width, height, max_pixels)
    with memory_for(bytes_needed("WebP", width * height, is_whole=is_whole)):
        check_webp_filled(content)
        yield


def _draft(image: ImageFile.ImageFile, size: tuple[int, int], margin: float) -> int:
    """Let a JPEG be decoded at a fraction of its size if that is `margin` times the wanted size.

    Returns:
        Pixels of the photo per decoded one, along each side.
    """
    if not isinstance(image, JpegFile):
        return 1
    width, height = image.size
    for block in (8, 4, 2):
        wanted = width // block, height // block
        if wanted[0] >= margin * size[0] and wanted[1] >= margin * size[1]:
            image.draft(None, wanted)
            return block
    return 1


def _as_in_browsers(
    image: Image.Image, photo_format: PhotoFormat, covered: tuple[int, int, int, int] | None
) -> Image.Image:
    """Return a decoded image whose alpha means what browsers take it for.

    What the first picture of a GIF leaves uncovered is transparent, and a BMP that is transparent everywhere has no alpha.
    """
    if covered is not None and covered != (0, 0, *image.size):
        clear = Image.new("RGBA", image.size)
        clear.paste(image.crop(covered).convert("RGBA"), covered)
        return clear
    if photo_format == "BMP" and image.mode == "RGBA" and not image.getchannel("A").getbbox():
        return image.convert("RGB")
    return image


def _row_reader(image: Image.Image) -> tuple[ColourMode, ReadRows]:
    """Return the mode of a decoded image and a reader of its rows: 8 bits, without transparency."""
    width = image.width
    mode, convert = _conversion(image)

    def read_rows(start: int, stop: int) -> UInt8Array:
        rows = image if (start, stop) == (0, image.height) else image.crop((0, start, width, stop))
        return convert(rows).reshape(stop - start, width, -1)

    return mode, read_rows


def _conversion(image: Image.Image) -> tuple[ColourMode, Callable[[Image.Image], UInt8Array]]:
    transparency = image.info.get("transparency")
    if image.mode.startswith("I;16"):
        # Only TIFF has 12 bits; they fill no 16.
        bits = getattr(image, "tag_v2", {}).get(258, (16,))[0]
        return "L", lambda rows: _from_16_bits(rows, 2**bits - 1, transparency)
    if image.has_transparency_data:

        def colours(rows: Image.Image) -> UInt8Array:
            rgba = np.asarray(rows.convert("RGBA"))
            return over_white(rgba[..., :3], rgba[..., 3])

        return "RGB", colours
    match image.mode:
        case "L" | "RGB" | "CMYK":
            return image.mode, np.asarray
        case "1":
            return "L", lambda rows: np.asarray(rows.convert("L"))
        case "LAB":
            return "RGB", lambda rows: np.asarray(lab_to_srgb(rows))
        case "F":
            return "L", _from_floats
        case "I":
            raise UnsupportedPhotoError(
                "its pixels are signed or 32-bit whole numbers, of which none is white: convert it to 8 or 16 bits"
            )
        case _:
            return "RGB", lambda rows: np.asarray(rows.convert("RGB"))


def _from_16_bits(rows: Image.Image, white: int, transparent: int | None) -> UInt8Array:
    values = np.asarray(rows).astype(np.uint32)
    grey = ((values * 255 + white // 2) // white).astype(np.uint8)
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return grey


def _from_floats(rows: Image.Image) -> UInt8Array:
    values = np.asarray(rows)
    # Written so that NaN fails as well.
    if not (values.min() >= 0 and values.max() <= 1):
        raise UnsupportedPhotoError(
            f"its pixels are floating-point numbers from {values.min():g} to {values.max():g}, expected black 0 and white 1:"
            " convert it to 8 or 16 bits"
        )
    grey: UInt8Array = np.rint(values * 255).astype(np.uint8)
    return grey


def _all_rows(image: Image.Image, read_rows: ReadRows) -> UInt8Array:
    """Return all pixels, copied in pieces: Pillow needs twice the memory of what is copied at once."""
    height = image.height
    at_once = max(1, _MAX_COPIED_PIXELS // image.width)
    if at_once >= height:
        return np.array(read_rows(0, height))
    pixels: UInt8Array | None = None
    for start in range(0, height, at_once):
        rows = read_rows(start, min(start + at_once, height))
        if pixels is None:
            pixels = np.empty((height, *rows.shape[1:]), np.uint8)
        pixels[start : start + len(rows)] = rows
    assert pixels is not None  # noqa: S101 - an image has rows
    return pixels


def _may_warn(photo_format: PhotoFormat) -> bool:
    """Return whether Pillow may warn of odd data. For others no filter is set: the whole process sees it."""
    return photo_format in ("TIFF", "AVIF", "GIF")


def _orientation(image: Image.Image, photo_format: PhotoFormat) -> int:
    """Return the EXIF orientation that is still to be applied."""
    if photo_format == "TIFF":
        return 1  # Pillow has turned it.
    exif = image.info.get("exif")
    orientation = exif_orientation(exif) if exif else None
    # HEIC is turned already, and AVIF has its own turn, which Pillow puts into the EXIF data: XMP must not turn them again.
    if orientation is None and photo_format in ("JPEG", "PNG", "WebP"):
        xmp = image.info.get("xmp")
        found = _XMP_ORIENTATION.search(xmp) if isinstance(xmp, bytes) else None
        orientation = int(found[1]) if found else None
    return orientation or 1
