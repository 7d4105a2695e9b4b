"""A photo's header by Pillow's class of its format, for decoding and for metadata."""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib import import_module
from typing import Any, BinaryIO, cast

from PIL import ImageFile

from mlsp.base.errors import UnsupportedPhotoError
from mlsp.photos.formats import PhotoFormat
from mlsp.photos.jpeg_file import JpegFile
from mlsp.photos.png_chunks import pixels_only, png_metadata
from mlsp.photos.psd import open_psd
from mlsp.photos.tiff_directories import libtiff

# Loaded when they are needed.
_PLUGINS = {
    "WebP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
}
# Pillow reads a header block by block, each by a few calls, and megabytes of empty ones for minutes. Photos have dozens of blocks.
_MAX_READS = 300_000


class _Blocks:
    """A file of which a header may take so many reads."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _MAX_READS

    def read(self, size: int = -1) -> bytes:
        """Read bytes."""
        self._left -= 1
        if self._left < 0:
            raise UnsupportedPhotoError("its header has absurdly many parts: save it anew")
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def open_header(photo_format: PhotoFormat, file: BinaryIO) -> ImageFile.ImageFile:
    """Open a photo, which reads its header; pixels are decoded when they are asked for.

    The classes are called directly because `Image.open` compares the size to `Image.MAX_IMAGE_PIXELS`, which belongs to the whole
    process, warns, and takes several photos in one file (MPO) for something else.
    """
    match photo_format:
        case "JPEG":
            return _opened(JpegFile, file)
        case "PNG":
            from PIL.PngImagePlugin import PngImageFile

            image = PngImageFile(io.BytesIO(pixels_only(file.read())))
            metadata = png_metadata(file)
            found = {"exif": metadata.exif, "icc_profile": metadata.profile}
            found["xmp"] = next(iter(metadata.xmp), None)
            image.info |= {name: value for name, value in found.items() if value is not None}
            return image
        case "TIFF":
            from PIL.TiffImagePlugin import TiffImageFile

            libtiff()
            return TiffImageFile(file)
        case "HEIC":
            # Not registered with Pillow, which would change it for the whole process.
            from pillow_heif import HeifImageFile

            heif: ImageFile.ImageFile = HeifImageFile(file)  # type: ignore[no-untyped-call]
            return heif
        case "PSD":
            return _opened(open_psd, file)
        case "WebP" | "AVIF" | "BMP" | "GIF":
            module, name = _PLUGINS[photo_format]
            return _opened(getattr(import_module(module), name), file)
        case "RAW" | "JXL":
            raise ValueError(f"{photo_format} has a decoder of its own, not Pillow's")


def _opened(
    open_image: Callable[[BinaryIO], ImageFile.ImageFile], file: BinaryIO
) -> ImageFile.ImageFile:
    image = open_image(cast(BinaryIO, _Blocks(file)))
    # Pixels may take any number of reads.
    image.fp = file
    return image
