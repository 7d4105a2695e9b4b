"""Where in a file its EXIF data is, found by reading headers only: a photo of 50 MB costs a few kilobytes.

JPEG    APP1 segments before the pixels                PNG    chunk eXIf, or ImageMagick's text
WebP    chunk EXIF                                     HEIC, AVIF, CR3    boxes
RAF     the JPEG in it                                 TIFF and raw photos like it    the file itself
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

# TIFF, BigTIFF, and the raw photos of Olympus and Panasonic, which differ in the number only.
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")
_EXIF_START = b"Exif\0\0"
_PNG_EXIF_TEXT = b"Raw profile type exif\0"
_CANON_UUID = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")

# Damaged files may claim anything.
_MOST_PARTS = 10_000
_MOST_BYTES = 8_000_000


def find_exif(file: BinaryIO) -> Iterator[tuple[BinaryIO, int]]:
    """Find the TIFF structures that hold a photo's EXIF data.

    Args:
        file: of any format, seekable.

    Yields:
        A file and where in it a TIFF structure begins, the likeliest first.

    Raises:
        OSError: the file cannot be read.
        struct.error: it is damaged; likewise ValueError and zlib.error.
    """
    start = _read(file, 0, 16)
    if start[:4] in _TIFF_STARTS:
        yield file, 0
    elif start[:2] == b"\xff\xd8":
        yield from _in_jpeg(file, 0)
    elif start[:8] == b"\x89PNG\r\n\x1a\n":
        yield from _in_png(file)
    elif start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        yield from _in_webp(file)
    elif start[4:8] == b"ftyp":
        yield from _in_boxes(file)
    elif start == b"FUJIFILMCCD-RAW ":
        (jpeg,) = struct.unpack(">I", _read(file, 84, 4))
        yield from _in_jpeg(file, jpeg)


def _in_jpeg(file: BinaryIO, offset: int) -> Iterator[tuple[BinaryIO, int]]:
    offset += 2
    for _ in range(_MOST_PARTS):
        marker, code, size = struct.unpack(">BBH", _read(file, offset, 4))
        if marker != 0xFF or code in (0xDA, 0xD9):
            return  # the pixels begin, or nothing that can be understood
        if code == 0xFF:
            offset += 1  # a byte that fills
            continue
        if code == 0xE1 and _read(file, offset + 4, 6) == _EXIF_START:
            yield file, offset + 10
        offset += 2 + size


def _in_png(file: BinaryIO) -> Iterator[tuple[BinaryIO, int]]:
    offset = 8
    for _ in range(_MOST_PARTS):
        head = _read(file, offset, 8)
        if len(head) < 8:
            return
        size, kind = struct.unpack(">I4s", head)
        if kind == b"eXIf":
            yield file, offset + 8 + _after_start(_read(file, offset + 8, 6))
        elif kind in (b"zTXt", b"tEXt") and size <= _MOST_BYTES:
            text = _read(file, offset + 8, size)
            if text.startswith(_PNG_EXIF_TEXT):
                exif = _from_text(text.removeprefix(_PNG_EXIF_TEXT), is_packed=kind == b"zTXt")
                yield io.BytesIO(exif), _after_start(exif)
        offset += 12 + size


def _from_text(text: bytes, *, is_packed: bool) -> bytes:
    """ImageMagick's way to put EXIF data into PNG: three lines of text, then hexadecimal digits."""
    if is_packed:
        text = zlib.decompressobj().decompress(text[1:], _MOST_BYTES)
    digits = b"".join(text.split(b"\n")[3:])
    return bytes.fromhex(digits.decode("ascii"))


def _in_webp(file: BinaryIO) -> Iterator[tuple[BinaryIO, int]]:
    offset = 12
    for _ in range(_MOST_PARTS):
        head = _read(file, offset, 8)
        if len(head) < 8:
            return
        kind, size = struct.unpack("<4sI", head)
        if kind == b"EXIF":
            yield file, offset + 8 + _after_start(_read(file, offset + 8, 6))
        offset += 8 + size + size % 2


def _in_boxes(file: BinaryIO) -> Iterator[tuple[BinaryIO, int]]:
    end = file.seek(0, io.SEEK_END)
    for kind, start, stop in _boxes(file, 0, end):
        if kind == b"meta":
            yield from _in_items(file, start + 4, stop)
        elif kind == b"moov":
            yield from _in_canon(file, start, stop)


def _in_canon(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[BinaryIO, int]]:
    """CR3: the EXIF directory, then the photo's, each a TIFF structure."""
    for kind, box, box_end in _boxes(file, start, stop):
        if kind == b"uuid" and _read(file, box, 16) == _CANON_UUID:
            found = {kind: at for kind, at, _ in _boxes(file, box + 16, box_end)}
            for name in (b"CMT2", b"CMT1"):
                if name in found:
                    yield file, found[name]


def _in_items(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[BinaryIO, int]]:
    """HEIC and AVIF: `iinf` names the items, `iloc` says where they are."""
    found = {kind: (at, end) for kind, at, end in _boxes(file, start, stop)}
    if b"iinf" not in found or b"iloc" not in found:
        return
    items = set(_exif_items(file, *found[b"iinf"]))
    at, end = found[b"iloc"]
    for item, offset in _item_offsets(_read(file, at, min(end - at, _MOST_BYTES))):
        if item in items:
            # Before the TIFF structure stands how many bytes lie between, mostly `Exif\0\0`.
            (between,) = struct.unpack(">I", _read(file, offset, 4))
            yield file, offset + 4 + between


def _exif_items(file: BinaryIO, start: int, stop: int) -> Iterator[int]:
    version = _read(file, start, 1)
    first = start + (6 if version == b"\0" else 8)
    for kind, at, end in _boxes(file, first, stop):
        if kind != b"infe":
            continue
        entry = _read(file, at, min(end - at, 16))
        wide = entry[0] == 3
        number = struct.unpack_from(">I" if wide else ">H", entry, 4)[0]
        kind_at = 10 if wide else 8
        if entry[0] >= 2 and entry[kind_at : kind_at + 4] == b"Exif":
            yield number


def _item_offsets(iloc: bytes) -> Iterator[tuple[int, int]]:
    """Items and where in the file they begin."""
    version, sizes = iloc[0], struct.unpack_from(">H", iloc, 4)[0]
    offset_size, length_size, base_size, index_size = (sizes >> bits & 15 for bits in (12, 8, 4, 0))
    if version == 0:
        index_size = 0
    wide = version == 2
    count = struct.unpack_from(">I" if wide else ">H", iloc, 6)[0]
    at = 10 if wide else 8
    for _ in range(min(count, _MOST_PARTS)):
        item = struct.unpack_from(">I" if wide else ">H", iloc, at)[0]
        at += 4 if wide else 2
        in_file = True
        if version > 0:
            in_file = struct.unpack_from(">H", iloc, at)[0] & 15 == 0
            at += 2
        at += 2
        base = int.from_bytes(iloc[at : at + base_size], "big")
        at += base_size
        (extents,) = struct.unpack_from(">H", iloc, at)
        at += 2
        first = int.from_bytes(iloc[at + index_size : at + index_size + offset_size], "big")
        at += extents * (index_size + offset_size + length_size)
        if in_file and extents:
            yield item, base + first


def _boxes(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each box of a part of a file."""
    for _ in range(_MOST_PARTS):
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


def _after_start(exif: bytes) -> int:
    return len(_EXIF_START) if exif.startswith(_EXIF_START) else 0


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)
