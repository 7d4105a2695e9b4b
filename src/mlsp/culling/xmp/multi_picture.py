"""Offsets of the further pictures in a JPEG (previews, gain maps, depth), which move when its head grows.

Source: CIPA DC-007, Multi-Picture Format, https://www.cipa.jp/std/documents/e/DC-X007-KEY_E.pdf
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from mlsp.base.errors import SidecarError
from mlsp.culling.xmp.changes import Change

_HEAD = b"MPF\0"
_PICTURES = 0xB002
# Of a picture: attributes, size, offset, two numbers.
_ENTRY = 16


def adjusted(
    content: bytes, segments: Iterable[tuple[int, int, int]], change: Change
) -> list[Change]:
    """Return the changes of a JPEG that one of its head entails.

    Args:
        content: of the JPEG.
        segments: marker, start and end of those in its head.
        change: start and end of what is replaced, and by what.

    Returns:
        The change, and before or behind it that of the size of the first picture and the offsets of the others.

    Raises:
        SidecarError: they cannot be found.
    """
    start, end, new = change
    growth = len(new) - (end - start)
    changes = [change]
    for marker, at, stop in segments:
        if marker != 0xE2 or content[at + 4 : at + 8] != _HEAD or growth == 0:
            continue
        base = at + 8
        order = "<" if content[base : base + 2] == b"II" else ">"
        place, size = _pictures(content, base, order)
        if size % _ENTRY or place + size > stop:
            raise SidecarError("its structure is damaged: its list of pictures is cut")
        entries = bytearray(content[place : place + size])
        for entry in range(0, size, _ENTRY):
            length, offset = struct.unpack_from(f"{order}II", entries, entry + 4)
            if offset == 0:
                length += growth
            elif start >= base:
                # They count from here; what is put before moves both.
                offset += growth
            struct.pack_into(f"{order}II", entries, entry + 4, length, offset)
        changes.append((place, place + size, bytes(entries)))
    return sorted(changes)


def _pictures(content: bytes, base: int, order: str) -> tuple[int, int]:
    """Return position and size of the list of pictures."""
    (directory,) = struct.unpack_from(f"{order}I", content, base + 4)
    (count,) = struct.unpack_from(f"{order}H", content, base + directory)
    for number in range(count):
        tag, _, size, offset = struct.unpack_from(
            f"{order}HHII", content, base + directory + 2 + 12 * number
        )
        if tag == _PICTURES:
            return base + offset, size
    raise SidecarError("its structure is damaged: it has no list of its pictures")
