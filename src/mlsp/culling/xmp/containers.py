"""The XMP packet in a JPEG, PNG, TIFF, DNG, HEIC or AVIF, and the file with another one: all other bytes of the photo stay, pixels too.

JPEG          an APP1 segment; put behind JFIF and EXIF data
PNG           an iTXt chunk; put behind the header
TIFF, DNG     tag 700 of the first directory; new packets, and a directory that grows, go to the end of the file, so no offset moves
HEIC, AVIF    see mlsp.culling.xmp.heif_items

Where it stands: XMP Specification Part 3, https://github.com/adobe/XMP-Toolkit-SDK/tree/main/docs
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from mlsp.base.errors import SidecarError
from mlsp.culling.xmp.changes import Change
from mlsp.culling.xmp.heif_items import HeifItems
from mlsp.culling.xmp.multi_picture import adjusted
from mlsp.photos.formats import photo_format
from mlsp.photos.png_chunks import SIGNATURE, XMP_IN_JPEG, XMP_KEYWORD

_MAX_SEGMENT = 0xFFFF - 2
_IN_PNG = XMP_KEYWORD + b"\0"
_TIFF_TAG = 700
_BYTES = 1
_MAX_TIFF = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Container:
    """A photo's file, and the XMP in it.

    Attributes:
        packet: as it is stored; None where there is none.
        put: the packet that shall be there -> the file's changes. Raises SidecarError where it has no room.
        others: what else stands at positions that are written anew, and must be the same afterwards; by number.
    """

    packet: bytes | None
    put: Callable[[bytes], list[Change]]
    others: Mapping[int, bytes] = field(default_factory=dict)


def container(content: bytes) -> Container:
    """Find the XMP in a photo's file.

    Raises:
        SidecarError: its format has no place that can be written, or its structure is damaged.
        UnsupportedPhotoError: it is no photo.
    """
    try:
        if content.startswith(b"\xff\xd8\xff"):
            return _jpeg(content)
        if content.startswith(SIGNATURE):
            return _png(content)
        if content[:4] in (b"II*\0", b"MM\0*"):
            return _tiff(content)
        if content[4:8] == b"ftyp" and photo_format(content) in ("HEIC", "AVIF"):
            items = HeifItems(content)
            return Container(items.packet, items.put, items.others)
    except (struct.error, IndexError, zlib.error) as error:
        raise SidecarError(f"its structure is damaged: {error}") from error
    raise SidecarError("XMP is written into JPEG, PNG, TIFF, DNG, HEIC and AVIF only")


def _jpeg(content: bytes) -> Container:
    place, found, packet = 2, None, None
    for marker, start, end in jpeg_segments(content):
        body = content[start + 4 : end]
        if marker == 0xE1 and body.startswith(XMP_IN_JPEG) and found is None:
            found, packet = (start, end), body[len(XMP_IN_JPEG) :]
        if start == place and (marker == 0xE0 or (marker == 0xE1 and body.startswith(b"Exif"))):
            place = end

    def put(new: bytes) -> list[Change]:
        body = XMP_IN_JPEG + new
        if len(body) > _MAX_SEGMENT:
            raise SidecarError(f"XMP of {len(new)} bytes has no room in a JPEG")
        segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
        start, end = found or (place, place)
        return adjusted(content, jpeg_segments(content), (start, end, segment))

    return Container(packet, put)


def jpeg_segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of the segments before the pixels."""
    at = 2
    while True:
        while content[at : at + 2] == b"\xff\xff":
            at += 1  # filling
        if content[at] != 0xFF:
            raise SidecarError("its structure is damaged: a segment does not follow the last")
        marker = content[at + 1]
        if marker in (0xDA, 0xD9):
            return
        end = at + 2 + struct.unpack_from(">H", content, at + 2)[0]
        yield marker, at, end
        at = end


def _png(content: bytes) -> Container:
    at, place, found, body = len(SIGNATURE), 0, None, b""
    while at < len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        end = at + 12 + size
        if end > len(content):
            raise SidecarError("its structure is damaged: it ends within a chunk")
        data = content[at + 8 : end - 4]
        if kind == b"IHDR":
            place = end
        elif kind == b"iTXt" and data.startswith(_IN_PNG) and found is None:
            found, body = (at, end), data
        elif data.lower().startswith(b"raw profile type xmp\0"):
            raise SidecarError("its XMP is a text of ImageMagick's, which is not changed")
        elif kind == b"IEND":
            break
        at = end
    if not place:
        raise SidecarError("its structure is damaged: it has no header")
    flags = body[len(_IN_PNG) : len(_IN_PNG) + 2] or b"\0\0"
    # Language and its translation of the keyword come first.
    language, translated, text = (
        body[len(_IN_PNG) + 2 :].split(b"\0", 2) if body else (b"", b"", b"")
    )
    is_packed = flags[0] == 1

    def put(new: bytes) -> list[Change]:
        text = zlib.compress(new) if is_packed else new
        data = b"iTXt" + _IN_PNG + flags + language + b"\0" + translated + b"\0" + text
        chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
        return [(*(found or (place, place)), chunk)]

    if found is None:
        return Container(None, put)
    return Container(zlib.decompress(text) if is_packed else text, put)


def _tiff(content: bytes) -> Container:
    order = "<" if content[:2] == b"II" else ">"
    (directory,) = struct.unpack_from(f"{order}I", content, 4)
    (count,) = struct.unpack_from(f"{order}H", content, directory)
    entries = [content[directory + 2 + 12 * n : directory + 14 + 12 * n] for n in range(count)]
    tags = [struct.unpack(f"{order}H", entry[:2])[0] for entry in entries]
    after = content[directory + 2 + 12 * count : directory + 6 + 12 * count]
    if len(after) < 4:
        raise SidecarError("its structure is damaged: its first directory is cut")
    packet = None
    if _TIFF_TAG in tags:
        kind, size, offset = struct.unpack(f"{order}HII", entries[tags.index(_TIFF_TAG)][2:])
        if kind not in (1, 7) or size <= 4 or offset + size > len(content):
            raise SidecarError("its structure is damaged: its XMP is not where it should be")
        packet = content[offset : offset + size]

    def put(new: bytes) -> list[Change]:
        # Offsets are even.
        end = len(content) + len(content) % 2
        if end + len(new) + 12 * (count + 1) + 8 > _MAX_TIFF:
            raise SidecarError("a TIFF of 4 GB has no room for it")
        padded = bytes(end - len(content)) + new + bytes(len(new) % 2)
        entry = struct.pack(f"{order}HHII", _TIFF_TAG, _BYTES, len(new), end)
        if packet is not None:
            at = directory + 2 + 12 * tags.index(_TIFF_TAG)
            return [(at, at + 12, entry), (len(content), len(content), padded)]
        place = sum(tag < _TIFF_TAG for tag in tags)
        grown = [*entries[:place], entry, *entries[place:]]
        moved = struct.pack(f"{order}H", count + 1) + b"".join(grown) + after
        start = struct.pack(f"{order}I", len(content) + len(padded))
        return [(4, 8, start), (len(content), len(content), padded + moved)]

    return Container(packet, put)
