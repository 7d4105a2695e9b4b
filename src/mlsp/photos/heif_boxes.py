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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from mlsp.photos.heif_positions import ItemPosition, Numbers, read_positions

# Damaged files may claim anything.
_MAX_PARTS = 10_000
_MAX_BYTES = 8_000_000
_REFERENCES = (b"dimg", b"cdsc", b"auxl")


@dataclass(frozen=True, slots=True)
class Box:
    """A box of a file.

    Attributes:
        kind: its four characters.
        start: offset of its head.
        body: offset of its content.
        end: offset of what follows, at most where the part of the file ends that it stands in.
        is_cut: whether it says that it reaches beyond that.
    """

    kind: bytes
    start: int
    body: int
    end: int
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """What a box `infe` says of an item.

    Attributes:
        version: of the box; 2 and 3 have all below.
        kind: its four characters.
        is_protected: whether it is encrypted.
        content_type: of an item of the kind `mime`, else empty.
        encoding: how such an item is packed; empty where it is not.
    """

    version: int
    kind: bytes
    is_protected: bool
    content_type: bytes
    encoding: bytes


@dataclass(frozen=True, slots=True)
class Items:
    """Items of a file.

    Attributes:
        primary: number of the main picture's item; None where none is named.
        entries: what is said of each item, by number, in the file's order.
        positions: where it stands, by number.
        parts: of items that are put together, the items they are made of, by number.
        described: of items that describe others, such as EXIF data, these others, by number.
        auxiliary: of pictures that add to others, such as alpha or depth, these others, by number.
        properties: kind and content of each property, by the item's number.
        data: start and end of the box `idat`; None where there is none.
    """

    primary: int | None
    entries: Mapping[int, Entry]
    positions: Mapping[int, ItemPosition]
    parts: Mapping[int, Sequence[int]]
    described: Mapping[int, Sequence[int]]
    auxiliary: Mapping[int, Sequence[int]]
    properties: Mapping[int, tuple[tuple[bytes, bytes], ...]]
    data: tuple[int, int] | None

    def kind_of(self, item: int) -> bytes | None:
        """Return the kind of an item; None where nothing is said of it."""
        entry = self.entries.get(item)
        return None if entry is None else entry.kind

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
    for box in boxes(file, 0, end):
        if box.kind == b"meta":
            return read_items(file, boxes(file, box.body + 4, box.end))
    return None


def read_items(file: BinaryIO, parts: Iterable[Box]) -> Items:
    """Read the items from the boxes in `meta`.

    Raises:
        Exception: whatever damaged boxes lead to.
    """
    found = {box.kind: box for box in parts}

    def part(kind: bytes) -> bytes:
        return content(file, found[kind]) if kind in found else b""

    pitm, idat = part(b"pitm"), found.get(b"idat")
    references = _references(file, found[b"iref"]) if b"iref" in found else {}
    return Items(
        int.from_bytes(pitm[4 : 6 if pitm[:1] == b"\0" else 8], "big") if pitm else None,
        dict(_entries(file, found[b"iinf"])) if b"iinf" in found else {},
        {entry.item: entry for entry in read_positions(part(b"iloc")).entries},
        references.get(b"dimg", {}),
        references.get(b"cdsc", {}),
        references.get(b"auxl", {}),
        _properties(file, found[b"iprp"]) if b"iprp" in found else {},
        None if idat is None else (idat.body, idat.end),
    )


def item_contents(file: BinaryIO, kind: bytes) -> Iterator[bytes]:
    """Yield the contents of the items of a kind that stand in the file itself; first what is about the main picture, or all. Of all at most 8 MB.

    Raises:
        Exception: whatever damaged boxes lead to.
    """
    items = find_items(file)
    if items is None:
        return
    main, room = items.primary, _MAX_BYTES
    of_kind = [item for item, entry in items.entries.items() if entry.kind == kind]
    for item in sorted(of_kind, key=lambda item: main not in items.described.get(item, [main])):
        position = items.positions.get(item)
        if position is not None and position.method == 0 and position.pieces:
            found = []
            for at, size in position.spans:
                # Pieces may be the same bytes again and again.
                found.append(read(file, at, min(size, room)))
                room -= len(found[-1])
            yield b"".join(found)


def boxes(file: BinaryIO, start: int, stop: int) -> Iterator[Box]:
    """Yield the boxes of a part of a file, as far as they are whole."""
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
        end = start + size
        yield Box(kind, start, start + head, min(end, stop), end > stop)
        start = end


def content(file: BinaryIO, box: Box) -> bytes:
    """Read the content of a box, of which at most 8 MB."""
    return read(file, box.body, min(box.end - box.body, _MAX_BYTES))


def read(file: BinaryIO, offset: int, size: int) -> bytes:
    """Read bytes at an offset."""
    file.seek(offset)
    return file.read(size)


def _entries(file: BinaryIO, iinf: Box) -> Iterator[tuple[int, Entry]]:
    version = read(file, iinf.body, 1)
    for box in boxes(file, iinf.body + (6 if version == b"\0" else 8), iinf.end):
        if box.kind == b"infe":
            entry = content(file, box)
            at = 8 if entry[:1] == b"\3" else 6
            names = [*entry[at + 6 :].split(b"\0", 3), b"", b""]
            yield (
                int.from_bytes(entry[4:at], "big"),
                Entry(
                    int.from_bytes(entry[:1], "big"),
                    entry[at + 2 : at + 6],
                    any(entry[at : at + 2]),
                    names[1],
                    names[2],
                ),
            )


def _references(file: BinaryIO, iref: Box) -> dict[bytes, dict[int, list[int]]]:
    """Return how items refer to others: the kind of reference, the item, and these."""
    size = 2 if read(file, iref.body, 1) == b"\0" else 4
    found: dict[bytes, dict[int, list[int]]] = {}
    for box in boxes(file, iref.body + 4, iref.end):
        if box.kind in _REFERENCES:
            number = Numbers(content(file, box))
            item = number(size)
            count = min(number(2), (box.end - box.body) // size)
            # An item may have several boxes of a kind.
            others = found.setdefault(box.kind, {}).setdefault(item, [])
            others += (number(size) for _ in range(count))
    return found


def _properties(file: BinaryIO, iprp: Box) -> dict[int, tuple[tuple[bytes, bytes], ...]]:
    known: list[tuple[bytes, bytes]] = []
    properties: dict[int, tuple[tuple[bytes, bytes], ...]] = {}
    for box in boxes(file, iprp.body, iprp.end):
        if box.kind == b"ipco":
            known = [(part.kind, content(file, part)) for part in boxes(file, box.body, box.end)]
        elif box.kind == b"ipma":
            association = content(file, box)
            is_wide = bool(int.from_bytes(association[1:4], "big") & 1)
            number = Numbers(association[4:])
            for _ in range(min(number(4), _MAX_PARTS)):
                if number.left <= 0:
                    break
                item = number(2 if association[:1] == b"\0" else 4)
                indices = [
                    number(2) & 0x7FFF if is_wide else number(1) & 0x7F for _ in range(number(1))
                ]
                properties[item] = tuple(known[i - 1] for i in indices if 0 < i <= len(known))
    return properties
