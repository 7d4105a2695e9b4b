"""Where the items of HEIC and AVIF stand once their file has changed, and the box `iloc` that says so.

ISO/IEC 14496-12. `mlsp.photos.heif_positions` reads it.
"""

from __future__ import annotations

from dataclasses import replace

from mlsp.base.errors import SidecarError
from mlsp.photos.heif_positions import ItemPosition, ItemPositions, Piece


def moved_positions(positions: ItemPositions, edge: int, growth: int) -> ItemPositions:
    """Return them once what stood at or behind an edge of the file has moved.

    Raises:
        SidecarError: their form cannot say so.
    """
    entries = tuple(_moved(entry, edge, growth) for entry in positions.entries)
    return replace(positions, entries=entries)


def with_item(positions: ItemPositions, item: int, start: int, size: int) -> ItemPositions:
    """Return them with an item that stands in the file in one piece, instead of where it stood."""
    entry = ItemPosition(item, (Piece(start, size),))
    if positions.sizes[2]:
        # Where there is room for a base, exiv2 0.27 looks at nothing else.
        entry = ItemPosition(item, (Piece(0, size),), start)
    entries = positions.entries
    old = [entry.item for entry in entries]
    at = old.index(item) if item in old else len(old)
    return replace(positions, entries=(*entries[:at], entry, *entries[at + 1 :]))


def packed_positions(positions: ItemPositions) -> bytes:
    """Return the content of the box.

    Raises:
        OverflowError: a number has no room in it.
    """
    offset, length, base, index = positions.sizes
    wide = 4 if positions.version == 2 else 2
    packed = offset << 12 | length << 8 | base << 4 | index
    numbers = [(positions.version, 1), (positions.flags, 3), (packed, 2)]
    numbers.append((len(positions.entries), wide))
    for entry in positions.entries:
        numbers += [(entry.item, wide), (entry.construction, 2 if positions.version else 0)]
        numbers += [(entry.reference, 2), (entry.base, base), (len(entry.pieces), 2)]
        for piece in entry.pieces:
            numbers += [(piece.index, index), (piece.offset, offset), (piece.size, length)]
    return b"".join(value.to_bytes(size, "big") for value, size in numbers)


def _moved(entry: ItemPosition, edge: int, growth: int) -> ItemPosition:
    are_behind = [start >= edge for start, _ in entry.spans]
    if entry.method != 0 or not any(are_behind):
        return entry
    if not entry.base:
        pieces = (
            replace(piece, offset=piece.offset + growth * is_behind)
            for piece, is_behind in zip(entry.pieces, are_behind, strict=True)
        )
        return replace(entry, pieces=tuple(pieces))
    if not all(are_behind):
        raise SidecarError("the pieces of an item stand on both sides of its XMP")
    return replace(entry, base=entry.base + growth)
