"""Files on local disk and on object stores, by fsspec. The errors of its many backends are translated only here."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mlsp.base.atomic_file import atomic_write
from mlsp.base.errors import (
    MissingExtraError,
    MlspError,
    OutputError,
    SettingsError,
)
from mlsp.base.text import printable
from mlsp.bulk.records import ShardError

# HTTP statuses below 500 that may succeed later: timeout, too early, too many requests.
_TEMPORARY_STATUSES = frozenset({408, 425, 429})
BUFFER_BYTES = 4 * 1024**2
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Entry:
    """Entry of a folder: a file or folder.

    Attributes:
        name: its last part.
        is_folder: whether it is one.
        size_bytes: of a file; -1 where the store does not say.
    """

    name: str
    is_folder: bool
    size_bytes: int


def is_url(location: str) -> bool:
    """Return whether a location is a URL, and not a path of this machine.

    Examples:
        >>> is_url("s3://bucket/photos"), is_url("photos/a.jpg")
        (True, False)
    """
    return "://" in location


def is_web(location: str) -> bool:
    """Return whether a location is an address of the web, which has no folders, and no one store behind it."""
    return location.startswith(("http://", "https://"))


def written(name: str) -> str:
    r"""Return a name as valid UTF-8: bytes that are none become escapes such as `\xff`, other lone surrogates such as `\ud800`.

    Examples:
        >>> written("caf\udce9.jpg")
        'caf\\xe9.jpg'
    """
    return name if name.isascii() else _SURROGATE.sub(lambda found: printable(found[0]), name)


def join(folder: str, name: str) -> str:
    """Join a folder and a name.

    Examples:
        >>> join("s3://bucket/photos/", "a.jpg")
        's3://bucket/photos/a.jpg'
    """
    # What os.path.join does here, in a fraction of its time: names come by the million.
    is_plain = bool(folder) and os.sep == "/" and not name.startswith("/")
    return (
        f"{folder.rstrip('/')}/{name}" if is_plain or is_url(folder) else os.path.join(folder, name)
    )


def parent(location: str) -> str:
    """Return the parent folder of a location."""
    return location.rsplit("/", 1)[0] if is_url(location) else os.path.dirname(location)


def absolute(location: str) -> str:
    """Return the absolute path of a local file; a URL stays."""
    return location if is_url(location) else os.path.abspath(location)


def local(location: str) -> str:
    """Turn a `file://` URL into a path; all else stays."""
    return location.removeprefix("file://") if location.startswith("file://") else location


def open_file_system(location: str) -> tuple[Any, str]:
    """Open the file system of a location; return it, and the path in it.

    Raises:
        SettingsError: it cannot be reached. MissingExtraError: its library is not installed.
    """
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtraError(f"Reading and writing {location}", "bulk") from error
    try:
        # Listings that a backend caches would hide what other processes wrote.
        file_system, path = fsspec.core.url_to_fs(location, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise SettingsError(f"{location} cannot be reached: {error}") from error
    return file_system, str(path)


def reason_of(error: Exception) -> str:
    """Return what a backend's error says, in words for people."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, PermissionError):
        return "permission denied"
    return f"{type(error).__name__}: {str(error) or 'no more is known'}"


def is_final(error: Exception) -> bool:
    """Return whether another try would fail too."""
    if isinstance(error, FileNotFoundError | PermissionError | SettingsError | MissingExtraError):
        return True
    status = getattr(error, "status", None)
    return isinstance(status, int) and status < 500 and status not in _TEMPORARY_STATUSES


def open_file(location: str) -> BinaryIO:
    """Open a file for reading; the result can seek and is buffered.

    Raises:
        SettingsError: there is no such file, it may not be read, or no library for the store is installed.
        ShardError: the store cannot be reached.
    """
    try:
        if not is_url(location):
            return open(location, "rb")
        file_system, path = open_file_system(location)
        return io.BufferedReader(file_system.open(path, "rb"), BUFFER_BYTES)
    except Exception as error:
        raise _translated(location, "read", error) from error


