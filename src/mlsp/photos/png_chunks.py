"""Chunks of PNG: the pixels' apart from the metadata, of which damage must not refuse a photo.

Pillow refuses a PNG whose texts, profile or gamma it cannot read; browsers show it. So it gets the chunks of the pixels only, and
the metadata are read here. https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from mlsp.base.errors import UnsupportedPhotoError
from mlsp.photos.hdr import ColourCode

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What stands before XMP: as keyword of a text, and in a JPEG's segment.
XMP_KEYWORD = b"XML:com.adobe.xmp"
XMP_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0"

# Metadata larger than this, packed or unpacked together, are no orientation, profile or rating.
_MAX_BYTES = 64 * 1024**2
# Each may take the time of so many bytes: more of them are no metadata.
_MAX_PACKED = 16
# Encoders cut pixels into pieces of 8 kB; 250 megapixels of 16 bits are 183,000 of these.
_MAX_CHUNKS = 1_000_000
# In IHDR; lengths of tRNS that go with each kind of colours: grey, RGB, palette.
_COLOUR_TYPE_AT = 25
_PALETTE = b"\3"
_TRANSPARENCY_BYTES = {b"\0": (2,), b"\2": (6,), _PALETTE: range(1, 257)}
# APP1 is the segment in which a JPEG has either.
_RAW_PROFILES = (b"raw profile type exif", b"raw profile type xmp", b"raw profile type app1")
_HEXADECIMAL = re.compile(rb"[0-9a-fA-F\s]*")


@dataclass(frozen=True, slots=True)
class PngMetadata:
    """Metadata of a PNG.

    Attributes:
        exif: a TIFF structure, perhaps with `Exif` before it; None where there is none that can be read.
        xmp: packets, in the order of the file.
        profile: ICC profile; None where there is none that can be read.
        code: colours by their numbers; None where there are none.
    """

    exif: bytes | None
    xmp: tuple[bytes, ...]
    profile: bytes | None
    code: ColourCode | None


def pixels_only(content: bytes) -> bytes:
    """Return a PNG without its metadata, and of a moving one the still picture.

    Args:
        content: of a PNG, perhaps cut.

    Returns:
        The chunks of the pixels; what is cut off or out of order is for the decoder to refuse. A damaged `tRNS` is left out, as in
        browsers, and a palette that no pixel needs: that of true colours is a suggestion for poor screens.

    Raises:
        OSError: one of them is damaged. Pillow compares no checksums of pixels, and makes up those behind the damage.
        UnsupportedPhotoError: its chunks are absurdly many.
    """
    pieces: list[bytes | memoryview] = [SIGNATURE]
    view = memoryview(content)
    colours = content[_COLOUR_TYPE_AT : _COLOUR_TYPE_AT + 1]
    at = len(SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        if at + 12 > len(content):
            pieces.append(view[at:])  # what is left of a chunk that was cut
            return b"".join(pieces)
        size, kind = struct.unpack_from(">I4s", content, at)
        stop = at + size + 12
        if _is_of_pixels(kind, view[at + 4 : stop], colours):
            pieces.append(view[at:stop])
        if kind == b"IEND":
            return b"".join(pieces)
        at = stop
    raise UnsupportedPhotoError(f"it has more than {_MAX_CHUNKS:,} chunks: save it anew")


def _is_of_pixels(kind: bytes, chunk: memoryview, colours: bytes) -> bool:
    size = len(chunk) - 8
    if kind == b"tRNS":
        return size in _TRANSPARENCY_BYTES.get(colours, ()) and _is_whole(chunk)
    if kind not in (b"IHDR", b"IDAT") and not (kind == b"PLTE" and colours == _PALETTE):
        return kind == b"IEND"
    if not _is_whole(chunk):
        raise OSError(f"its pixels are damaged (checksum of {kind.decode()})")
    # Pillow takes its time for each empty one.
    return size > 0


def png_metadata(file: BinaryIO) -> PngMetadata:
    """Read the metadata of a PNG, also those behind its pixels, which are skipped.

    Args:
        file: seekable.
    """
    exif = old_exif = profile = code = None
    packets = []
    unpack = _Unpacker()
    for kind, content in _metadata_chunks(file):
        if kind == b"eXIf":
            exif = exif or content
        elif kind == b"cICP":
            code = ColourCode(*content[:2]) if len(content) == 4 else None
        elif kind == b"iCCP":
            profile = profile or unpack(content.partition(b"\0")[2][1:])
        else:
            keyword, _, rest = content.partition(b"\0")
            if keyword == XMP_KEYWORD:
                packets.append(_text(kind, rest, unpack))
            elif keyword.lower() in _RAW_PROFILES:
                raw = _raw_profile(_text(kind, rest, unpack))
                if raw is not None and raw.startswith((b"Exif\0", b"II", b"MM")):
                    old_exif = old_exif or raw
                elif raw is not None:
                    packets.append(raw.removeprefix(XMP_IN_JPEG))
    return PngMetadata(exif or old_exif, tuple(filter(None, packets)), profile, code)


class _Unpacker:
    """Unpacks metadata of one photo, up to a limit for all of them: kilobytes may unpack to gigabytes."""

    def __init__(self) -> None:
        self._room = _MAX_BYTES
        self._tries = _MAX_PACKED

    def __call__(self, packed: bytes) -> bytes | None:
        """Return what was packed; None where it is damaged or too much."""
        if not (self._room and self._tries):
            return None
        self._tries -= 1
        unpacker = zlib.decompressobj()
        try:
            content = unpacker.decompress(packed, self._room)
        except zlib.error:
            return None
        if not unpacker.eof:
            return None
        self._room -= len(content)
        return content


def _metadata_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each chunk of metadata that is whole."""
    at = len(SIGNATURE)
    end = file.seek(0, io.SEEK_END)
    for _ in range(_MAX_CHUNKS):
        if at + 12 > end:
            return
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        if kind == b"IEND":
            return
        if kind in (b"cICP", b"eXIf", b"iCCP", b"tEXt", b"zTXt", b"iTXt") and size <= _MAX_BYTES:
            rest = file.read(size + 4)
            if len(rest) == size + 4 and _is_whole(kind + rest):
                yield kind, rest[:-4]
        at += size + 12


def _is_whole(chunk: bytes | memoryview) -> bool:
    """Return whether a chunk's checksum is that of its kind and content."""
    return zlib.crc32(chunk[:-4]) == int.from_bytes(chunk[-4:], "big")


def _text(kind: bytes, rest: bytes, unpack: _Unpacker) -> bytes:
    """Return the text of a chunk, of which `rest` stands behind the keyword; b"" where it cannot be unpacked."""
    if kind == b"zTXt":
        return unpack(rest[1:]) or b""
    if kind == b"iTXt":
        # Behind its method stand the language and the translated keyword.
        parts = rest[2:].split(b"\0", 2)
        text = parts[2] if len(parts) == 3 else b""
        return (unpack(text) or b"") if rest[:1] == b"\1" else text
    return rest


def _raw_profile(text: bytes) -> bytes | None:
    """Unpack ImageMagick's form of other formats' metadata: a name, a length, hexadecimal digits, each in lines of its own."""
    parts = text.strip().split(b"\n", 2)
    if len(parts) < 3 or not _HEXADECIMAL.fullmatch(parts[2]):
        return None
    digits = b"".join(parts[2].split())
    return bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))
