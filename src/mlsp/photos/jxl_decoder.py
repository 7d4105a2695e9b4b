"""JPEG XL, decoded by libjxl of OpenImageIO (the extra `jxl`), which reads files only."""

from __future__ import annotations

import io
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mlsp.base.arrays import UInt8Array
from mlsp.base.errors import MissingExtraError, UnreadablePhotoError, UnsupportedPhotoError
from mlsp.photos.apart import leave_apart
from mlsp.photos.colour import ColourMode, over_white, to_srgb
from mlsp.photos.hdr import ColourCode, hdr_to_srgb
from mlsp.photos.jxl_boxes import jxl_size
from mlsp.photos.memory import bytes_needed, memory_for
from mlsp.photos.settings import DecodeSettings
from mlsp.photos.sizes import check_pixels, reduce_pixels

_SRGB = ColourCode(primaries=1, transfer=13)
_MODES: dict[tuple[str, ...], ColourMode] = {("Y",): "L", ("R", "G", "B"): "RGB"}


def decode(content: bytes, settings: DecodeSettings) -> tuple[UInt8Array, int, int]:
    """Decode a JPEG XL.

    Returns:
        (h, w, 3) RGB, upright, sRGB; width and height of the photo before its reduction.

    Raises:
        UnsupportedPhotoError: OpenImageIO is not installed, or its channels are neither grey nor colours.
        UnreadablePhotoError: it is damaged.
        PhotoTooLargeError: it has more pixels than the limit.
        LeftApartError: it is for another process, see `mlsp.photos.apart`: a small file may have thousands of channels.
    """
    try:
        import OpenImageIO
    except ImportError as error:
        raise UnsupportedPhotoError(str(MissingExtraError("Reading JPEG XL", "jxl"))) from error
    width, height = jxl_size(io.BytesIO(content))
    check_pixels(width, height, settings.max_pixels)
    leave_apart()
    with memory_for(bytes_needed("JXL", width * height)), TemporaryDirectory() as folder:
        file = Path(folder, "photo.jxl")
        file.write_bytes(content)
        image = OpenImageIO.ImageInput.open(str(file))
        if image is None:
            raise UnreadablePhotoError(f"damaged or truncated JXL: {OpenImageIO.geterror()}")
        pixels: UInt8Array | None = image.read_image("uint8")
        about, reason = image.spec(), image.geterror()
        image.close()
        if pixels is None:
            raise UnreadablePhotoError(f"damaged or truncated JXL: {reason}")
        height, width = pixels.shape[:2]
        mode, pixels = _colours(pixels, about.channelnames, about.alpha_channel)
        if settings.longest_side is not None:
            pixels = reduce_pixels(pixels, settings.longest_side, settings.reduction)
    numbers = about.getattribute("CICP")
    code = None if numbers is None else ColourCode(*numbers[:2])
    if mode == "RGB" and code is not None and code.is_hdr:
        return hdr_to_srgb(pixels, code), width, height
    profile = about.getattribute("ICCProfile")
    has_profile = profile is not None and code != _SRGB
    return to_srgb(pixels, mode, profile.tobytes() if has_profile else None), width, height


def _colours(
    pixels: UInt8Array, names: tuple[str, ...], alpha: int
) -> tuple[ColourMode, UInt8Array]:
    """Return the mode and (H, W, 1 or 3) colours over white."""
    mode = _MODES.get(tuple(name for name in names[:4] if name != "A"))
    if mode is None:
        raise UnsupportedPhotoError(
            f"its channels are {', '.join(names)}, expected grey or red, green and blue: save it as JPEG"
        )
    colours = np.ascontiguousarray(pixels[..., : len(mode)])
    return mode, over_white(colours, pixels[..., alpha]) if alpha >= 0 else colours
