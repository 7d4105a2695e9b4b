"""Read, write and remove the rating of a photo."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from mlsp.base.errors import SettingsError, SidecarError
from mlsp.culling.xmp.editing import without_rating
from mlsp.culling.xmp.files import SidecarFile, replace_sidecar, write_sidecar
from mlsp.culling.xmp.names import Folders
from mlsp.culling.xmp.packet import Packet
from mlsp.culling.xmp.reading import rating_inside
from mlsp.culling.xmp.sidecars import Convention, read_sidecars
from mlsp.culling.xmp.stars import MAX_STARS

Status: TypeAlias = Literal["written", "kept", "unchanged", "shared"]
# Of several photos of a shot, the first of these that became of one.
_BY_WEIGHT: tuple[Status, ...] = ("written", "kept", "unchanged", "shared")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of rating a photo.

    Attributes:
        status: `written`; `kept`: the photo has a rating that is not ours; `unchanged`: it has this one already; `shared`:
            its only sidecar would be `photo.xmp`, which belongs to another photo of that name.
        files: that were written.
    """

    status: Status
    files: tuple[Path, ...] = ()


def read_rating(photo: Path, *, folders: Folders | None = None) -> int | None:
    """Return the rating in a photo's sidecars, of both conventions.

    Args:
        photo: must exist; is not read itself.
        folders: listings to use again.

    Returns:
        -1 for rejected, 0 for unrated, 1…5 stars; None where no sidecar has a rating. A rating that is not ours comes
        before one that is; of two such, that in `photo.jpg.xmp`.

    Raises:
        SidecarError: there is no such photo, or a sidecar is damaged or not XMP.
    """
    packets = [
        file.packet for file in read_sidecars(photo, "both", folders) if file.packet is not None
    ]
    packets.sort(key=lambda packet: not packet.is_by_hand)
    return next((packet.rating for packet in packets if packet.rating is not None), None)


def rate(
    photo: Path,
    rating: int,
    *,
    overwrite: bool = False,
    convention: Convention = "both",
    by_hand: bool = False,
    folders: Folders | None = None,
) -> Outcome:
    """Write a rating into a photo's sidecars; what else is in them stays as it is, byte for byte.

    Args:
        photo: must exist; never changed itself.
        rating: -1 for rejected, or 1…5 stars.
        overwrite: also replace a rating that is not ours.
        convention: which sidecars are written.
        by_hand: the rating is the user's own: `mlsp score --xmp` will keep it, another one by hand replaces it.
        folders: listings to use again.

    Returns:
        The outcome.

    Raises:
        SettingsError: the rating is neither -1 nor 1…5.
        SidecarError: a sidecar is damaged, not XMP or cannot be written; it is left as it was. Without `overwrite` a damaged
            one keeps the other from being written too, because it may hold the user's rating.
    """
    if rating != -1 and not 1 <= rating <= MAX_STARS:
        raise SettingsError(f"expected the rating -1 for rejected or 1 to 5 stars, got {rating}")
    folders = folders or Folders()
    # A rating by hand counts wherever it is, also where it would not be written.
    files = read_sidecars(photo, convention if overwrite else "both", folders)
    if not overwrite and _has_others_rating(photo, files, by_hand):
        return Outcome("kept")
    targets = [file for file in files if _is_target(file, photo, convention)]
    if not targets:
        return Outcome("shared")
    written = [file.path for file in targets if write_sidecar(file, rating, by_hand=by_hand)]
    return Outcome("written" if written else "unchanged", tuple(written))


def rate_shot(
    photos: Sequence[Path],
    rating: int,
    *,
    overwrite: bool = False,
    convention: Convention = "both",
    by_hand: bool = False,
    folders: Folders | None = None,
) -> Outcome:
    """Write one rating into the sidecars of all photos of a shot.

    Args:
        photos: of the shot: a raw photo and its JPEG, say; at least one.
        rating: as for `rate`, like the rest.
        overwrite: also replace ratings that are not ours; else one of them, of whichever photo, keeps the shot as it is.
        convention: which sidecars are written.
        by_hand: the rating is the user's own.
        folders: listings to use again.

    Returns:
        The outcome for the shot. It is `shared` only if no photo of it has a sidecar of its own.

    Raises:
        SettingsError: the rating is neither -1 nor 1…5.
        SidecarError: as for `rate`. Without `overwrite` nothing is written then.
    """
    folders = folders or Folders()
    # Asked of all before one is written: a shot has one rating.
    if not overwrite and any(
        _has_others_rating(photo, read_sidecars(photo, "both", folders), by_hand)
        for photo in photos
    ):
        return Outcome("kept")
    outcomes = [
        rate(
            photo,
            rating,
            overwrite=overwrite,
            convention=convention,
            by_hand=by_hand,
            folders=folders,
        )
        for photo in photos
    ]
    found = {outcome.status for outcome in outcomes}
    status = next(one for one in _BY_WEIGHT if one in found)
    return Outcome(status, tuple(file for outcome in outcomes for file in outcome.files))


def remove_rating(photo: Path) -> list[Path]:
    """Remove our rating from a photo's sidecars, and restore the one that it replaced.

    Args:
        photo: never changed itself.

    Returns:
        The files that were written. They are as they were before the rating, byte for byte; one that `mlsp` made stays, empty.

    Raises:
        SidecarError: a sidecar is damaged, or another program has rewritten it since; it is left as it was.
    """
    written = []
    for file in read_sidecars(photo, "both", None):
        packet = file.packet
        if file.content is None or packet is None or packet.is_by_hand or not packet.rating:
            continue
        try:
            content = without_rating(file.content)
        except SidecarError as error:
            raise SidecarError(f"the sidecar {str(file.path)!r} is left alone: {error}") from error
        replace_sidecar(file, content)
        written.append(file.path)
    return written


def _has_others_rating(photo: Path, files: Iterable[SidecarFile], by_hand: bool) -> bool:
    """Return whether a photo or one of its sidecars has a rating that may not be replaced."""
    return any(_is_others(file.packet, by_hand) for file in files) or (
        rating_inside(photo) is not None
    )


def _is_others(packet: Packet | None, by_hand: bool) -> bool:
    """Return whether a sidecar has a rating that may not be replaced. Users may change one that they gave in `mlsp`."""
    return packet is not None and packet.is_by_hand and not (by_hand and packet.is_ours_by_hand)


def _is_target(file: SidecarFile, photo: Path, convention: Convention) -> bool:
    is_full = file.path.name.casefold() == f"{photo.name}.xmp".casefold()
    return convention == "both" or is_full == (convention == "photo.jpg.xmp")
