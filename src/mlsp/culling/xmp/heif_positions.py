"""The box `iloc` of HEIC and AVIF: where each item stands in the file. Read and written whole.

ISO/IEC 14496-12.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mlsp.base.errors import SidecarError


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

    def moved(self, edge: int, growth: int) -> ItemPosition:
        """Return where it stands once what stood at or behind an edge of the file has moved.

        Raises:
            SidecarError: its form cannot say so.
        """
        are_behind = [start >= edge for start, _ in self.spans]
        if self.method != 0 or not any(are_behind):
            return self
        if not self.base:
            pieces = (
                replace(piece, offset=piece.offset + growth * is_behind)
                for piece, is_behind in zip(self.pieces, are_behind, strict=True)
            )
            return replace(self, pieces=tuple(pieces))
        if not all(are_behind):
            raise SidecarError("the pieces of an item stand on both sides of its XMP")
        return replace(self, base=self.base + growth)


@dataclass(frozen=True, slots=True)
class ItemPositions:
    """All of the box.

    Attributes:
        version: 0, 1 or 2.
        flags: of the box.
        sizes: of an offset, a length, a base and an index, in bytes.
        entries: in order.
    """

    version: int
    flags: int
    sizes: tuple[int, int, int, int]
    entries: tuple[ItemPosition, ...]

    @classmethod
    def read(cls, box: bytes) -> ItemPositions:
        """Read the content of a box.

        Raises:
            SidecarError: it is damaged, or of a version that is not known.
        """
        number = _Numbers(box)
        version, flags = number(1), number(3)
        if version > 2:
            raise SidecarError(f"its list of positions has version {version}, expected 0 to 2")
        packed = number(2)
        offset, length, base, index = (packed >> bits & 15 for bits in (12, 8, 4, 0))
        if version == 0:
            index = 0
        wide = 4 if version == 2 else 2
        entries = []
        for _ in range(number(wide)):
            item = number(wide)
            construction = 0 if version == 0 else number(2)
            reference, start = number(2), number(base)
            pieces = []
            count = number(2)
            if count > 1 and not index + offset + length:
                raise SidecarError("its structure is damaged: an item has pieces without a size")
            for _ in range(count):
                at = number(index)
                pieces.append(Piece(number(offset), number(length), at))
            entries.append(ItemPosition(item, tuple(pieces), start, construction, reference))
        if not number.is_at_end:
            raise SidecarError("its structure is damaged: its list of positions is too long")
        return cls(version, flags, (offset, length, base, index), tuple(entries))

    def moved(self, edge: int, growth: int) -> ItemPositions:
        """Return them once what stood at or behind an edge of the file has moved.

        Raises:
            SidecarError: their form cannot say so.
        """
        return replace(self, entries=tuple(entry.moved(edge, growth) for entry in self.entries))

    def with_item(self, item: int, start: int, size: int) -> ItemPositions:
        """Return them with an item that stands in the file in one piece, instead of where it stood."""
        entry = ItemPosition(item, (Piece(start, size),))
        if self.sizes[2]:
            # Where there is room for a base, exiv2 0.27 looks at nothing else.
            entry = ItemPosition(item, (Piece(0, size),), start)
        old = [entry.item for entry in self.entries]
        at = old.index(item) if item in old else len(old)
        return replace(self, entries=(*self.entries[:at], entry, *self.entries[at + 1 :]))

    def packed(self) -> bytes:
        """Return the content of the box.

        Raises:
            OverflowError: a number has no room in it.
        """
        offset, length, base, index = self.sizes
        wide = 4 if self.version == 2 else 2
        packed = offset << 12 | length << 8 | base << 4 | index
        numbers = [(self.version, 1), (self.flags, 3), (packed, 2)]
        numbers.append((len(self.entries), wide))
        for entry in self.entries:
            numbers += [(entry.item, wide), (entry.construction, 2 if self.version else 0)]
            numbers += [(entry.reference, 2), (entry.base, base), (len(entry.pieces), 2)]
            for piece in entry.pieces:
                numbers += [(piece.index, index), (piece.offset, offset), (piece.size, length)]
        return b"".join(value.to_bytes(size, "big") for value, size in numbers)


class _Numbers:
    """Reads whole numbers, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __call__(self, size: int) -> int:
        self._at += size
        if self._at > len(self._data):
            raise SidecarError("its structure is damaged: its list of positions is cut")
        return int.from_bytes(self._data[self._at - size : self._at], "big")

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._data)
