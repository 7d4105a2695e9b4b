"""Directories of TIFF and BigTIFF: which picture is the photo, and what of it can be decoded.

Pillow opens the first directory, whatever it is, and takes what it cannot decode for damage. https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from PIL import _imaging

from mlsp.base.errors import UnsupportedPhotoError

_NEW_SUBFILE_TYPE, _SUBFILE_TYPE = 254, 255
_WIDTH, _HEIGHT, _COMPRESSION = 256, 257, 259
# Bits, strips and tiles with their sizes, palette, kind of numbers: without them Pillow takes the pixels for something else.
_NEEDED = frozenset((258, 273, 279, 320, 324, 325, 339))
_STRIP_OFFSETS, _TILE_OFFSETS = 273, 324
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
_SUB_DIRECTORIES = 330
# What belongs to the photo but stands beside the thumbnail: its turn and its colours.
_SHARED = (274, 34675)
_REDUCED, _MASK = 1, 4
_OLD_REDUCED = 2

# Bytes of a value by its type.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}  # fmt: skip
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}

# Codings that every libtiff has, for where it cannot be asked; 1 is none.
_COMMON_CODINGS = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946, 34676, 34677))
_MAX_DIRECTORIES = 16
# As many as a TIFF can have; a BigTIFF may claim any number.
_MAX_ENTRIES = 65_535
# Pillow makes an object of each; a photo of 250 megapixels in tiles of 256 has 3,815.
_MAX_PIECES = 300_000
_MAX_METADATA_BYTES = 16_000_000
# Of a small photo in one large tile.
_MAX_TILE_PIXELS = 64_000_000


@dataclass(frozen=True, slots=True)
class _Layout:
    """Sizes of a file's numbers.

    Attributes:
        order: of bytes, `<` or `>`.
        is_big: BigTIFF.
    """

    order: str
    is_big: bool

    @property
    def offset(self) -> tuple[str, int]:
        """Code and bytes of an offset."""
        return (f"{self.order}Q", 8) if self.is_big else (f"{self.order}I", 4)

    @property
    def count(self) -> tuple[str, int]:
        """Code and bytes of a directory's number of entries."""
        return (f"{self.order}Q", 8) if self.is_big else (f"{self.order}H", 2)


@dataclass(frozen=True, slots=True)
class _Directory:
    """A picture of a file.

    Attributes:
        entries: as they are stored, by their tags.
        following: offset of the next directory, 0 for none.
    """

    entries: Mapping[int, bytes]
    following: int


def photo_first(content: bytes) -> bytes:
    """Return a TIFF of which the photo, and no thumbnail of it, is the first directory.

    Returns:
        `content` itself unless its first directory says that it is a reduced picture, and another is larger.

    Raises:
        UnsupportedPhotoError: the photo is coded in a way that is not read, or its structure is absurd.
        OSError: there is no directory where the first one should be.
    """
    layout = _Layout("<" if content[:2] == b"II" else ">", content[2:4] in (b"+\0", b"\0+"))
    code, size = layout.offset
    at = 8 if layout.is_big else 4
    try:
        (start,) = struct.unpack_from(code, content, at)
        first = _directory(content, start, layout)
    except struct.error:
        raise OSError("its first directory is beyond its end") from None
    photo = _photo_of(content, first, layout)
    _check(content, photo, layout)
    if photo is first:
        return content
    kept = {tag: first.entries[tag] for tag in _SHARED if tag in first.entries}
    entries = kept | dict(photo.entries)
    body = b"".join(entries[tag] for tag in sorted(entries))
    directory = struct.pack(layout.count[0], len(entries)) + body + struct.pack(code, 0)
    padded = content + bytes(len(content) % 2)
    return padded[:at] + struct.pack(code, len(padded)) + padded[at + size :] + directory


def _photo_of(content: bytes, first: _Directory, layout: _Layout) -> _Directory:
    if not _is_reduced(content, first, layout):
        return first
    best, pixels = first, _pixels(content, first, layout)
    waiting = [*_values(content, first, _SUB_DIRECTORIES, layout), first.following]
    seen: set[int] = {0}
    while waiting and len(seen) <= _MAX_DIRECTORIES:
        start = waiting.pop(0)
        if start in seen:
            continue
        seen.add(start)
        with suppress(struct.error):
            directory = _directory(content, start, layout)
            waiting.append(directory.following)
            found = _pixels(content, directory, layout)
            if found > pixels and not _is_reduced(content, directory, layout):
                best, pixels = directory, found
    return best


def _directory(content: bytes, start: int, layout: _Layout) -> _Directory:
    """Read a directory; `struct.error` where the file ends before it does, UnsupportedPhotoError where it is absurdly long."""
    code, size = layout.count
    entry_size = 20 if layout.is_big else 12
    (count,) = struct.unpack_from(code, content, start)
    if count > _MAX_ENTRIES and start + size + count * entry_size < len(content):
        raise UnsupportedPhotoError(
            f"its directory has {count:,} tags, more than the {_MAX_ENTRIES:,} that are read"
        )
    end = start + size + count * entry_size
    (following,) = struct.unpack_from(layout.offset[0], content, end)
    entries: dict[int, bytes] = {}
    for at in range(start + size, end, entry_size):
        (tag,) = struct.unpack_from(f"{layout.order}H", content, at)
        entries.setdefault(tag, content[at : at + entry_size])
    return _Directory(entries, following)


