"""The sidecars of a photo: `photo.jpg.xmp`, and `photo.xmp` where no other photo has that name."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

from mlsp.base.errors import SidecarError
from mlsp.photos.files import PHOTO_SUFFIXES, RAW_SUFFIXES

_ENDING = ".xmp"


@dataclass(frozen=True, slots=True)
class SidecarNames:
    """Paths of a photo's sidecars, whether they exist or not.

    Attributes:
        full: `photo.jpg.xmp`.
        short: `photo.xmp`; None where it belongs to another photo of that name.
    """

    full: Path
    short: Path | None


@dataclass(frozen=True, slots=True)
class _Listing:
    """Names in a folder, by their lower-case form: sidecars by the whole name, photos without the extension."""

    sidecars: dict[str, list[str]]
    photos: dict[str, list[str]]


class Folders:
    """Finds the sidecars of photos; lists each folder once, so it is for one run. Several threads may use it at once."""

    def __init__(self) -> None:
        self._listings: dict[Path, _Listing] = {}
        self._lock = threading.Lock()

    def sidecars(self, photo: Path) -> SidecarNames:
        """Return the paths of a photo's sidecars.

        Args:
            photo: must exist.

        Raises:
            SidecarError: there is no such photo, or its folder cannot be listed.
        """
        if not os.path.lexists(photo):
            raise SidecarError(f"there is no photo {str(photo)!r} to write a sidecar for")
        folder = photo.parent
        with self._lock:
            listing = self._listings.get(folder) or _list(folder)
            self._listings[folder] = listing
        full = folder / _existing(listing, photo.name + _ENDING)
        if not _owns_short_name(listing, photo):
            return SidecarNames(full, None)
        return SidecarNames(full, folder / _existing(listing, photo.stem + _ENDING))


def _owns_short_name(listing: _Listing, photo: Path) -> bool:
    """Return whether `photo.xmp` is this photo's: of photo.cr2 and photo.jpg it is the raw one's, as for Adobe's programs."""
    # Then it is the long name of another photo's sidecar: photo.jpg.xmp of photo.jpg beside photo.jpg.webp.
    if os.path.isfile(photo.parent / photo.stem):
        return False
    sharing = {*listing.photos.get(photo.stem.casefold(), ()), photo.name}
    raw = [name for name in sharing if _suffix(name) in RAW_SUFFIXES]
    return len(sharing) == 1 or raw == [photo.name]


def _existing(listing: _Listing, name: str) -> str:
    """Return the name as it is written in the folder, perhaps PHOTO.XMP, else the given one."""
    names = listing.sidecars.get(name.casefold(), [])
    return names[0] if len(names) == 1 else name


def _list(folder: Path) -> _Listing:
    listing = _Listing({}, {})
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise SidecarError(
            f"the folder {str(folder)!r} cannot be listed ({error.strerror}), so its sidecars are not known"
        ) from error
    for name in names:
        suffix = _suffix(name)
        if suffix == _ENDING:
            listing.sidecars.setdefault(name.casefold(), []).append(name)
        elif suffix in PHOTO_SUFFIXES and not name.startswith("."):
            listing.photos.setdefault(os.path.splitext(name)[0].casefold(), []).append(name)
    return listing


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()
