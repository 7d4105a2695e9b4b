"""Which sidecars belong to a photo: `photo.jpg.xmp`, and `photo.xmp` where it is the photo's alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mlsp.errors import SidecarError
from mlsp.photos.files import PHOTO_SUFFIXES, RAW_SUFFIXES

_ENDING = ".xmp"


@dataclass(frozen=True, slots=True)
class SidecarNames:
    """Where a photo's sidecars are, or would be.

    Attributes:
        full: `photo.jpg.xmp`.
        short: `photo.xmp`; None where it belongs to another photo of that name.
    """

    full: Path
    short: Path | None


class Folders:
    """Finds the sidecars of photos; lists each folder once, so it is for one run."""

    def __init__(self) -> None:
        self._names: dict[Path, dict[str, list[str]]] = {}
        self._by_stem: dict[Path, dict[str, list[str]]] = {}

    def sidecars(self, photo: Path) -> SidecarNames:
        """Say where a photo's sidecars are.

        Args:
            photo: must exist.

        Raises:
            SidecarError: there is no such photo, or its folder cannot be listed.
        """
        if not os.path.lexists(photo):
            raise SidecarError(f"there is no photo {str(photo)!r} to write a sidecar for")
        if photo.parent not in self._names:
            self._list(photo.parent)
        full = self._existing(photo.parent, photo.name + _ENDING)
        if not self._owns_short_name(photo):
            return SidecarNames(full, None)
        return SidecarNames(full, self._existing(photo.parent, photo.stem + _ENDING))

    def _owns_short_name(self, photo: Path) -> bool:
        """Whether `photo.xmp` is this photo's: of photo.cr2 and photo.jpg it is the raw one's, as for Adobe's programs."""
        # Then it is the long name of another photo's sidecar: photo.jpg.xmp of photo.jpg beside photo.jpg.webp.
        if os.path.isfile(photo.parent / photo.stem):
            return False
        sharing = {*self._by_stem[photo.parent].get(photo.stem.casefold(), ()), photo.name}
        if len(sharing) == 1:
            return True
        raw = [name for name in sharing if _suffix(name) in RAW_SUFFIXES]
        return raw == [photo.name]

    def _existing(self, folder: Path, name: str) -> Path:
        """Return the path of a file that is there, perhaps as PHOTO.XMP, else the given one."""
        names = self._names[folder].get(name.casefold(), [])
        return folder / (names[0] if len(names) == 1 else name)

    def _list(self, folder: Path) -> None:
        names: dict[str, list[str]] = {}
        by_stem: dict[str, list[str]] = {}
        try:
            listed = os.listdir(folder)
        except OSError as error:
            raise SidecarError(
                f"the folder {str(folder)!r} cannot be listed ({error.strerror}), so its sidecars are not known"
            ) from error
        for name in listed:
            suffix = _suffix(name)
            if suffix == _ENDING:
                names.setdefault(name.casefold(), []).append(name)
            elif suffix in PHOTO_SUFFIXES and not name.startswith("."):
                by_stem.setdefault(os.path.splitext(name)[0].casefold(), []).append(name)
        self._names[folder], self._by_stem[folder] = names, by_stem


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()
