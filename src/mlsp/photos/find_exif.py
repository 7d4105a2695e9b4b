"""EXIF data of a photo's file, read by Pillow from the headers: a photo of 50 MB costs a few kilobytes.

JPEG, WebP                       Pillow opens the photo and decodes no pixels
PNG                              its chunks, see mlsp.photos.png_chunks
TIFF and raw photos like it      the file itself is what Pillow reads as EXIF data
HEIC, AVIF, CR3                  boxes that are walked here: libheif reads a file whole, and CR3 nobody reads
RAF                              the JPEG in it
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image

from mlsp.photos.formats import photo_format
from mlsp.photos.pillow_decoder import open_header
from mlsp.photos.png_chunks import SIGNATURE, png_metadata

# TIFF, BigTIFF, and the raw photos of Olympus and Panasonic, which differ in the number only.
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")
_BIG_TIFF_STARTS = (b"II+\0", b"MM\0+")
_CANON_UUID = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
# All that stands before the pixels of a JPEG in a raw photo; its EXIF data have at most 64 kB.
_RAF_JPEG_BYTES = 1_000_000

# Damaged files may claim anything.
_MAX_PARTS = 10_000
_MAX_BYTES = 8_000_000


def find_exif(file: BinaryIO) -> Iterator[Image.Exif]:
    """Find a photo's EXIF data.

    Args:
        file: of any format, seekable.

    Yields:
        The EXIF data of each part of the file that has some, the likeliest first.

    Raises:
        Exception: whatever Pillow meets in damaged data.
    """
    start = _read(file, 0, 16)
    if start[:4] in _TIFF_STARTS:
        yield _tiff_exif(file, start)
    elif start[4:8] == b"ftyp":
        for exif in _in_boxes(file):
            yield _parsed(exif)
    elif start == b"FUJIFILMCCD-RAW ":
        (offset,) = struct.unpack(">I", _read(file, 84, 4))
        yield _photo_exif(io.BytesIO(_read(file, offset, _RAF_JPEG_BYTES)))
    elif start.startswith(SIGNATURE):
        content = png_metadata(file).exif
        if content is not None:
            yield _parsed(content)
    elif photo_format(start) in ("JPEG", "WebP"):
        yield _photo_exif(file)


def _tiff_exif(file: BinaryIO, start: bytes) -> Image.Exif:
    exif = Image.Exif()
    # Told what it would read from the first bytes, because it knows neither BigTIFF's nor the cameras' there.
    exif.endian = "<" if start[:2] == b"II" else ">"
    exif.bigtiff = start[:4] in _BIG_TIFF_STARTS
    code, at = ("Q", 8) if exif.bigtiff else ("I", 4)
    exif.load_from_fp(file, *struct.unpack_from(f"{exif.endian}{code}", start, at))
    return exif


def _photo_exif(file: BinaryIO) -> Image.Exif:
    kind = photo_format(_read(file, 0, 16))
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
    for kind, start, stop in _boxes(file, 0, end):
        if kind == b"meta":
            yield from _in_items(file, start + 4, stop)
        elif kind == b"moov":
            yield from _in_canon(file, start, stop)


def _in_canon(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    """CR3: the EXIF directory, then the photo's, each a TIFF structure."""
    for kind, box, box_end in _boxes(file, start, stop):
        if kind == b"uuid" and _read(file, box, 16) == _CANON_UUID:
            found = {kind: (at, end) for kind, at, end in _boxes(file, box + 16, box_end)}
            for name in (b"CMT2", b"CMT1"):
                if name in found:
                    yield _content(file, *found[name])


def _in_items(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    """HEIC and AVIF: `iinf` names the items, `iloc` has their offsets."""
    found = {kind: (at, end) for kind, at, end in _boxes(file, start, stop)}
    if b"iinf" not in found or b"iloc" not in found:
        return
    items = set(_exif_items(file, *found[b"iinf"]))
    for item, offset, size in _item_offsets(_content(file, *found[b"iloc"])):
        if item in items:
            exif = _content(file, offset, offset + size)
            # Before the TIFF structure stands how many bytes lie between, mostly `Exif\0\0`.
            yield exif[4 + int.from_bytes(exif[:4], "big") :]


def _exif_items(file: BinaryIO, start: int, stop: int) -> Iterator[int]:
    """Numbers of the items that are EXIF data."""
    version = _read(file, start, 1)
    for kind, at, end in _boxes(file, start + (6 if version == b"\0" else 8), stop):
        entry = _content(file, at, min(end, at + 16))
        number_size = 4 if entry[:1] == b"\3" else 2
        kind_at = 6 + number_size
        if kind == b"infe" and entry[kind_at : kind_at + 4] == b"Exif":
            yield int.from_bytes(entry[4 : 4 + number_size], "big")


def _item_offsets(iloc: bytes) -> Iterator[tuple[int, int, int]]:
    """Number, offset in the file and size in bytes of each item; of the first piece where it has several."""
    stream = io.BytesIO(iloc)

    def number(size: int) -> int:
        return int.from_bytes(stream.read(size), "big")

    version = number(1)
    number(3)
    sizes = number(2)
    offset_size, length_size, base_size, index_size = (sizes >> bits & 15 for bits in (12, 8, 4, 0))
    if version == 0:
        index_size = 0
    number_size = 4 if version == 2 else 2
    for _ in range(min(number(number_size), _MAX_PARTS)):
        item = number(number_size)
        in_file = version == 0 or number(2) & 15 == 0
        number(2)
        base, pieces, _ = number(base_size), number(2), number(index_size)
        offset, size = base + number(offset_size), number(length_size)
        stream.seek((pieces - 1) * (index_size + offset_size + length_size), io.SEEK_CUR)
        if in_file and pieces:
            yield item, offset, size


def _boxes(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each box of a part of a file."""
    for _ in range(_MAX_PARTS):
        if start + 8 > stop:
            return
        size, kind = struct.unpack(">I4s", _read(file, start, 8))
        head = 8
        if size == 1:
            (size,) = struct.unpack(">Q", _read(file, start + 8, 8))
            head = 16
        elif size == 0:
            size = stop - start
        if size < head:
            return
        yield kind, start + head, min(start + size, stop)
        start += size


def _content(file: BinaryIO, start: int, stop: int) -> bytes:
    return _read(file, start, min(stop - start, _MAX_BYTES))


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)