def list_folder(location: str) -> list[Entry]:
    """List a folder of an object store, by name.

    Raises:
        SettingsError: it may not be listed.
        ShardError: the store cannot be reached.
    """
    file_system, path = open_file_system(location)
    try:
        found = file_system.ls(path, detail=True)
    except FileNotFoundError:
        return []
    except Exception as error:
        raise _translated(location, "listed", error) from error
    entries = []
    for info in found:
        name = str(info["name"]).rstrip("/")
        # Some stores list the mark of the folder itself.
        if name.strip("/") != path.strip("/"):
            size = info.get("size")
            entries.append(
                Entry(
                    name.rsplit("/", 1)[-1],
                    info["type"] == "directory",
                    -1 if size is None else int(size),
                )
            )
    return sorted(entries, key=lambda entry: entry.name)


def walk(location: str, *, recursive: bool) -> Iterator[tuple[str, Entry]]:
    """Find the files below a folder of an object store, lazily, a folder's own before those of its folders.

    Yields:
        Location and entry of each file. Names that begin with a dot are left out.
    """
    waiting = [location]
    while waiting:
        folder = waiting.pop()
        entries = [entry for entry in list_folder(folder) if not entry.name.startswith(".")]
        for entry in entries:
            if not entry.is_folder:
                yield join(folder, entry.name), entry
        if recursive:
            below = [join(folder, entry.name) for entry in entries if entry.is_folder]
            waiting.extend(reversed(below))


def size_of(location: str) -> int | None:
    """Return the size of a file.

    Returns:
        Bytes; -1 where the store does not say; None where there is no such file.

    Raises:
        SettingsError: it may not be read.
        ShardError: the store cannot be reached.
    """
    try:
        if not is_url(location):
            return os.stat(location).st_size if os.path.isfile(location) else None
        file_system, path = open_file_system(location)
        info = file_system.info(path)
    except FileNotFoundError:
        return None
    except Exception as error:
        raise _translated(location, "read", error) from error
    if info["type"] == "directory":
        return None
    return -1 if info.get("size") is None else int(info["size"])


def glob(pattern: str) -> list[str]:
    """Find the files that match a pattern with `*`, `?` or `[…]`, sorted."""
    file_system, path = open_file_system(pattern)
    try:
        found = file_system.glob(path)
    except Exception as error:
        raise _translated(pattern, "listed", error) from error
    if not is_url(pattern):
        return sorted(
            os.path.relpath(name) if not os.path.isabs(pattern) else name for name in found
        )
    return sorted(str(file_system.unstrip_protocol(name)) for name in found)


def write_file(location: str, content: bytes) -> None:
    """Write a file that is there whole or not at all: local by a temporary file, on an object store by one PUT.

    Raises:
        OutputError: it may not be written.
        ShardError: the store cannot be reached, or the disk is full.
    """
    try:
        if not is_url(location):
            os.makedirs(os.path.dirname(location) or ".", exist_ok=True)
            with atomic_write(Path(location)) as file:
                file.write(content)
            return
        file_system, path = open_file_system(location)
        file_system.pipe_file(path, content)
    except Exception as error:
        raise _translated(location, "written", error) from error


def read_file(location: str) -> bytes | None:
    """Read a small file whole.

    Returns:
        Its bytes; None where there is no such file.

    Raises:
        SettingsError: it may not be read.
        ShardError: the store cannot be reached.
    """
    try:
        if not is_url(location):
            return Path(location).read_bytes()
        file_system, path = open_file_system(location)
        return bytes(file_system.cat_file(path))
    except FileNotFoundError:
        return None
    except Exception as error:
        raise _translated(location, "read", error) from error


def remove_file(location: str) -> None:
    """Remove a file; it may be missing.

    Raises:
        OutputError: it may not be removed.
        ShardError: the store cannot be reached.
    """
    try:
        if not is_url(location):
            Path(location).unlink(missing_ok=True)
            return
        file_system, path = open_file_system(location)
        file_system.rm_file(path)
    except FileNotFoundError:
        return
    except Exception as error:
        raise _translated(location, "written", error) from error


def _translated(location: str, verb: str, error: Exception) -> Exception:
    if isinstance(error, MlspError):
        return error
    message = f"{location} cannot be {verb}: {reason_of(error)}"
    if not is_final(error):
        return ShardError(message)
    return OutputError(message) if verb == "written" else SettingsError(message)
