"""The marks that a person gave a photo in any program: in its sidecars, in its XMP, in its EXIF data.

sidecars: photo.jpg.xmp, photo.xmp ─ XMP in the photo ─ EXIF Rating, RatingPercent

For each of stars, flag and label the first of these that has it decides. Stars, flags and labels that `mlsp`
gave by itself are nobody's marks.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from mlsp.base.errors import SidecarError
from mlsp.base.regular_file import open_regular
from mlsp.culling.marks import Marks
from mlsp.culling.xmp.files import read_sidecars
from mlsp.culling.xmp.labels import flag_in, label_in, says_flag, says_label
from mlsp.culling.xmp.names import Folders
from mlsp.culling.xmp.packet import Packet, parse_packet
from mlsp.culling.xmp.properties import MICROSOFT_RATING, RATING
from mlsp.culling.xmp.stars import MAX_STARS
from mlsp.photos.find_exif import exif_values
from mlsp.photos.find_xmp import find_xmp
from mlsp.photos.pillow_warnings import pillow_is_quiet

_EXIF_RATING, _EXIF_RATING_PERCENT = 0x4746, 0x4749
# https://learn.microsoft.com/windows/win32/properties/props-system-rating: 1, 25, 50, 75 and 99 are 1 to 5 stars.
_PERCENTS = (1, 13, 38, 63, 88)
_DESCRIPTION = b"Description"
_log = logging.getLogger(__name__)


def read_marks(photo: Path, *, folders: Folders | None = None) -> Marks:
    """Return the marks that a person gave a photo in any program.

    Args:
        photo: must exist; its headers are read, no pixels.
        folders: listings to use again.

    Raises:
        SidecarError: there is no such photo, or a sidecar is damaged or not XMP.
    """
    files = read_sidecars(photo, "both", folders)
    return marks_in(photo, [file.packet for file in files if file.packet])


def marks_in(photo: Path, sidecars: Sequence[Packet]) -> Marks:
    """Return the marks of a photo whose sidecars were read already; see `read_marks`."""
    inside = embedded_packet(photo)
    packets = [*sidecars, *([inside] if inside else [])]
    rating = _rating(sidecars, inside, photo)
    flag = next((flag_in(packet) for packet in packets if says_flag(packet)), None)
    label = next((label_in(packet) for packet in packets if says_label(packet)), None)
    if rating == -1:
        return Marks(None, "reject", label)
    return Marks(rating or None, flag, label)


def read_shot_marks(photos: Sequence[Path], *, folders: Folders | None = None) -> Marks:
    """Return the marks that a person gave a shot in any program.

    Args:
        photos: of the shot, at least one; of stars, flag and label the first photo that has it decides.
        folders: listings to use again.

    Raises:
        SidecarError: as for `read_marks`.
    """
    found = [read_marks(photo, folders=folders) for photo in photos]
    return Marks(
        next((marks.stars for marks in found if marks.stars), None),
        next((marks.flag for marks in found if marks.flag), None),
        next((marks.label for marks in found if marks.label), None),
    )


def rating_inside(photo: Path) -> int | None:
    """Return the rating that a person gave a photo, as the photo itself has it.

    Returns:
        -1 for rejected, 1…5 stars; None where it has none.
    """
    return _rating_inside(photo, embedded_packet(photo))


def _rating_inside(photo: Path, packet: Packet | None) -> int | None:
    if packet is not None and packet.is_by_hand:
        return packet.rating or None
    if packet is not None and RATING not in packet.values and MICROSOFT_RATING in packet.values:
        return _of_percent(packet.values[MICROSOFT_RATING].text)
    return _exif_rating(photo)


def _rating(sidecars: Sequence[Packet], inside: Packet | None, photo: Path) -> int | None:
    by_hand = next((packet for packet in sidecars if packet.is_by_hand), None)
    if by_hand is not None:
        return by_hand.rating
    # Unrated there is a decision too, and newer than what the photo came with.
    if any(RATING in packet.values for packet in sidecars):
        return None
    return _rating_inside(photo, inside)


def _exif_rating(photo: Path) -> int | None:
    for values in exif_values(photo):
        stars = values.get(_EXIF_RATING)
        if isinstance(stars, int) and 1 <= stars <= MAX_STARS:
            return stars
        percent = values.get(_EXIF_RATING_PERCENT)
        if isinstance(percent, int):
            return _of_percent(str(percent))
    return None


def _of_percent(text: str) -> int | None:
    if not text.isascii() or not text.isdecimal() or not 0 < int(text[:9]) <= 100:
        return None
    return sum(int(text) >= percent for percent in _PERCENTS)


def embedded_packet(photo: Path) -> Packet | None:
    """Find the XMP in a photo, where its format keeps it.

    Returns:
        Its content; None where there is none, or the file cannot be read. Of several packets the first that has a rating by hand,
        else the first, which is the main picture's.

    Raises:
        SidecarError: a packet is damaged, so that it may hold a rating that is not seen.
    """
    found: list[bytes] = []
    try:
        with open_regular(photo) as stream, pillow_is_quiet():
            found.extend(find_xmp(stream))
    except Exception as error:
        # On damaged headers readers raise what they happen to run into; what was found before counts.
        _log.debug("%s: its XMP cannot be read: %s", photo, error)
    packets = []
    for content in found:
        # In UTF-16, too.
        if _DESCRIPTION not in content.replace(b"\0", b""):
            continue  # it describes nothing
        try:
            packets.append(parse_packet(content))
        except SidecarError as error:
            raise SidecarError(f"the XMP in {str(photo)!r} is left alone: {error}") from error
    return next(
        (packet for packet in packets if packet.is_by_hand), packets[0] if packets else None
    )
