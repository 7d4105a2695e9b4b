"""Which files hold what is written about a photo: sidecars of a convention, or the photo itself and the sidecars that are there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from mlsp.culling.xmp.editing import EMPTY_SIDECAR
from mlsp.culling.xmp.files import PlannedWrite, SidecarFile, plan_sidecar
from mlsp.culling.xmp.inside import InsideFile, goes_inside, plan_inside, read_inside
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


def plan_changes(found: Iterable[Target], change: Callable[[bytes], bytes]) -> list[PlannedWrite]:
    """Return what is to be written so that the XMP of files has a change; nothing of those that have it already.

    Raises:
        SidecarError: one cannot be changed.
    """
    planned = [
        plan_inside(target, change)
        if isinstance(target, InsideFile)
        else plan_sidecar(target, change, empty=EMPTY_SIDECAR)
        for target in found
    ]
    return [one for one in planned if one is not None]


def _is_of(file: SidecarFile, photo: Path, convention: Convention) -> bool:
    is_full = file.path.name.casefold() == f"{photo.name}.xmp".casefold()
    return convention == "both" or is_full == (convention == "photo.jpg.xmp")
