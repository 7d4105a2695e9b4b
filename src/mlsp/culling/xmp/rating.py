"""Read, write and remove the rating of a photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlsp.base.errors import SettingsError, SidecarError
from mlsp.culling.xmp.editing import without_rating
from mlsp.culling.xmp.files import SidecarFile, replace_sidecar, write_sidecar
from mlsp.culling.xmp.names import Folders
from mlsp.culling.xmp.packet import Packet
from mlsp.culling.xmp.reading import rating_inside
from mlsp.culling.xmp.sidecars import Convention, read_sidecars
from mlsp.culling.xmp.stars import MAX_STARS


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of rating a photo.

    Attributes:
        status: `written`; `kept`: the photo has a rating that is not ours; `unchanged`: it has this one already; `shared`:
            its only sidecar would be `photo.xmp`, which belongs to another photo of that name.
        files: that were written.
    """

    status: Literal["written", "kept", "unchanged", "shared"]
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
    if not overwrite and (
        any(_is_others(file.packet, by_hand) for file in files) or rating_inside(photo) is not None
    ):
        return Outcome("kept")
    targets = [file for file in files if _is_target(file, photo, convention)]
    if not targets:
        return Outcome("shared")
    written = [file.path for file in targets if write_sidecar(file, rating, by_hand=by_hand)]
    return Outcome("written" if written else "unchanged", tuple(written))


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


def _is_others(packet: Packet | None, by_hand: bool) -> bool:
    """Return whether a sidecar has a rating that may not be replaced. Users may change one that they gave in `mlsp`."""
    return packet is not None and packet.is_by_hand and not (by_hand and packet.is_ours_by_hand)


def _is_target(file: SidecarFile, photo: Path, convention: Convention) -> bool:
    is_full = file.path.name.casefold() == f"{photo.name}.xmp".casefold()
    return convention == "both" or is_full == (convention == "photo.jpg.xmp")
