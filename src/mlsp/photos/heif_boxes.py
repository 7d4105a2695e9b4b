"""Boxes and items of HEIC and AVIF, walked in the headers: libheif would read a file of gigabytes whole.

meta ─┬ pitm   the main picture's item
      ├ iinf   kinds of items: hvc1, av01, grid, Exif, mime …
      ├ iloc   their places in the file
      ├ iref   what a picture is put together from, and what describes which
      └ iprp   their properties: size, colours, how they are coded

ISO/IEC 14496-12 and 23008-12.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

# Damaged files may claim anything.
_MAX_PARTS = 10_000
_MAX_PIECES = 100_000
_MAX_BYTES = 8_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item is.

    Attributes:
        method: 0 in the file, 1 in the box `idat`, 2 in other items.
        pieces: offset and size of each piece, in bytes; a size of 0 is all that follows.
    """

    method: int
    pieces: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Items:
    """Items of a file.

    Attributes:
        primary: number of the main picture's item; None where none is named.
        kinds: by number.
        places: by number.
        parts: of items that are put together, the items they are made of, by number.
        described: of items that describe others, such as EXIF data, these others, by number.
        auxiliary: of pictures that add to others, such as alpha or depth, these others, by number.
        properties: kind and content of each property, by the item's number.
        data: start and end of the box `idat`; None where there is none.
    """

    primary: int | None
    kinds: Mapping[int, bytes]
    places: Mapping[int, Place]
    parts: Mapping[int, tuple[int, ...]]
    described: Mapping[int, tuple[int, ...]]
    auxiliary: Mapping[int, tuple[int, ...]]
    properties: Mapping[int, tuple[tuple[bytes, bytes], ...]]
    data: tuple[int, int] | None

    def property_of(self, item: int, kind: bytes) -> bytes | None:
        """Return the content of an item's first property of a kind."""
        return next(
            (content for name, content in self.properties.get(item, ()) if name == kind), None
        )


def find_items(file: BinaryIO) -> Items | None:
    """Read the items of a file; None where it has none, as films.

    Raises:
        Exception: whatever damaged boxes lead to.
    """
    end = file.seek(0, io.SEEK_END)
    for kind, start, stop in boxes(file, 0, end):
        if kind == b"meta":
            return _items(file, start + 4, stop)
    return None


def item_contents(file: BinaryIO, kind: bytes) -> Iterator[bytes]:
    """Yield the contents of the items of a kind that stand in the file itself; first what is about the main picture, or all. Of all at most 8 MB.

    Raises:
        Exception: whatever damaged boxes lead to.
    """
    items = find_items(file)
    if items is None:
        return
    main, room = items.primary, _MAX_BYTES
    for item in sorted(items.kinds, key=lambda item: main not in items.described.get(item, [main])):
        place = items.places.get(item)
        if items.kinds[item] == kind and place is not None and place.method == 0 and place.pieces:
            found = []
            for at, size in place.pieces:
                # Pieces may be the same bytes again and again.
                found.append(read(file, at, min(size, room)))
                room -= len(found[-1])
            yield b"".join(found)


