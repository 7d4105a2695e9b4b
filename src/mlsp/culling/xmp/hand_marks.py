"""The marks that the user gave in `mlsp` itself, into XMP."""

from __future__ import annotations

from mlsp.base.errors import SidecarError
from mlsp.culling.marks import Marks
from mlsp.culling.xmp.editing import Edits
from mlsp.culling.xmp.labels import label_edits, label_properties, pick_properties
from mlsp.culling.xmp.packet import parse_packet
from mlsp.culling.xmp.properties import BY_HAND, COLOR_LABEL, LABEL, PICK_LABEL, RATING, written

_UNRATED = 0


def with_marks(content: bytes, marks: Marks, *, is_rated_elsewhere: bool = False) -> bytes:
    """Put the user's own marks into XMP.

    Args:
        content: an XMP file.
        marks: what is to be in it; what it has and these do not is taken away.
        is_rated_elsewhere: the photo itself has a rating, so that unrated must be said.

    Returns:
        The file with the marks; the same bytes if it has them already.

    Raises:
        SidecarError: the file is damaged, not XMP, or has one of them in a way that cannot be changed.
    """
    packet = parse_packet(content)
    rating = marks.rating
    is_rated = packet.rating and packet.is_by_hand
    if rating is None and (is_rated or (is_rated_elsewhere and packet.rating is None)):
        rating = _UNRATED
    edits = Edits(packet)
    for edit in label_edits(packet, marks.label):
        edits.replace(*edit)
    for name in (LABEL, COLOR_LABEL, PICK_LABEL):
        # Our own label that the user agrees to is the user's from now on.
        mark = packet.values.get(written(name))
        if mark is not None and not mark.text.startswith(BY_HAND):
            edits.set(written(name), BY_HAND + mark.text)
    is_there = packet.rating == rating and (packet.is_by_hand or rating == _UNRATED)
    is_put = rating is not None and not is_there
    if is_put:
        is_theirs = packet.is_by_hand and not packet.is_ours_by_hand
        edits.put(RATING, str(rating), mark=f"{BY_HAND}{rating}", is_theirs=is_theirs)
    for name, value in (*label_properties(packet, marks), *pick_properties(packet, marks)):
        edits.set(name, value)
    changed = edits.content()
    if is_put and parse_packet(changed).rating != rating:
        raise SidecarError("the rating could not be put into it")
    return changed
