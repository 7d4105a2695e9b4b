"""The XMP in HEIC and AVIF, and the file with another one.

The packet is an item of the kind `mime`, which describes the main picture. It goes into a box of its own behind `meta`:

ftyp │ meta ─┬ pitm   the main picture's item        │ mdat   the packet │ mdat, mpvd, …   as they were
             ├ iinf   kinds of items                 │                   │
             ├ iref   what describes what            │                   │
             └ iloc   their positions in the file    │                   │

What stands behind it moves, so `iloc` is written anew. A file with a box of which it is not known whether it, too, has positions in
the file is refused. An item that stood elsewhere stays there, unused.

ISO/IEC 14496-12 and 23008-12; XMP Specification Part 3.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence

from mlsp.base.errors import SidecarError
from mlsp.culling.xmp.changes import Change
from mlsp.culling.xmp.heif_positions import moved_positions, packed_positions, with_item
from mlsp.photos.heif_boxes import Box, boxes, read_items
from mlsp.photos.heif_positions import ItemPosition, ItemPositions, read_positions

# Those with no positions in the file. `mpvd` is the film of a motion photo, `sefd` Samsung's data; positions in them are their own.
_KNOWN = {b"ftyp", b"meta", b"mdat", b"free", b"skip", b"wide", b"mpvd", b"sefd"}
_CONTENT_TYPE = b"application/rdf+xml"
_HIDDEN = 1
# Items may share bytes, but not so that they are many times the file.
_MAX_REPEATS = 4


class HeifItems:
    """The items of a HEIC or AVIF file.

    Attributes:
        packet: the XMP of the main picture, as it is stored; None where there is none.
        others: the content of all other items, by number.

    Raises:
        SidecarError: it is damaged, or of a form whose XMP is not written.
        struct.error, IndexError: it is damaged.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._file = io.BytesIO(content)
        self._top = self._boxes(0, len(content))
        for box in self._top:
            if box.kind not in _KNOWN:
                raise SidecarError(
                    f"it has a box {box.kind.decode('latin-1')!r}, which may hold positions that would be wrong afterwards"
                )
        metas = [number for number, box in enumerate(self._top) if box.kind == b"meta"]
        if len(metas) != 1:
            raise SidecarError(f"it has {len(metas)} lists of items, expected one")
        self._meta_index = metas[0]
        meta = self._top[self._meta_index]
        self._parts = self._boxes(meta.body + 4, meta.end)
        kinds = [box.kind for box in self._parts]
        for kind in (b"pitm", b"iinf", b"iloc"):
            if kinds.count(kind) != 1:
                raise SidecarError(
                    f"its structure is damaged: it has {kinds.count(kind)} boxes {kind.decode()!r}, expected one"
                )
        self._read_items()

    def _read_items(self) -> None:
        part = {box.kind: box for box in self._parts}
        self._iinf, self._iref = part[b"iinf"], part.get(b"iref")
        self._positions = read_positions(self._body(part[b"iloc"]))
        if self._positions.version > 2:
            raise SidecarError(
                f"its list of positions has version {self._positions.version}, expected 0 to 2"
            )
        if not self._positions.is_whole:
            raise SidecarError(
                "its structure is damaged: its list of positions is not as long as it says"
            )
        items = read_items(self._file, self._parts)
        self._entries, self._data = items.entries, items.data or (0, 0)
        if any(entry.version not in (2, 3) for entry in self._entries.values()):
            raise SidecarError("its list of items has an old form, which is not changed")
        if items.primary is None or self._count != len(self._entries):
            raise SidecarError("its structure is damaged: its list of items is not whole")
        self._primary = items.primary
        self._groups = self._numbers_of_groups()
        self._room = _MAX_REPEATS * len(self._content)
        self._item = self._xmp_item(items.described)
        found = {entry.item: self._stored(entry) for entry in self._positions.entries}
        self.packet = None if self._item is None else found.pop(self._item, None)
        if self._item is not None and self.packet is None:
            raise SidecarError("its structure is damaged: its XMP is nowhere in the file")
        self.others: Mapping[int, bytes] = found

    def _boxes(self, start: int, stop: int) -> list[Box]:
        """Return the boxes that fill a part of the file.

        Raises:
            SidecarError: they do not.
        """
        found = list(boxes(self._file, start, stop))
        if any(box.is_cut for box in found) or (found[-1].end if found else start) != stop:
            raise SidecarError("its structure is damaged: a box ends where it cannot")
        return found

    def _body(self, box: Box) -> bytes:
        return self._content[box.body : box.end]

    def put(self, packet: bytes) -> list[Change]:
        """Return the file's changes that give the main picture another packet.

        Raises:
            SidecarError: it has no room for it.
        """
        meta, end = self._top[self._meta_index], self._end_of_packet()
        mdat = _box(b"mdat", packet)
        try:
            # Numbers take the same room whatever they are.
            start = meta.start + len(self._meta(with_item(self._positions, self._number, 0, 0)))
            moved = moved_positions(self._positions, end, start + len(mdat) - end)
            moved = with_item(moved, self._number, start + 8, len(packet))
            return [(meta.start, end, self._meta(moved) + mdat)]
        except OverflowError as error:
            raise SidecarError("its list of items has no room for it") from error

    @property
    def _number(self) -> int:
        """The number of the XMP's item; one that nothing has, where there is none."""
        if self._item is not None:
            return self._item
        return max({*self._entries, *self.others, *self._groups, self._primary}) + 1

    @property
    def _count(self) -> int:
        """How many items its list says it has."""
        body = self._body(self._iinf)
        return int.from_bytes(body[4 : 6 if body[:1] == b"\0" else 8], "big")

    def _numbers_of_groups(self) -> list[int]:
        """Return the numbers of groups, which are no item's."""
        groups = [
            group
            for box in self._parts
            if box.kind == b"grpl"
            for group in self._boxes(box.body, box.end)
        ]
        return [int.from_bytes(self._body(group)[4:8], "big") for group in groups]

    def _end_of_packet(self) -> int:
        """Return where the box of the packet ends, if it stands behind `meta` already, else where `meta` ends."""
        meta = self._top[self._meta_index]
        after = self._top[self._meta_index + 1 : self._meta_index + 2]
        for entry in self._positions.entries:
            if entry.item == self._item and after and after[0].kind == b"mdat":
                is_own = list(entry.spans) == [(after[0].body, after[0].end - after[0].body)]
                return after[0].end if is_own and entry.method == 0 else meta.end
        return meta.end

    def _meta(self, positions: ItemPositions) -> bytes:
        """Return the box `meta` with these positions, and with an item of XMP."""
        meta = self._top[self._meta_index]
        new = {b"iloc": _box(b"iloc", packed_positions(positions))}
        if self._item is None:
            new |= {b"iinf": self._grown_iinf(), b"iref": self._grown_iref()}
        parts = [new.pop(part.kind, self._content[part.start : part.end]) for part in self._parts]
        version = self._content[meta.body : meta.body + 4]
        return _box(b"meta", version + b"".join([*parts, *new.values()]))

    def _grown_iinf(self) -> bytes:
        body = self._body(self._iinf)
        size = 2 if body[0] == 0 else 4
        count = (self._count + 1).to_bytes(size, "big")
        # Version 3 has numbers of four bytes.
        version, number_size = (2, 2) if self._number <= 0xFFFF else (3, 4)
        entry = struct.pack(">I", version << 24 | _HIDDEN)
        entry += self._number.to_bytes(number_size, "big")
        entry += bytes(2) + b"mime\0" + _CONTENT_TYPE + b"\0"
        return _box(b"iinf", body[:4] + count + body[4 + size :] + _box(b"infe", entry))

    def _grown_iref(self) -> bytes:
        is_wide = max(self._number, self._primary) > 0xFFFF
        body = bytes([is_wide, 0, 0, 0])
        if self._iref is not None:
            body = self._body(self._iref)
        size = 2 if body[0] == 0 else 4
        reference = self._number.to_bytes(size, "big") + b"\0\1"
        reference += self._primary.to_bytes(size, "big")
        return _box(b"iref", body + _box(b"cdsc", reference))

    def _xmp_item(self, described: Mapping[int, Sequence[int]]) -> int | None:
        """Find the XMP that describes the main picture: phones have some for gain maps, too."""
        for item, entry in self._entries.items():
            if entry.kind == b"mime" and entry.content_type == _CONTENT_TYPE:
                # What describes nothing by name is of the whole file.
                if self._primary not in described.get(item, (self._primary,)):
                    continue
                if entry.is_protected or entry.encoding:
                    raise SidecarError("its XMP is encrypted or packed, which is not changed")
                return item
        return None

    def _stored(self, entry: ItemPosition) -> bytes:
        if entry.method > 1 or entry.reference:
            raise SidecarError("some of its items are in other items or files")
        start, stop = self._data if entry.method == 1 else (0, len(self._content))
        source = self._content[start:stop]
        pieces = []
        for at, size in entry.spans:
            pieces.append(source[at : at + size] if size else source[at:])
            self._room -= len(pieces[-1])
            if self._room < 0:
                raise SidecarError("its structure is damaged: its items are many times the file")
        return b"".join(pieces)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body
