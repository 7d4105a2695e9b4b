"""Format of a file by its content: suffixes lie."""

from __future__ import annotations

import struct
from typing import Literal

from mlsp.base.errors import UnsupportedPhotoError

PhotoFormat = Literal[
    "JPEG", "PNG", "WebP", "TIFF", "HEIC", "AVIF", "BMP", "GIF", "PSD", "JXL", "RAW"
]

# Of a JPEG XL with metadata; one without has its pixels only.
JXL_BOXES = b"\0\0\0\x0cJXL \r\n\x87\n"
_MAGIC: tuple[tuple[bytes, PhotoFormat], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"8BPS\0\1", "PSD"),
    (b"\xff\n", "JXL"),
    (JXL_BOXES, "JXL"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"FUJIFILMCCD-RAW", "RAW"),
    (b"IIRO", "RAW"),
    (b"IIRS", "RAW"),
    (b"MMOR", "RAW"),
    (b"IIU\0", "RAW"),
    (b"II\x1a\0\0\0HEAPCCDR", "RAW"),
    (b"\0MRM", "RAW"),
    (b"FOVb", "RAW"),
)
_HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)
_AVIF_BRANDS = frozenset((b"avif", b"avis"))
# What people keep beside photos, by its first bytes; named instead of these.
_NO_PHOTOS: tuple[tuple[bytes, str], ...] = (
    (b"\x1aE\xdf\xa3", "a video (Matroska or WebM)"),
    (b"\0\0\1\xba", "a video (MPEG)"),
    (b"FLV\1", "a video (Flash)"),
    (b"0&\xb2u\x8ef\xcf\x11", "a video (Windows Media)"),
    (b"8BPS\0\2", "a large Photoshop file (PSB), which is not read: save it as TIFF"),
    (b"%PDF", "a PDF"),
    (b"<?xpacket", "an XMP sidecar"),
    (b"<x:xmpmeta", "an XMP sidecar"),
)
# Boxes that a QuickTime file without a brand begins with.
_QUICKTIME_BOXES = frozenset((b"moov", b"mdat", b"wide"))
_TRANSPORT_STREAM_PACKET = 188

# TIFF tags and values.
_PHOTOMETRIC = 262
_ORIENTATION = 274
_SUB_IFDS = 330
_DNG_VERSION = 50706
_SENSOR_PHOTOMETRICS = frozenset((32803, 34892))  # colour filter array, linear raw
# Types of whole numbers: BYTE, SHORT, LONG, IFD.
_KINDS = {1: ("B", 1), 3: ("H", 2), 4: ("I", 4), 13: ("I", 4)}
# A damaged file may claim any number of things.
_MAX_ENTRIES = 512
_MAX_VALUES = 64
_MAX_SUB_IFDS = 16


def photo_format(content: bytes) -> PhotoFormat:
    """Find the format of a file.

    Returns:
        The format. RAW is any camera's raw format, also those that look like TIFF with a small preview in it.

    Raises:
        UnsupportedPhotoError: it is none of them.
    """
    if content[:4] in (b"II*\0", b"MM\0*"):
        return "RAW" if _is_raw_tiff(content) else "TIFF"
    for magic, name in _MAGIC:
        if content.startswith(magic):
            return name
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WebP"
    if content[4:8] == b"ftyp":
        size = int.from_bytes(content[:4], "big")
        brands = [content[8:12], *(content[i : i + 4] for i in range(16, min(size, 256), 4))]
        if brands[0] == b"crx ":
            return "RAW"
        # `mif1` means only that it is an image; the other brands tell how it is coded.
        if not _AVIF_BRANDS.isdisjoint(brands):
            return "AVIF"
        if not _HEIF_BRANDS.isdisjoint(brands):
            return "HEIC"
    known = _no_photo(content)
    raise UnsupportedPhotoError(
        f"it is {known}"
        if known
        # What is in it is not quoted: a list of photos may name a file whose content its writer may not see.
        else "it is not in a format that is read."
        " Expected JPEG, PNG, WebP, TIFF, HEIC, AVIF, BMP, GIF, PSD, JPEG XL or a camera's raw format: convert it"
    )


def _no_photo(content: bytes) -> str | None:
    """Return what a file is that is no photo, in people's words; None where that is not known."""
    if content[4:8] == b"ftyp":
        return "a video (QuickTime)" if content[8:10] == b"qt" else "a video (MP4)"
    if content[4:8] in _QUICKTIME_BOXES:
        return "a video (QuickTime)"
    if content[:4] == b"RIFF" and content[8:12] == b"AVI ":
        return "a video (AVI)"
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        return "a sound (WAV)"
    # Packets of 188 bytes; those of cameras have a time of 4 bytes before each.
    for start, step in ((0, _TRANSPORT_STREAM_PACKET), (4, _TRANSPORT_STREAM_PACKET + 4)):
        if content[start : start + 4 * step : step] == b"GGGG":
            return "a video (MPEG transport stream)"
    return next((name for magic, name in _NO_PHOTOS if content.startswith(magic)), None)


def exif_orientation(exif: bytes) -> int | None:
    """Read the orientation from EXIF data.

    Args:
        exif: a TIFF structure, with or without `Exif` before it.

    Returns:
        1…8 as EXIF numbers them; None where there is none or it is damaged.
    """
    orientation = _tags(exif.removeprefix(b"Exif\0\0")).get(_ORIENTATION, (0,))[0]
    return orientation if 1 <= orientation <= 8 else None


def _is_raw_tiff(content: bytes) -> bool:
    """Return whether a TIFF holds the data of a sensor, perhaps beside a preview.

    Pillow opens such files too, and finds the preview only.
    """
    if content[8:10] == b"CR" or content[8:12] in (b"IIII", b"MMMM"):
        return True  # Canon's CR2, Phase One's IIQ
    first = _tags(content)
    if _DNG_VERSION in first:
        return True
    below = [_tags(content, offset) for offset in first.get(_SUB_IFDS, ())[:_MAX_SUB_IFDS]]
    return any(tags.get(_PHOTOMETRIC, (0,))[0] in _SENSOR_PHOTOMETRICS for tags in (first, *below))


def _tags(tiff: bytes, offset: int | None = None) -> dict[int, tuple[int, ...]]:
    """Return the whole-number tags of a directory of a TIFF; those before the damage if it is damaged.

    Pillow can read them as well, but warns of what it finds odd, and warnings cannot be silenced for one thread only.
    """
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    tags: dict[int, tuple[int, ...]] = {}
    if order is None:
        return tags
    try:
        if offset is None:
            (offset,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, offset)
        for entry in range(offset + 2, offset + 2 + 12 * min(entries, _MAX_ENTRIES), 12):
            tag, kind, count = struct.unpack_from(f"{order}HHI", tiff, entry)
            if kind not in _KINDS or not 0 < count <= _MAX_VALUES:
                continue
            code, size = _KINDS[kind]
            start = entry + 8
            if count * size > 4:
                (start,) = struct.unpack_from(f"{order}I", tiff, start)
            tags[tag] = struct.unpack_from(f"{order}{count}{code}", tiff, start)
    except struct.error:
        pass
    return tags
