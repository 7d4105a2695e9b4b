"""Checks of HEIC and AVIF before they are decoded: libheif leaves missing tiles green, damaged ones grey, and says nothing."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import islice

from mlsp.base.errors import PhotoTooLargeError, UnsupportedPhotoError
from mlsp.photos.apart import leave_apart
from mlsp.photos.formats import PhotoFormat
from mlsp.photos.hdr import ColourCode
from mlsp.photos.heif_boxes import Items, find_items

_CODINGS = {"HEIC": (b"hvc1", b"hev1"), "AVIF": (b"av01",)}
_PUT_TOGETHER = (b"grid", b"iden", b"iovl")
# HEVC sets a 3 behind two zeros wherever one of these would follow.
_NEVER_IN_HEVC = re.compile(rb"\0\0[\0-\2]")
# So many zeros at its end are no coded picture, but what was never written.
_MAX_ZEROS = 16
# A phone's photo of 48 megapixels has 192 tiles.
_MAX_TILES = 4096
_MAX_REPEATS = 4
_MAX_REPEATED_BYTES = 16_000_000
_MAX_DEPTH = 4
_FILMS = (b"avis", b"msf1", b"hevc", b"hevx")
# A picture is one frame, or up to four layers of better and better quality, and what these are predicted from.
_MAX_FRAMES = 16
# Kinds of AV1's units that are frames: a header, and all of one.
_AV1_FRAMES = (3, 6)
# Kinds of HEVC's units below this are pieces of a frame, whose first piece has the highest bit behind the unit's head of two bytes.
_HEVC_FRAMES = 32
# Auxiliary pictures that are decoded with theirs: alpha, as it is called of HEVC and of everything.
_ALPHA = (b"urn:mpeg:hevc:2015:auxid:1", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha")


def check_items(content: bytes, photo_format: PhotoFormat, max_pixels: int) -> Items | None:
    """Refuse a photo of which a part is missing or damaged, or that would be put together from absurdly much.

    Args:
        content: of a HEIC or AVIF file.
        photo_format: which of the two.
        max_pixels: of all tiles that are decoded, twice: they may stand over the photo's border.

    Returns:
        Its items; None for a film.

    Raises:
        OSError: a part is cut off or filled with zeros.
        PhotoTooLargeError: its tiles have too many pixels, or are too many.
        UnsupportedPhotoError: a part is coded in another way, or as too many frames, or the same bytes come again and again.
        LeftApartError: it is a film, and for another process, see `mlsp.photos.apart`.
    """
    items = find_items(io.BytesIO(content))
    primary = None if items is None else items.primary
    if primary is None or content[8:12] in _FILMS:
        leave_apart()  # The first picture of a film may be any number of frames.
    if items is None or primary is None:
        return items
    pictures = (primary, *_alphas(items, primary))
    coded_pictures = (tile for picture in pictures for tile in _tiles(items, picture, 0))
    tiles = list(islice(coded_pictures, _MAX_TILES + 1))
    if len(tiles) > _MAX_TILES:
        raise PhotoTooLargeError(
            f"it is put together from {len(tiles):,} tiles, more than the {_MAX_TILES:,} that are read"
        )
    pixels = sum(_pixels(items, tile) for tile in tiles)
    if pixels > 2 * max_pixels:
        raise PhotoTooLargeError(
            f"its {len(tiles):,} tiles have {pixels:,} pixels, more than twice the limit of {max_pixels:,}"
        )
    # Equal tiles may share their bytes, but not so that gigabytes are read.
    room = _MAX_REPEATS * len(content) + _MAX_REPEATED_BYTES
    for tile in dict.fromkeys(tiles):
        _check_kind(items.kind_of(tile), photo_format)
        coded = _coded(content, items, tile, room)
        room -= len(coded)
        if not any(coded[-_MAX_ZEROS:]):
            raise OSError("a part of the picture was never written")
        if photo_format == "HEIC":
            frames = _hevc_frames(coded, _length_size(items, tile))
        else:
            frames = _av1_frames(coded)
        if frames > _MAX_FRAMES:
            raise UnsupportedPhotoError(
                f"a part of its picture has {frames:,} frames, more than the {_MAX_FRAMES} that are decoded: save it anew"
            )
    return items


def colour_code(items: Items | None) -> ColourCode | None:
    """Return the colours of the main picture by their numbers; None where it has none."""
    if items is None or items.primary is None:
        return None
    for kind, content in items.properties.get(items.primary, ()):
        if kind == b"colr" and content[:4] == b"nclx" and len(content) >= 8:
            return ColourCode(
                int.from_bytes(content[4:6], "big"), int.from_bytes(content[6:8], "big")
            )
    return None


def _alphas(items: Items, primary: int) -> Iterator[int]:
    """Alpha of a picture; one, but damaged files may claim anything."""
    for item, others in items.auxiliary.items():
        kind = items.property_of(item, b"auxC") or b""
        if primary in others and kind[4:].split(b"\0")[0] in _ALPHA:
            yield item


def _tiles(items: Items, item: int, depth: int) -> Iterator[int]:
    """Coded pictures that a picture is put together from, as often as they are used."""
    if items.kind_of(item) not in _PUT_TOGETHER:
        yield item
        return
    if depth == _MAX_DEPTH:
        raise UnsupportedPhotoError("its picture is put together from pictures in turn, too deeply")
    parts, used = items.parts.get(item), 0
    if not parts:
        raise OSError("a part of the picture is missing")
    for part in parts:
        for tile in _tiles(items, part, depth + 1):
            used += 1
            if used > _MAX_TILES + 1:
                return
            yield tile


def _pixels(items: Items, item: int) -> int:
    size = items.property_of(item, b"ispe") or b""
    return int.from_bytes(size[4:8], "big") * int.from_bytes(size[8:12], "big")


def _coded(content: bytes, items: Items, item: int, room: int) -> bytes:
    position = items.positions.get(item)
    if position is None or not position.pieces:
        raise OSError("a part of the picture is missing")
    base, end = (0, len(content)) if position.method == 0 or items.data is None else items.data
    pieces = []
    for offset, size in position.spans:
        start = base + offset
        stop = start + size if size else end
        if start >= end or stop > end:
            raise OSError(f"a part of the picture is {stop - end:,} bytes beyond its end")
        room -= stop - start
        if room < 0:
            raise UnsupportedPhotoError(
                f"its parts are the same bytes again and again, more than {_MAX_REPEATS} times the file: save it anew"
            )
        pieces.append(content[start:stop])
    return b"".join(pieces)


def _check_kind(kind: bytes | None, photo_format: PhotoFormat) -> None:
    if kind is None or len(kind) < 4:
        raise OSError("the list of its parts is not whole")
    if kind not in _CODINGS[photo_format]:
        raise UnsupportedPhotoError(
            f"its picture is coded as {kind.decode('latin-1')!r}, which is not read in {photo_format}:"
            " convert it to JPEG or PNG"
        )


def _av1_frames(coded: bytes) -> int:
    """Count the frames of a picture coded by AV1, all of which would be decoded: https://aomediacodec.github.io/av1-spec/#obu-syntax."""
    frames = at = 0
    while at < len(coded):
        head = coded[at]
        frames += head >> 3 & 15 in _AV1_FRAMES
        if not head & 2:
            break  # It has no size: it is the last one.
        at += 2 if head & 4 else 1
        size = 0
        for position, byte in enumerate(coded[at : at + 8]):
            size |= (byte & 127) << 7 * position
            if not byte & 128:
                at += position + 1 + size
                break
        else:
            break
    return frames


def _length_size(items: Items, item: int) -> int:
    """Bytes of the length before each unit of HEVC."""
    configuration = items.property_of(item, b"hvcC") or b""
    return (configuration[21] & 3) + 1 if len(configuration) > 21 else 4


def _hevc_frames(coded: bytes, length_size: int) -> int:
    """Count the frames of a picture coded by HEVC, all of which would be decoded: ITU-T H.265, 7.3.1 and 7.3.6.

    Raises:
        OSError: it is not whole units of HEVC, or has what none of them contains.
    """
    frames = at = 0
    while at < len(coded):
        size = int.from_bytes(coded[at : at + length_size], "big")
        at += length_size
        if size < 2 or at + size > len(coded) or _NEVER_IN_HEVC.search(coded, at, at + size):
            raise OSError("a part of the picture is damaged")
        frames += coded[at] >> 1 & 63 < _HEVC_FRAMES and coded[at + 2 : at + 3] >= b"\x80"
        at += size
    return frames
