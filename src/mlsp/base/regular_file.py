"""Opening files that should be regular ones: a named pipe in their place must never block."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading.

    Raises:
        OSError: it is missing, forbidden, or no regular file.
    """
    # Asked before opening, because opening a device may already do something.
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "no regular file", str(path))
    return open_at_once(path)


def open_at_once(path: Path) -> BufferedReader:
    """Open a file for reading, without waiting for a writer where it is a pipe."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    return open(os.open(path, flags), "rb")
