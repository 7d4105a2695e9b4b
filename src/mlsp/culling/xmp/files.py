"""Sidecars on disk, and photos that are written: read without blocking, replaced whole and only if nobody else changed them meanwhile."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from mlsp.base.atomic_file import atomic_write
from mlsp.base.errors import PhotoError, SidecarError
from mlsp.culling.xmp.names import Folders
from mlsp.culling.xmp.packet import Packet, parse_packet
from mlsp.photos.files import read_bytes

# Is told a sidecar that is about to be written: its path, its content before, None where it is not there, and after.
Note: TypeAlias = Callable[[Path, bytes | None, bytes], object]
# Edits of masks take some megabytes; more than this is no sidecar, and would only cost time and memory.
_MAX_BYTES = 32 * 1024**2
_CHANGED = "another program changed it meanwhile; run the command again"
Convention: TypeAlias = Literal["both", "photo.jpg.xmp", "photo.xmp"]


@dataclass(frozen=True, slots=True)
class SidecarFile:
    """A sidecar as it was read.

    Attributes:
        path: where it is.
        content: all of it; None where there is no file.
        packet: its parsed content; None where there is none.
        status: of the file, when it was read.
    """

    path: Path
    content: bytes | None
    packet: Packet | None
    status: os.stat_result | None


@dataclass(frozen=True, slots=True)
class PlannedWrite:
    """A file that is to be written.

    Attributes:
        file: as it was read.
        content: what it shall have.
    """

    file: SidecarFile
    content: bytes


def read_sidecar(path: Path) -> SidecarFile:
    """Read a sidecar.

    Args:
        path: need not exist.

    Raises:
        SidecarError: it cannot be read, is damaged or not XMP; names it.
    """
    status = status_of(path)
    if status is None:
        return SidecarFile(path, None, None, None)
    if status.st_size > _MAX_BYTES:
        raise left_alone(path, f"it has {status.st_size} bytes, more than any sidecar")
    try:
        content = read_bytes(path)
        return SidecarFile(path, content, parse_packet(content), status)
    except (PhotoError, SidecarError) as error:
        raise left_alone(path, str(error)) from error


def plan_sidecar(
    file: SidecarFile, change: Callable[[bytes], bytes], *, empty: bytes
) -> PlannedWrite | None:
    """Return what is to be written so that a sidecar has a change, or is there; None where it has it already.

    Args:
        file: as it was read.
        change: content -> content.
        empty: what a new one is made from.

    Raises:
        SidecarError: it cannot be changed.
    """
    old = empty if file.content is None else file.content
    try:
        content = change(old)
    except SidecarError as error:
        raise left_alone(file.path, str(error)) from error
    return None if content == old else PlannedWrite(file, content)


def write_planned(planned: Sequence[PlannedWrite], *, note: Note | None = None) -> list[Path]:
    """Write files that belong together, and return them.

    Raises:
        SidecarError: one is write-protected, and none is written; or one could not be written, and those before it are.
    """
    for one in planned:
        _check_writable(one.file)
    for one in planned:
        replace_sidecar(one.file, one.content, note=note)
    return [one.file.path for one in planned]


def replace_sidecar(file: SidecarFile, content: bytes, *, note: Note | None = None) -> None:
    """Write a sidecar whole; permissions, owner and symbolic links stay.

    Raises:
        SidecarError: it cannot be written, or another program changed it since it was read; it is as it was then.
    """
    _check_writable(file)
    if note is not None:
        note(file.path, file.content, content)
    try:
        with atomic_write(file.path) as stream:
            stream.write(content)
            if file.status is not None and hasattr(os, "fchown"):
                # Only root may give files away; for others a file that they can write is theirs, or stays readable to its group.
                with contextlib.suppress(PermissionError):
                    os.fchown(stream.fileno(), file.status.st_uid, file.status.st_gid)
            if file.status is not None:
                _keep_attributes(file.path, stream.fileno())
            if not _is_same(file.status, status_of(file.path)):
                raise left_alone(file.path, _CHANGED)
    except OSError as error:
        raise SidecarError(
            f"cannot write the {_kind(file.path)} {str(file.path)!r}: {error.strerror or error}"
        ) from error


def read_content(path: Path) -> bytes | None:
    """Return what is in a sidecar, whatever it is; None where there is no file.

    Raises:
        SidecarError: it cannot be read; names it.
    """
    if status_of(path) is None:
        return None
    try:
        return read_bytes(path)
    except PhotoError as error:
        raise left_alone(path, str(error)) from error


def restore_sidecar(path: Path, now: bytes, before: bytes) -> None:
    """Give a sidecar its earlier content, unless it has another than `now`.

    Raises:
        SidecarError: it cannot be written, or another program changed it; it is as it was then.
    """
    status = status_of(path)
    _check_content(path, now)
    replace_sidecar(SidecarFile(path, now, None, status), before)


def remove_sidecar(path: Path, now: bytes) -> None:
    """Remove a sidecar, unless it has another content than `now`.

    Raises:
        SidecarError: it cannot be removed, or another program changed it.
    """
    _check_content(path, now)
    try:
        # What was written is the file that a link leads to; the link was there before.
        Path(os.path.realpath(path)).unlink()
    except OSError as error:
        raise SidecarError(
            f"cannot remove the sidecar {str(path)!r}: {error.strerror or error}"
        ) from error


def _check_writable(file: SidecarFile) -> None:
    if file.status is not None and not os.access(file.path, os.W_OK):
        raise left_alone(file.path, "it is write-protected")


def _check_content(path: Path, now: bytes) -> None:
    if read_content(path) != now:
        raise left_alone(path, _CHANGED)


def status_of(path: Path) -> os.stat_result | None:
    """Return a file's status; None where there is no file.

    Raises:
        SidecarError: it cannot be asked for; names it.
    """
    try:
        return path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SidecarError(
            f"cannot read the {_kind(path)} {str(path)!r}: {error.strerror or error}"
        ) from error


def _keep_attributes(path: Path, descriptor: int) -> None:
    """Copy what desktops note about a file, such as tags, where the system has that."""
    if not hasattr(os, "listxattr"):
        return
    with contextlib.suppress(OSError):
        for name in os.listxattr(path):
            os.setxattr(descriptor, name, os.getxattr(path, name))


def _is_same(before: os.stat_result | None, after: os.stat_result | None) -> bool:
    if before is None or after is None:
        return before is after
    return (before.st_ino, before.st_size, before.st_mtime_ns) == (
        after.st_ino,
        after.st_size,
        after.st_mtime_ns,
    )


def left_alone(path: Path, reason: str) -> SidecarError:
    """Return the error of a sidecar, or a photo, that is left as it is."""
    return SidecarError(f"the {_kind(path)} {str(path)!r} is left alone: {reason}")


def _kind(path: Path) -> str:
    return "sidecar" if path.suffix.lower() == ".xmp" else "photo"


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
