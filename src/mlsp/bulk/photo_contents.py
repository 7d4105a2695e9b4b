"""A photo's file: path or URL -> bytes. What cannot be reached now is distinguished from what cannot be read."""

from __future__ import annotations

import errno
import time
from pathlib import Path
from typing import Any

from mlsp.base.errors import (
    MissingExtraError,
    PhotoTooLargeError,
    SettingsError,
    UnreadablePhotoError,
)
from mlsp.bulk.records import ShardError
from mlsp.bulk.stores import (
    BUFFER_BYTES,
    is_final,
    is_url,
    is_web,
    open_file_system,
    reason_of,
)
from mlsp.photos import read_bytes

# Seconds between tries of a fetch: a server that restarts is back by then, one that is gone costs 5 seconds per photo.
_WAITS = (0.5, 4.5)
# Larger than nearly all photos; what a URL gives is somebody else's choice.
_MAX_FETCHED_BYTES = 1024**3
# A network's disk that is away, or a machine that has too much to do.
_AWAY = frozenset(
    getattr(errno, name)
    for name in (
        "EAGAIN",
        "EHOSTDOWN",
        "EHOSTUNREACH",
        "EMFILE",
        "ENETDOWN",
        "ENETUNREACH",
        "ENFILE",
        "ENOTCONN",
        "ESTALE",
        "ETIMEDOUT",
    )
    if hasattr(errno, name)
)


def read_photo_content(location: str) -> bytes:
    """Read a photo's file.

    Args:
        location: path or URL. A fetch that fails is tried three times, unless it would fail again.

    Raises:
        PhotoError: it cannot be read, and would not be later.
        ShardError: it, or what it is stored on, cannot be reached now.
    """
    if not is_url(location):
        return _read_local(Path(location))
    for wait in (*_WAITS, None):
        try:
            file_system, path = open_file_system(location)
            return _fetched(file_system, path, location)
        except PhotoTooLargeError:
            raise
        except (SettingsError, MissingExtraError) as error:
            raise UnreadablePhotoError(str(error)) from error
        except Exception as error:
            # Backends raise errors of their own libraries (botocore, aiohttp, …): a list would never be complete.
            reason = f"it cannot be fetched: {reason_of(error)}"
            if is_final(error):
                raise UnreadablePhotoError(reason) from error
            if wait is None:
                raise ShardError(reason) from error
            time.sleep(wait)
    raise AssertionError


def _read_local(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except UnreadablePhotoError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in _AWAY:
            raise ShardError(str(error)) from error
        raise


def _fetched(file_system: Any, path: str, location: str) -> bytes:
    """Fetch a file, of which never more than one byte beyond the limit is read."""
    if is_web(location):
        # Servers need not know ranges, and an answer need not end. A size that is given is not asked for.
        pieces, size = [], 0
        with file_system.open(path, "rb", block_size=0, size=1) as stream:
            while size <= _MAX_FETCHED_BYTES and (piece := stream.read(BUFFER_BYTES)):
                pieces.append(piece)
                size += len(piece)
        content = b"".join(pieces)
    else:
        try:
            content = bytes(file_system.cat_file(path, start=0, end=_MAX_FETCHED_BYTES + 1))
        except OSError as error:
            # Of an empty file S3 has no range at all.
            if error.errno != errno.EINVAL or file_system.size(path) != 0:
                raise
            content = b""
    if len(content) > _MAX_FETCHED_BYTES:
        raise PhotoTooLargeError(
            f"the file has more than the {_MAX_FETCHED_BYTES:,} bytes that are fetched"
        )
    return content
