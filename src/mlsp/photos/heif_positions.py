"""The box `iloc` of HEIC and AVIF: where each item stands in the file.

ISO/IEC 14496-12. `mlsp.culling.xmp.heif_positions` writes it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

# Damaged files may claim anything.
_MAX_ITEMS = 10_000
_MAX_PIECES = 100_000


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an item: offset from the item's base, and size in bytes; the index is for items in other items."""

    offset: int
    size: int
    index: int = 0


@dataclass(frozen=True, slots=True)
class ItemPosition:
    """Where an item stands.

    Attributes:
        item: its number.
        pieces: of it, in order.
        base: what their offsets count from.
        construction: 0 in the file, 1 in the box `idat`, 2 in other items; and reserved bits.
        reference: 0 in this file, else number of another.
    """

    item: int
    pieces: tuple[Piece, ...]
    base: int = 0
    construction: int = 0
    reference: int = 0

    @property
    def method(self) -> int:
        """0 in the file, 1 in the box `idat`, 2 in other items."""
        return self.construction & 15

    @property
    def spans(self) -> Iterator[tuple[int, int]]:
        """Start and size of each piece, in bytes; a size of 0 is all that follows."""
        return ((self.base + piece.offset, piece.size) for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class ItemPositions:
    """All of the box.

    Attributes:
        version: 0, 1 or 2; others are damage, or not known.
        flags: of the box.
        sizes: of an offset, a length, a base and an index, in bytes.
        entries: in order.
        is_whole: whether the box has just what it says it has; else these are the entries before the damage.
    """

    version: int
    flags: int
    sizes: tuple[int, int, int, int]
    entries: tuple[ItemPosition, ...]
    is_whole: bool = True


class Numbers:
    """Reads whole numbers, one after the other; those behind the end are 0.

    Args:
        data: bytes that hold them, the highest byte of each first.
    """

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)
        self._left = len(data)

    def __call__(self, size: int) -> int:
        """Return the next number, of so many bytes."""
        self._left -= size
        return int.from_bytes(self._stream.read(size), "big")

    @property
    def left(self) -> int:
        """Bytes that are left; below 0 where more were asked for than there are."""
        return self._left


def read_positions(iloc: bytes) -> ItemPositions:
    """Read the content of a box `iloc`."""
    number = Numbers(iloc)
    version, flags, packed = number(1), number(3), number(2)
    offset, length, base, index = (packed >> bits & 15 for bits in (12, 8, 4, 0))
    sizes = offset, length, base, 0 if version == 0 else index
    entries = tuple(_entries(number, version, sizes))
    return ItemPositions(version, flags, sizes, entries, number.left == 0)


def _entries(
    number: Numbers, version: int, sizes: tuple[int, int, int, int]
) -> Iterator[ItemPosition]:
    offset, length, base, index = sizes
    wide = 4 if version == 2 else 2
    room = _MAX_PIECES
    for _ in range(min(number(wide), _MAX_ITEMS)):
        item = number(wide)
        construction = 0 if version == 0 else number(2)
        reference, start = number(2), number(base)
        pieces = []
        for _ in range(number(2)):
            room -= 1
            if number.left <= 0 or room < 0:
                return
            at = number(index)
            pieces.append(Piece(number(offset), number(length), at))
        yield ItemPosition(item, tuple(pieces), start, construction, reference)
