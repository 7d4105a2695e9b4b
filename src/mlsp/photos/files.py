"""A photo's file: path -> bytes. Its errors are translated only here; `mlsp.photos.finding` finds the files."""

from __future__ import annotations

import errno
import os
import stat
import sys
import unicodedata
from pathlib import Path

from mlsp.base.errors import PhotoTooLargeError, UnreadablePhotoError
from mlsp.base.regular_file import open_at_once
from mlsp.base.text import unescape_bytes

# fmt: off
RAW_SUFFIXES = frozenset((
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef",
    ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf",
    ".srw", ".x3f",
))
PHOTO_SUFFIXES = RAW_SUFFIXES | frozenset((
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".hif", ".jfif", ".jpe",
    ".jpeg", ".jpg", ".jxl", ".mpo", ".png", ".psd", ".tif", ".tiff", ".webp",
))
# fmt: on

# Larger than any photo that passes the default limit of pixels; keeps a mislabelled film or disk image out of memory.
_MAX_BYTES = 2 * 1024**3
# https://learn.microsoft.com/windows/win32/fileio/maximum-file-path-limitation
_WINDOWS_PATH_CHARACTERS = 260

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
        path = stored_path(path)
        # Asked before opening, because opening a device may already do something.
        _check_regular(path, path.stat())
        # A pipe that replaces the file in between must not block either.
        with open_at_once(path) as file:
            _check_regular(path, os.fstat(file.fileno()))
            content = file.read()
    except (OSError, ValueError) as error:
        raise UnreadablePhotoError(_reason(error)) from error
    except MemoryError as error:
        raise PhotoTooLargeError("there is not enough memory to read the file") from error
    if not content:
        raise UnreadablePhotoError("the file is empty")
    return content


def stored_path(path: Path) -> Path:
    """Return a file's path as it is stored, where a table or another system spells it in another way: its accents, or bytes that are not UTF-8.

    Returns:
        `path` itself where something is there; else the one that differs from it by Unicode normalisation only, or by bytes that
        a table escapes, if there is one.
    """
    text = str(path)
    if (text.isascii() and "\\x" not in text) or os.path.lexists(path):
        return path
    folder = stored_path(path.parent)
    names = (
        *(unicodedata.normalize(form, path.name) for form in ("NFC", "NFD")),
        unescape_bytes(path.name),
    )
    for name in names:
        if os.path.lexists(folder / name):
            return folder / name
    return path


def _check_regular(path: Path, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        try:
            os.scandir(path).close()
        except PermissionError as error:
            raise UnreadablePhotoError(
                "it is a folder that may not be listed: permission denied"
            ) from error
        raise UnreadablePhotoError("it is a folder, not a file")
    for is_kind, kind in _KINDS:
        if is_kind(status.st_mode):
            raise UnreadablePhotoError(f"it is {kind}, not a file")
    if status.st_size > _MAX_BYTES:
        raise PhotoTooLargeError(
            f"the file has {status.st_size:,} bytes, more than the {_MAX_BYTES:,} that are read"
        )


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        characters = len(os.fspath(error.filename or ""))
        if sys.platform == "win32" and characters >= _WINDOWS_PATH_CHARACTERS:
            return (
                f"there is no such file, or Windows refuses its path of {characters} characters: allow long paths there"
                " (LongPathsEnabled), or move it to a shorter one"
            )
        return "there is no such file"
    if isinstance(error, PermissionError):
        return "the file may not be read: permission denied"
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "it is a symbolic link that leads to itself"
    detail = error.strerror if isinstance(error, OSError) else str(error)
    return f"the file cannot be read: {detail}"
