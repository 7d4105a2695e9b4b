"""A photo's header by Pillow's class of its format, for decoding and for metadata."""

from __future__ import annotations

import io
from importlib import import_module
from typing import BinaryIO

from PIL import ImageFile

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


def open_header(photo_format: PhotoFormat, file: BinaryIO) -> ImageFile.ImageFile:
    """Open a photo, which reads its header; pixels are decoded when they are asked for.

    The classes are called directly because `Image.open` compares the size to `Image.MAX_IMAGE_PIXELS`, which belongs to the whole
    process, warns, and takes several photos in one file (MPO) for something else.
    """
    match photo_format:
        case "JPEG":
            return JpegFile(file)
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
            return open_psd(file)
        case "WebP" | "AVIF" | "BMP" | "GIF":
            module, name = _PLUGINS[photo_format]
            opened: ImageFile.ImageFile = getattr(import_module(module), name)(file)
            return opened
        case "RAW":
            raise ValueError("raw photos are decoded by mlsp.photos.raw_decoder")
