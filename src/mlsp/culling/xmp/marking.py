"""Write the marks that the user gave in `mlsp` into sidecars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from mlsp.base.errors import SidecarError
from mlsp.culling.marks import NO_MARKS, Marks
from mlsp.culling.xmp.editing import Edits
from mlsp.culling.xmp.files import Convention, Note, PlannedWrite, SidecarFile
from mlsp.culling.xmp.labels import label_edits, label_properties, pick_properties
from mlsp.culling.xmp.names import Folders
from mlsp.culling.xmp.packet import parse_packet
from mlsp.culling.xmp.properties import BY_HAND, COLOR_LABEL, LABEL, PICK_LABEL, RATING, written
from mlsp.culling.xmp.rating import Outcome, write_shot
from mlsp.culling.xmp.reading import embedded_packet, marks_in, rating_inside
from mlsp.culling.xmp.targets import goes_inside, plan_changes, targets

_UNRATED = 0


def write_shot_marks(
    photos: Sequence[Path],
    marks: Marks,
    *,
    overwrite: bool = False,
    convention: Convention = "both",
    folders: Folders | None = None,
    note: Note | None = None,
    inside: bool = False,
) -> Outcome:
    """Write the user's own marks into the sidecars of all photos of a shot: `mlsp score --xmp` keeps them.

    Stars of a reject have no place in XMP.

    Args:
        photos: of the shot: a raw photo and its JPEG, say; at least one. They must exist, and are changed only with `inside`.
        marks: what it shall have; other stars, flags and labels in these sidecars are taken away.
        overwrite: also replace marks of another program; else those of one photo, whichever, keep the shot as it is.
        convention: as for `rate_shot`, like the rest.
        folders: listings to use again.
        note: told of each file before it is written.
        inside: write into the photos themselves, where that is the place of their XMP; see `mlsp.culling.xmp.targets`.

    Returns:
        The outcome for the shot. It is `shared` only if no photo of it has a sidecar of its own.

    Raises:
        SidecarError: as for `rate_shot`.
    """

    def keeps(photo: Path, files: Sequence[SidecarFile]) -> bool:
        return _has_others_marks(photo, marks, files)

    def plan(photo: Path, files: Sequence[SidecarFile]) -> list[PlannedWrite] | None:
        # Without `overwrite` such a photo is kept.
        is_rated_inside = overwrite and rating_inside(photo) is not None

        def change(content: bytes) -> bytes:
            return with_marks(content, marks, is_rated_elsewhere=is_rated_inside)

        if marks == NO_MARKS and not is_rated_inside:
            # Nothing to say is no reason to make a file.
            files = [file for file in files if file.content is not None]
            if not files and not (inside and goes_inside(photo)):
                return []
        found = targets(photo, files, convention, inside=inside)
        return plan_changes(found, change) if found else None

    return write_shot(
        photos,
        plan,
        keeps=None if overwrite else keeps,
        convention=convention,
        folders=folders,
        note=note,
    )


def _has_others_marks(photo: Path, marks: Marks, files: Iterable[SidecarFile]) -> bool:
    """Return whether another program gave a photo a rating or another label. Users may change what they gave in `mlsp`."""
    sidecars = [file.packet for file in files if file.packet]
    return (
        any(packet.is_by_hand and not packet.is_ours_by_hand for packet in sidecars)
        or _is_rated_inside_by_others(photo)
        or marks_in(photo, sidecars).label not in (None, marks.label)
    )


def _is_rated_inside_by_others(photo: Path) -> bool:
    inside = embedded_packet(photo)
    is_ours = inside is not None and inside.is_ours_by_hand
    return rating_inside(photo) is not None and not is_ours


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
