"""XMP packets of a photo's file, from where its format keeps them; no pixels are read.

JPEG, RAF     APP1 segments
PNG           its texts, also ImageMagick's hexadecimal ones
WebP          the chunk `XMP `
GIF           the application extension `XMP DataXMP`
TIFF, raw     tag 700
HEIC, AVIF    items of the kind `mime`
CR3, JPEG XL  a box
PSD           a resource

Where each may stand: XMP Specification Part 3, https://github.com/adobe/XMP-Toolkit-SDK/tree/main/docs
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

from mlsp.photos.find_exif import TIFF_STARTS, raf_jpeg, tiff_exif
from mlsp.photos.formats import JXL_BOXES
from mlsp.photos.heif_boxes import boxes, content, item_contents, read
from mlsp.photos.jxl_boxes import jxl_contents
from mlsp.photos.png_chunks import SIGNATURE, XMP_IN_JPEG, png_metadata

_IN_GIF = b"\x21\xff\x0bXMP DataXMP"
_CR3_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_TIFF_TAG = 700
_PSD_RESOURCE = 1060

_MAX_BYTES = 16 * 1024**2
_MAX_PARTS = 10_000


def find_xmp(file: BinaryIO) -> Iterator[bytes]:
    """Find a photo's XMP packets.

    Args:
        file: of any format, seekable.

    Yields:
        Each packet, as it is stored, without spaces and zeros around it: perhaps damaged, perhaps UTF-16.

    Raises:
        Exception: whatever damaged headers lead to.
    """
    for packet in map(trimmed, _packets(file)):
        if packet:
            yield packet


def trimmed(packet: bytes) -> bytes:
    """Return a packet without the spaces and zeros around it; UTF-16 as it is."""
    return packet if packet[:2] in (b"\xff\xfe", b"\xfe\xff") else packet.strip(b"\0 \t\r\n")


def _packets(file: BinaryIO) -> Iterator[bytes]:
    start = read(file, 0, 16)
    for magic, find in _BY_START:
        if start.startswith(magic):
            yield from find(file)
            return
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        yield from _in_webp(file)
    elif start[:4] in TIFF_STARTS:
        value = tiff_exif(file, start).get(_TIFF_TAG)
        if isinstance(value, bytes | tuple):
            yield bytes(value)
    elif start[4:8] == b"ftyp":
        yield from _in_boxes(file)


def _in_jpeg(file: BinaryIO) -> Iterator[bytes]:
    at = 2
    for _ in range(_MAX_PARTS):
        head = read(file, at, 4)
        if head[:2] == b"\xff\xff":
            at += 1  # filling
            continue
        # The pixels begin with a scan.
        if len(head) < 4 or head[0] != 0xFF or head[1] in (0xDA, 0xD9):
            return
        size = int.from_bytes(head[2:], "big")
        if head[1] == 0xE1:
            segment = file.read(max(0, size - 2))
            if segment.startswith(XMP_IN_JPEG):
                yield segment[len(XMP_IN_JPEG) :]
        at += 2 + max(2, size)


def _in_webp(file: BinaryIO) -> Iterator[bytes]:
    at = 12
    for _ in range(_MAX_PARTS):
        head = read(file, at, 8)
        if len(head) < 8:
            return
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"XMP ":
            yield file.read(min(size, _MAX_BYTES))
        at += 8 + size + size % 2


def _in_gif(file: BinaryIO) -> Iterator[bytes]:
    data = read(file, 0, _MAX_BYTES)
    start = data.find(_IN_GIF)
    if start >= 0:
        # Its 257 trailing bytes end it for programs that read it in sub-blocks: 1, FF, FE, … 0.
        start += len(_IN_GIF)
        end = data.find(b"\x01\xff\xfe\xfd", start)
        yield data[start:end] if end >= 0 else data[start:]


def _in_psd(file: BinaryIO) -> Iterator[bytes]:
    at = 26
    (colours,) = struct.unpack(">I", read(file, at, 4))
    at += 4 + colours
    (size,) = struct.unpack(">I", read(file, at, 4))
    at += 4
    end = at + size
    while at + 12 <= end:
        kind, number, name = struct.unpack(">4sHB", read(file, at, 7))
        if kind != b"8BIM":
            return
        at += 6 + (name + 2) // 2 * 2
        (length,) = struct.unpack(">I", read(file, at, 4))
        if number == _PSD_RESOURCE:
            yield file.read(min(length, _MAX_BYTES))
        at += 4 + length + length % 2


def _in_boxes(file: BinaryIO) -> Iterator[bytes]:
    for packet in item_contents(file, b"mime"):
        # Others are depth data of phones and the like.
        if b"rdf" in packet[:4096].replace(b"\0", b""):
            yield packet
    end = file.seek(0, io.SEEK_END)
    for box in boxes(file, 0, end):
        if box.kind == b"uuid" and read(file, box.body, 16) == _CR3_UUID:
            yield content(file, box)[16:]


_BY_START: tuple[tuple[bytes, Callable[[BinaryIO], Iterator[bytes]]], ...] = (
    (b"\xff\xd8\xff", _in_jpeg),
    (SIGNATURE, lambda file: iter(png_metadata(file).xmp)),
    (b"GIF8", _in_gif),
    (b"8BPS", _in_psd),
    (b"FUJIFILMCCD-RAW ", lambda file: _in_jpeg(raf_jpeg(file))),
    (JXL_BOXES, lambda file: jxl_contents(file, b"xml ")),
)
