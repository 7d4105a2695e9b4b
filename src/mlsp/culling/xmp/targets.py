"""Which files hold what is written about a photo: sidecars of a convention, or the photo itself and the sidecars that are there.

A photo is written only where the user asked for it by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from mlsp.base.errors import PhotoError, SidecarError
from mlsp.culling.xmp.changes import with_changes
from mlsp.culling.xmp.containers import Container, container
from mlsp.culling.xmp.editing import EMPTY_SIDECAR
from mlsp.culling.xmp.files import (
    Convention,
    PlannedWrite,
    SidecarFile,
    left_alone,
    plan_sidecar,
    status_of,
)
from mlsp.culling.xmp.packet import parse_packet
from mlsp.photos.files import RAW_SUFFIXES, read_bytes
from mlsp.photos.find_xmp import trimmed

# What programs on Adobe's library look for around XMP in another file.
_EMPTY_PACKET = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    + EMPTY_SIDECAR
    + b'<?xpacket end="w"?>'
)
# It is read whole, and some copies of it are made.
_MAX_BYTES = 1024**3


@dataclass(frozen=True, slots=True)
class InsideFile:
    """A photo's file and the XMP in it.

    Attributes:
        file: the photo's file, as it was read; its packet is the XMP in it.
        container: where the XMP stands.
    """

    file: SidecarFile
    container: Container


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


def goes_inside(photo: Path) -> bool:
    """Return whether a photo's XMP belongs into its file: not that of a camera's raw photo but DNG, as for Adobe's programs."""
    suffix = photo.suffix.lower()
    return suffix == ".dng" or suffix not in RAW_SUFFIXES


def read_inside(photo: Path) -> InsideFile:
    """Read a photo's file to change its XMP.

    Raises:
        SidecarError: it cannot be read, is damaged, or of a format whose XMP is not written; names it.
    """
    status = status_of(photo)
    if status is not None and status.st_size > _MAX_BYTES:
        raise left_alone(photo, f"it has {status.st_size} bytes, more than a photo")
    try:
        content = read_bytes(photo)
        found = container(content)
        packet = None if found.packet is None else parse_packet(trimmed(found.packet))
    except (PhotoError, SidecarError) as error:
        raise left_alone(photo, str(error)) from error
    return InsideFile(SidecarFile(photo, content, packet, status), found)


def plan_inside(inside: InsideFile, change: Callable[[bytes], bytes]) -> PlannedWrite | None:
    """Return what is to be written so that the XMP in a photo has a change; None where it has it already.

    Every other byte stays, but for offsets and lengths that it entails.

    Args:
        inside: as it was read.
        change: XMP -> XMP.

    Raises:
        SidecarError: it cannot be changed, or has no room.
    """
    file, stored = inside.file, inside.container.packet
    core = _EMPTY_PACKET if stored is None else trimmed(stored)
    before, _, after = (stored or core).partition(core)
    try:
        changed = change(core)
        if changed == core or file.content is None:
            return None
        packet = before + changed + after
        content = _with_packet(file.content, inside.container, packet)
    except SidecarError as error:
        raise left_alone(file.path, str(error)) from error
    return PlannedWrite(file, content)


def _with_packet(content: bytes, found: Container, packet: bytes) -> bytes:
    changed = with_changes(content, found.put(packet))
    after = container(changed)
    if (after.packet, after.others) != (packet, found.others):
        raise SidecarError("the XMP could not be put into it")
    return changed
