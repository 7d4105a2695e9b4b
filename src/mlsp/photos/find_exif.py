"""EXIF data of a photo's file, read by Pillow from the headers: a photo of 50 MB costs a few kilobytes.

JPEG, WebP                       Pillow opens the photo and decodes no pixels
PNG                              its chunks, see mlsp.photos.png_chunks
TIFF and raw photos like it      the file itself is what Pillow reads as EXIF data
HEIC, AVIF, CR3                  boxes, see mlsp.photos.heif_boxes; CR3 nobody else reads
JPEG XL                          boxes, see mlsp.photos.jxl_boxes
RAF                              the JPEG in it
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image
from PIL.ExifTags import IFD

from mlsp.base.regular_file import open_regular
from mlsp.photos.formats import JXL_BOXES, photo_format
from mlsp.photos.heif_boxes import Box, boxes, content, item_contents, read
from mlsp.photos.jxl_boxes import jxl_contents
from mlsp.photos.pillow_headers import open_header
from mlsp.photos.pillow_warnings import pillow_is_quiet
from mlsp.photos.png_chunks import SIGNATURE, png_metadata

# TIFF, BigTIFF, and the raw photos of Olympus and Panasonic, which differ in the number only.
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")
_BIG_TIFF_STARTS = (b"II+\0", b"MM\0+")
_CANON_UUID = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
# All that stands before the pixels of a JPEG in a raw photo; its EXIF data have at most 64 kB.
_RAF_JPEG_BYTES = 1_000_000


def exif_values(source: Path) -> Iterator[dict[int, Any]]:
    """Read a photo's EXIF data. Safe to call from several threads at once.

    Args:
        source: the photo, of any format; no pixels are decoded.

    Yields:
        The values by their tags, of each part of the file that has some, the likeliest first; nothing of a file that is damaged or
        cannot be read.
    """
    # What Pillow raises for damaged data is no closed list.
    with suppress(Exception), pillow_is_quiet(), open_regular(source) as file:
        for exif in find_exif(file):
            inner: dict[int, Any] = {}
            # That directory may be damaged; what the first one has counts.
            with suppress(Exception):
                inner = exif.get_ifd(IFD.Exif)
            yield inner | dict(exif)


def find_exif(file: BinaryIO) -> Iterator[Image.Exif]:
    """Find a photo's EXIF data.

    Args:
        file: of any format, seekable.

    Yields:
        The EXIF data of each part of the file that has some, the likeliest first.

    Raises:
        Exception: whatever Pillow meets in damaged data.
    """
    start = read(file, 0, 16)
    if start[:4] in TIFF_STARTS:
        yield tiff_exif(file, start)
    elif start[4:8] == b"ftyp":
        for exif in _in_boxes(file):
            yield _parsed(exif)
    elif start.startswith(JXL_BOXES):
        for box in jxl_contents(file, b"Exif"):
            yield _parsed(_from_offset(box))
    elif start == b"FUJIFILMCCD-RAW ":
        yield _photo_exif(raf_jpeg(file))
    elif start.startswith(SIGNATURE):
        content = png_metadata(file).exif
        if content is not None:
            yield _parsed(content)
    elif photo_format(start) in ("JPEG", "WebP"):
        yield _photo_exif(file)


def raf_jpeg(file: BinaryIO) -> BinaryIO:
    """Return the beginning of the JPEG in a RAF, with all its metadata."""
    (offset,) = struct.unpack(">I", read(file, 84, 4))
    return io.BytesIO(read(file, offset, _RAF_JPEG_BYTES))


def tiff_exif(file: BinaryIO, start: bytes) -> Image.Exif:
    """Return the tags of the first directory of a TIFF, or of a raw photo like it, whose first bytes are `start`."""
    exif = Image.Exif()
    # Told what it would read from the first bytes, because it knows neither BigTIFF's nor the cameras' there.
    exif.endian = "<" if start[:2] == b"II" else ">"
    exif.bigtiff = start[:4] in _BIG_TIFF_STARTS
    code, at = ("Q", 8) if exif.bigtiff else ("I", 4)
    exif.load_from_fp(file, *struct.unpack_from(f"{exif.endian}{code}", start, at))
    return exif


def _photo_exif(file: BinaryIO) -> Image.Exif:
    kind = photo_format(read(file, 0, 16))
    file.seek(0)
    with open_header(kind, file) as image:
        # Not image.getexif(): that of a JPEG gives none.
        return Image.Image.getexif(image)


def _parsed(content: bytes) -> Image.Exif:
    exif = Image.Exif()
    exif.load(content)
    return exif


def _in_boxes(file: BinaryIO) -> Iterator[bytes]:
    end = file.seek(0, io.SEEK_END)
    for box in boxes(file, 0, end):
        if box.kind == b"meta":
            yield from _in_items(file)
        elif box.kind == b"moov":
            yield from _in_canon(file, box)


def _in_canon(file: BinaryIO, moov: Box) -> Iterator[bytes]:
    """CR3: the EXIF directory, then the photo's, each a TIFF structure."""
    for box in boxes(file, moov.body, moov.end):
        if box.kind == b"uuid" and read(file, box.body, 16) == _CANON_UUID:
            found = {part.kind: part for part in boxes(file, box.body + 16, box.end)}
            for name in (b"CMT2", b"CMT1"):
                if name in found:
                    yield content(file, found[name])


def _in_items(file: BinaryIO) -> Iterator[bytes]:
    """HEIC and AVIF: items of the kind `Exif`."""
    for exif in item_contents(file, b"Exif"):
        yield _from_offset(exif)


def _from_offset(exif: bytes) -> bytes:
    r"""Return the TIFF structure; before it stands how many bytes lie between, mostly `Exif\0\0`."""
    return exif[4 + int.from_bytes(exif[:4], "big") :]