def _values(content: bytes, directory: _Directory, tag: int, layout: _Layout) -> tuple[int, ...]:
    """Whole numbers of a tag; none where it has none."""
    entry = directory.entries.get(tag)
    if entry is None:
        return ()
    kind, count = _kind_and_count(entry, layout)
    number = _WHOLE_NUMBERS.get(kind)
    if number is None or not 0 < count <= _MAX_DIRECTORIES:
        return ()
    code, size = layout.offset
    inside = entry[-size:]
    with suppress(struct.error):
        if count * _SIZES[kind] <= size:
            return struct.unpack_from(f"{layout.order}{count}{number}", inside)
        return struct.unpack_from(
            f"{layout.order}{count}{number}", content, struct.unpack(code, inside)[0]
        )
    return ()


def _kind_and_count(entry: bytes, layout: _Layout) -> tuple[int, int]:
    found: tuple[int, int] = struct.unpack_from(
        f"{layout.order}H{'Q' if layout.is_big else 'I'}", entry, 2
    )
    return found


def _is_reduced(content: bytes, directory: _Directory, layout: _Layout) -> bool:
    new = _values(content, directory, _NEW_SUBFILE_TYPE, layout)
    if new:
        return bool(new[0] & (_REDUCED | _MASK))
    return _values(content, directory, _SUBFILE_TYPE, layout)[:1] == (_OLD_REDUCED,)


def _pixels(content: bytes, directory: _Directory, layout: _Layout) -> int:
    width = _values(content, directory, _WIDTH, layout)
    height = _values(content, directory, _HEIGHT, layout)
    return width[0] * height[0] if width and height else 0


def _tile_pixels(content: bytes, directory: _Directory, layout: _Layout) -> int:
    """Pixels that are decoded where the picture is in tiles, which may stand over its border; else 0."""
    tags = (_WIDTH, _TILE_WIDTH, _HEIGHT, _TILE_HEIGHT)
    sizes = [_values(content, directory, tag, layout)[:1] for tag in tags]
    if not all(size and size[0] for size in sizes):
        return 0
    (width,), (tile_width,), (height,), (tile_height,) = sizes
    return -(-width // tile_width) * tile_width * -(-height // tile_height) * tile_height


def _check(content: bytes, photo: _Directory, layout: _Layout) -> None:
    coding = (_values(content, photo, _COMPRESSION, layout) or (1,))[0]
    if not _is_decoded(coding):
        raise UnsupportedPhotoError(
            f"its coding (TIFF compression {coding}) is not read: save it with LZW, Deflate or none"
        )
    read = 0
    for tag, entry in photo.entries.items():
        kind, count = _kind_and_count(entry, layout)
        size = count * _SIZES.get(kind, 0)
        if size > layout.offset[1]:
            (start,) = struct.unpack(layout.offset[0], entry[-layout.offset[1] :])
            if tag in _NEEDED and start + size > len(content):
                raise OSError(f"what its tag {tag} says is beyond its end")
            read += max(0, min(size, len(content) - start))
        if tag in (_STRIP_OFFSETS, _TILE_OFFSETS) and count > _MAX_PIECES:
            raise UnsupportedPhotoError(
                f"it is stored in {count:,} pieces, more than the {_MAX_PIECES:,} that are read: save it anew"
            )
    tiled = _tile_pixels(content, photo, layout)
    if tiled > 4 * _pixels(content, photo, layout) + _MAX_TILE_PIXELS:
        raise UnsupportedPhotoError(
            f"its tiles have {tiled:,} pixels, many times those of the photo: save it anew"
        )
    # Pillow reads each, and they may all be the same part of the file.
    if read > 4 * len(content) + _MAX_METADATA_BYTES:
        raise UnsupportedPhotoError(
            f"its tags have {read:,} bytes in a file of {len(content):,}: save it anew"
        )


def _is_decoded(coding: int) -> bool:
    if coding in _COMMON_CODINGS:
        return True
    library = libtiff()
    # What Pillow has no name for it does not hand to libtiff.
    return (
        coding in (34925, 50000, 50001)
        and library is not None
        and bool(library.TIFFIsCODECConfigured(ctypes.c_uint16(coding)))
    )


@lru_cache(maxsize=1)
def libtiff() -> ctypes.CDLL | None:
    """Return Pillow's libtiff, which from then on writes no lines of its own to the terminal; None where it cannot be reached.

    Its errors come back from the decoder all the same. Pillow silences its warnings only.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetErrorHandlerExt"):
            setter = getattr(library, name)
            setter.restype = ctypes.c_void_p
            setter(None)
        return library
    return None
