"""The sidecars that are a photo's own, read."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from mlsp.culling.xmp.files import SidecarFile, read_sidecar
from mlsp.culling.xmp.names import Folders

Convention: TypeAlias = Literal["both", "photo.jpg.xmp", "photo.xmp"]


def read_sidecars(
    photo: Path, convention: Convention, folders: Folders | None
) -> list[SidecarFile]:
    """Read a photo's sidecars, also those that are not there yet.

    Args:
        photo: must exist; is not read itself.
        convention: which of its sidecars.
        folders: listings to use again.

    Returns:
        `photo.jpg.xmp`, then `photo.xmp`; without those that belong to another photo.

    Raises:
        SidecarError: there is no such photo, or a sidecar is damaged or not XMP.
    """
    names = (folders or Folders()).sidecars(photo)
    files = []
    if convention != "photo.xmp":
        files.append(read_sidecar(names.full))
    if convention != "photo.jpg.xmp" and names.short is not None:
        short = read_sidecar(names.short)
        extension = short.packet.extension if short.packet is not None else None
        # Adobe's programs note which of photo.cr2 and photo.jpg they mean.
        if extension in (None, "", photo.suffix.lower().removeprefix(".")):
            files.append(short)
    return files
