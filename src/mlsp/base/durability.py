"""What makes a file survive a crash: its bytes on the disk, then its name, by the means of each system."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

if sys.platform != "win32":
    import fcntl

# Windows refuses to replace a file while a virus scanner or an indexer has it open, which takes them a moment.
_REPLACE_SECONDS = 2.0
_PAUSE_SECONDS = 0.05


def sync_file(descriptor: int) -> None:
    """Return when the bytes of an open file are on the disk.

    Raises:
        OSError: the disk refuses.
    """
    if sys.platform == "darwin":
        # macOS's fsync stops at the drive's own cache, which a power loss empties; some network drives know nothing else.
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Return when the names of the files in a folder are on the disk, where the file system can do so; files are whole without it."""
    if sys.platform == "win32":
        return  # Windows cannot open folders; its file system keeps names by itself.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def replace_file(made: Path, target: Path) -> None:
    """Give a complete file its final name: after a crash at any moment that is the old file or the new one, whole.

    On Windows, a target that another program has open is tried again for two seconds.

    Raises:
        OSError: the file cannot be renamed.
    """
    until = time.monotonic() + _REPLACE_SECONDS
    while sys.platform == "win32" and time.monotonic() < until:
        try:
            os.replace(made, target)
        except PermissionError:
            time.sleep(_PAUSE_SECONDS)
        else:
            return
    os.replace(made, target)
