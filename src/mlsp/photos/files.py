"""Photos in the file system: folders -> paths, path -> bytes. Its errors are translated only here."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from mlsp.base.errors import PhotoTooLargeError, UnreadablePhotoError

# fmt: off
RAW_SUFFIXES = frozenset((
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef",
    ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf",
    ".srw", ".x3f",
))
PHOTO_SUFFIXES = RAW_SUFFIXES | frozenset((
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".hif", ".jfif", ".jpe",
    ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp",
))
# fmt: on

# Larger than any photo that passes the default limit of pixels; keeps a mislabelled film or disk image out of memory.
_MAX_BYTES = 2 * 1024**3

_Key = TypeVar("_Key")

_DIGITS = re.compile("([0-9]+)")

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Args:
        path: the file; links are followed.

    Returns:
        All of its bytes, at least one.

    Raises:
        UnreadablePhotoError: it is missing, forbidden, empty, a folder, or no regular file. A named pipe never blocks.
        PhotoTooLargeError: it does not fit into memory, or is larger than any photo.
    """
    try:
        # Asked before opening, because opening a device may already do something.
        _check_regular(path, path.stat())
        # A pipe that replaces the file in between must not block either.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(path, flags), "rb") as file:
            _check_regular(path, os.fstat(file.fileno()))
            content = file.read()
    except (OSError, ValueError) as error:
        raise UnreadablePhotoError(_reason(error)) from error
    except MemoryError as error:
        raise PhotoTooLargeError("there is not enough memory to read the file") from error
    if not content:
        raise UnreadablePhotoError("the file is empty")
    return content


def find_photos(paths: Iterable[str | Path], *, recursive: bool = True) -> Iterator[Path]:
    """Find the photos among files and folders, lazily.

    A path that is not a folder is always a photo, whatever its name and even if it is missing: reading it reports what is
    wrong. In a folder the photos are the files with a suffix in `PHOTO_SUFFIXES`, in any case; names that begin with a
    dot are left out. A folder that cannot be listed comes out itself, so that reading it reports it.

    Args:
        paths: files and folders.
        recursive: look into the folders of folders too.

    Yields:
        The given paths in their order, and of each folder first its photos and then its folders, both in natural order
        (`img2` before `img10`). Each real file and folder once, whatever links lead to it.
    """
    files: set[str] = set()
    folders: set[tuple[int, int]] = set()
    for path in map(Path, paths):
        # Unlike `Path.is_dir` this is false, and not an error, for a path that may not be looked at.
        if os.path.isdir(path):
            yield from _photos_below(path, recursive, files, folders)
        elif _is_new(_real_path(path), files):
            yield path


def _photos_below(
    root: Path, recursive: bool, files: set[str], folders: set[tuple[int, int]]
) -> Iterator[Path]:
    # A list and not recursion: folders may be nested deeper than calls.
    waiting = [(root, _real_path(root))]
    while waiting:
        folder, real_folder = waiting.pop()
        try:
            status = folder.stat()
            if not _is_new((status.st_dev, status.st_ino), folders):
                continue
            names, below, links = _list_folder(folder)
        except OSError:
            yield folder
            continue
        for name in sorted(names, key=_natural):
            path = folder / name
            if _is_new(_real_below(path, real_folder, name in links), files):
                yield path
        if recursive:
            for name in sorted(below, key=_natural, reverse=True):
                path = folder / name
                waiting.append((path, _real_below(path, real_folder, name in links)))


def _list_folder(folder: Path) -> tuple[list[str], list[str], set[str]]:
    """Return names of photos, names of folders, and those of both that are links."""
    names, below, links = [], [], set()
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith("."):
                continue
            if _is_folder(entry):
                below.append(name)
            elif os.path.splitext(name)[1].lower() in PHOTO_SUFFIXES:
                names.append(name)
            else:
                continue
            if entry.is_symlink():
                links.add(name)
    return names, below, links


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself or into a forbidden folder; with a photo's suffix it is a photo that reading reports.
        return False


def _real_below(path: Path, real_folder: str, is_link: bool) -> str:
    # What is no link lies where its folder lies; asking the file system for each of 100,000 files takes seconds.
    return _real_path(path) if is_link else os.path.join(real_folder, path.name)


def _real_path(path: Path) -> str:
    try:
        return os.path.realpath(path)
    except ValueError:
        # No file system has such a name (a zero byte); reading reports it.
        return os.fspath(path)


def _is_new(key: _Key, seen: set[_Key]) -> bool:
    if key in seen:
        return False
    seen.add(key)
    return True


def _natural(name: str) -> tuple[list[str | int], str]:
    parts: list[str | int] = list(_DIGITS.split(name.casefold()))
    # Text and digits alternate, so numbers are only ever compared to numbers.
    parts[1::2] = map(int, parts[1::2])
    return parts, name


def _check_regular(path: Path, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        try:
            os.scandir(path).close()
        except PermissionError as error:
            raise UnreadablePhotoError(
                "it is a folder that may not be listed: permission denied"
            ) from error
        raise UnreadablePhotoError("it is a folder, not a photo")
    for is_kind, kind in _KINDS:
        if is_kind(status.st_mode):
            raise UnreadablePhotoError(f"it is {kind}, not a file")
    if status.st_size > _MAX_BYTES:
        raise PhotoTooLargeError(
            f"the file has {status.st_size:,} bytes, more than the {_MAX_BYTES:,} that are read"
        )


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, PermissionError):
        return "the file may not be read: permission denied"
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "it is a symbolic link that leads to itself"
    detail = error.strerror if isinstance(error, OSError) else str(error)
    return f"the file cannot be read: {detail}"
