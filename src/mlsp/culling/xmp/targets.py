"""Which files hold what is written about a photo: sidecars of a convention, or the photo itself and the sidecars that are there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from mlsp.culling.xmp.editing import EMPTY_SIDECAR
from mlsp.culling.xmp.files import Note, SidecarFile, change_sidecar
from mlsp.culling.xmp.inside import InsideFile, change_inside, goes_inside, read_inside
from mlsp.culling.xmp.sidecars import Convention

Target: TypeAlias = SidecarFile | InsideFile


def targets(
    photo: Path, files: Sequence[SidecarFile], convention: Convention, *, inside: bool
) -> list[Target]:
    """Return what is to be written about a photo.

    Args:
        photo: the photo.
        files: its sidecars, as they were read.
        convention: which of them.
        inside: whether it is written into the photo, where that is its place. Sidecars that are there say the same then, because
            some programs look there first.

    Raises:
        SidecarError: the photo's format has no XMP that can be written, or it is damaged.
    """
    if inside and goes_inside(photo):
        return [*(file for file in files if file.content is not None), read_inside(photo)]
    return [file for file in files if _is_of(file, photo, convention)]


def change_target(target: Target, change: Callable[[bytes], bytes], *, note: Note | None) -> bool:
    """Change a file's XMP, and return whether it had to be written.

    Raises:
        SidecarError: it cannot be written; it is as it was.
    """
    if isinstance(target, InsideFile):
        return change_inside(target, change, note=note)
    return change_sidecar(target, change, empty=EMPTY_SIDECAR, note=note)


def path_of(target: Target) -> Path:
    """Return the file that is written."""
    return target.file.path if isinstance(target, InsideFile) else target.path


def _is_of(file: SidecarFile, photo: Path, convention: Convention) -> bool:
    is_full = file.path.name.casefold() == f"{photo.name}.xmp".casefold()
    return convention == "both" or is_full == (convention == "photo.jpg.xmp")
