"""Size and metadata of a JPEG XL, from its boxes; most programs compress them.

ISO/IEC 18181-2: `Exif`, `xml `, and `brob`, another box packed by Brotli.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

from mlsp.photos.formats import JXL_BOXES
from mlsp.photos.heif_boxes import boxes, content

# Of the marker and two sides of 30 bits.
_SIZE_BYTES = 2 + 9
_SIDE_BITS = (9, 13, 18, 30)
# Width to height; the first stands for a width of its own.
_RATIOS = ((0, 0), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
# A kilobyte may be unpacked to gigabytes.
_MAX_BYTES = 16 * 1024**2


def jxl_contents(file: BinaryIO, kind: bytes) -> Iterator[bytes]:
    """Yield the contents of the boxes of a kind.

    Args:
        file: a JPEG XL with boxes.
        kind: four characters; packed ones are unpacked, but for where `brotli`, which comes with the extra `jxl`, is not installed.

    Raises:
        Exception: whatever Brotli meets in damaged data.
    """
    end = file.seek(0, io.SEEK_END)
    for box in boxes(file, 0, end):
        if box.kind == kind:
            yield content(file, box)
        elif box.kind == b"brob":
            packed = content(file, box)
            if packed.startswith(kind):
                yield from _unpacked(packed[len(kind) :])


def jxl_size(file: BinaryIO) -> tuple[int, int]:
    """Return width and height of a JPEG XL, perhaps turned by 90°: the first bits of its codestream (ISO/IEC 18181-1, SizeHeader).

    Args:
        file: with boxes, or the codestream alone; of a damaged one any numbers are returned.
    """
    start = file.read(max(len(JXL_BOXES), _SIZE_BYTES))
    if start.startswith(JXL_BOXES):
        start = b""
        end = file.seek(0, io.SEEK_END)
        for box in boxes(file, 0, end):
            if box.kind in (b"jxlc", b"jxlp"):
                # A part of a codestream begins with its number.
                start = content(file, box)[4 * (box.kind == b"jxlp") :][:_SIZE_BYTES]
                break
    bits = int.from_bytes(start[2:], "little")

    def number(size: int) -> int:
        nonlocal bits
        value = bits & ((1 << size) - 1)
        bits >>= size
        return value

    in_eights = number(1)

    def side() -> int:
        return 8 * (number(5) + 1) if in_eights else number(_SIDE_BITS[number(2)]) + 1

    height = side()
    across, down = _RATIOS[number(3)]
    return (height * across // down if down else side()), height


def _unpacked(packed: bytes) -> Iterator[bytes]:
    try:
        import brotli
    except ImportError:
        return
    yield brotli.Decompressor().process(packed, output_buffer_limit=_MAX_BYTES)