def boxes(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each box of a part of a file."""
    for _ in range(_MAX_PARTS):
        if start + 8 > stop:
            return
        size, kind = struct.unpack(">I4s", read(file, start, 8))
        head = 8
        if size == 1:
            (size,) = struct.unpack(">Q", read(file, start + 8, 8))
            head = 16
        elif size == 0:
            size = stop - start
        if size < head:
            return
        yield kind, start + head, min(start + size, stop)
        start += size


def content(file: BinaryIO, start: int, stop: int) -> bytes:
    """Read a part of a file, of which at most 8 MB."""
    return read(file, start, min(stop - start, _MAX_BYTES))


def read(file: BinaryIO, offset: int, size: int) -> bytes:
    """Read bytes at an offset."""
    file.seek(offset)
    return file.read(size)


class _Numbers:
    """Reads whole numbers, one after the other; those behind the end are 0."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)
        self._size = len(data)

    def __call__(self, size: int) -> int:
        return int.from_bytes(self._stream.read(size), "big")

    @property
    def is_at_end(self) -> bool:
        return self._stream.tell() >= self._size


def _items(file: BinaryIO, start: int, stop: int) -> Items:
    found = {kind: (at, end) for kind, at, end in boxes(file, start, stop)}
    place = {
        kind: content(file, *span) for kind, span in found.items() if kind in (b"pitm", b"iloc")
    }
    primary = None
    if b"pitm" in place:
        primary = int.from_bytes(place[b"pitm"][4 : 6 if place[b"pitm"][:1] == b"\0" else 8], "big")

    def references(kind: bytes) -> dict[int, tuple[int, ...]]:
        return dict(_references(file, *found[b"iref"], kind)) if b"iref" in found else {}

    return Items(
        primary,
        dict(_kinds(file, *found[b"iinf"])) if b"iinf" in found else {},
        dict(_places(place[b"iloc"])) if b"iloc" in place else {},
        references(b"dimg"),
        references(b"cdsc"),
        references(b"auxl"),
        _properties(file, *found[b"iprp"]) if b"iprp" in found else {},
        found.get(b"idat"),
    )


def _kinds(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
    version = read(file, start, 1)
    for kind, at, end in boxes(file, start + (6 if version == b"\0" else 8), stop):
        entry = content(file, at, min(end, at + 16))
        number_size = 4 if entry[:1] == b"\3" else 2
        kind_at = 6 + number_size
        if kind == b"infe":
            yield int.from_bytes(entry[4 : 4 + number_size], "big"), entry[kind_at : kind_at + 4]


def _places(iloc: bytes) -> Iterator[tuple[int, Place]]:
    number = _Numbers(iloc)
    version = number(1)
    number(3)
    sizes = number(2)
    offset_size, length_size, base_size, index_size = (sizes >> bits & 15 for bits in (12, 8, 4, 0))
    if version == 0:
        index_size = 0
    number_size = 4 if version == 2 else 2
    room = _MAX_PIECES
    for _ in range(min(number(number_size), _MAX_PARTS)):
        item = number(number_size)
        method = 0 if version == 0 else number(2) & 15
        number(2)
        base = number(base_size)
        pieces = []
        for _ in range(number(2)):
            room -= 1
            if number.is_at_end or room < 0:
                return
            number(index_size)
            pieces.append((base + number(offset_size), number(length_size)))
        yield item, Place(method, tuple(pieces))


def _references(
    file: BinaryIO, start: int, stop: int, wanted: bytes
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Items that refer to others in a way, and to which."""
    size = 2 if read(file, start, 1) == b"\0" else 4
    for kind, at, end in boxes(file, start + 4, stop):
        if kind == wanted:
            number = _Numbers(content(file, at, end))
            item = number(size)
            count = min(number(2), (end - at) // size)
            yield item, tuple(number(size) for _ in range(count))


def _properties(
    file: BinaryIO, start: int, stop: int
) -> dict[int, tuple[tuple[bytes, bytes], ...]]:
    known: list[tuple[bytes, bytes]] = []
    properties: dict[int, tuple[tuple[bytes, bytes], ...]] = {}
    for kind, at, end in boxes(file, start, stop):
        if kind == b"ipco":
            known = [(name, content(file, *span)) for name, *span in boxes(file, at, end)]
        elif kind == b"ipma":
            association = content(file, at, end)
            is_wide = bool(int.from_bytes(association[1:4], "big") & 1)
            number = _Numbers(association[4:])
            for _ in range(min(number(4), _MAX_PARTS)):
                if number.is_at_end:
                    break
                item = number(2 if association[:1] == b"\0" else 4)
                indices = [
                    number(2) & 0x7FFF if is_wide else number(1) & 0x7F for _ in range(number(1))
                ]
                properties[item] = tuple(known[i - 1] for i in indices if 0 < i <= len(known))
    return properties
