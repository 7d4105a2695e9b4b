"""WebP: its size before its decoder takes memory for it, and whether all of its pixels were written."""

from __future__ import annotations

import io
import struct

# So many zeros at the end of coded pixels may be those that a download left. A large black area ends in thousands, too.
_MAX_ZEROS = 128
# More than encoders write beyond what is needed.
_SPARE_BYTES = 8


def webp_size(content: bytes) -> tuple[int, int]:
    """Read width and height of a WebP, without its decoder.

    Raises:
        OSError: its first chunk is none of the three that there are.
    """
    kind = content[12:16]
    if kind == b"VP8X" and len(content) >= 30:
        sides = (content[24:27], content[27:30])
        return int.from_bytes(sides[0], "little") + 1, int.from_bytes(sides[1], "little") + 1
    if kind == b"VP8L" and len(content) >= 25:
        bits = int.from_bytes(content[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and len(content) >= 30:
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise OSError("its first chunk is not whole")


def check_webp_filled(content: bytes) -> None:
    """Refuse a WebP of which a download wrote only a part: its decoder takes zeros for pixels. Decodes it if its pixels end in zeros.

    Raises:
        OSError: its pixels end in zeros, and the picture is complete without some of them.
    """
    at = 12
    while at + 8 <= len(content):
        kind, size = struct.unpack_from("<4sI", content, at)
        at += 8
        coded = content[at : at + size] if kind in (b"VP8 ", b"VP8L") else b""
        if coded.endswith(bytes(_MAX_ZEROS)) and _is_complete(kind, coded[:-_SPARE_BYTES]):
            raise OSError("a part of the picture was never written")
        at += size + size % 2


def _is_complete(kind: bytes, coded: bytes) -> bool:
    from PIL.WebPImagePlugin import WebPImageFile

    chunk = struct.pack("<4sI", kind, len(coded)) + coded + bytes(len(coded) % 2)
    file = b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
    try:
        with WebPImageFile(io.BytesIO(file)) as image:
            image.load()
    except (OSError, SyntaxError):
        return False
    return True
