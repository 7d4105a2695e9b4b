"""A lock that keeps a second writer away from a file or folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mlsp.base.errors import MlspError, OutputError


@contextmanager
def one_writer(path: Path, what: str, *, busy: type[MlspError]) -> Iterator[None]:
    """Keep a second writer away for a block; the system releases the lock when the writer dies.

    It is held on a file beside `path`, so that other programs can look into what grows.

    Args:
        path: of the file or folder, which may be missing.
        what: what it is, for messages: "feature file".
        busy: error to raise if another writer has it.

    Raises:
        OutputError: the folder that it is in cannot be written.
    """
    file = path.with_name(path.name + ".lock")
    lock = FileLock(file, blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise busy(
            f"{what} {path} is being written by another process; wait for it or stop it"
        ) from error
    except OSError as error:
        raise OutputError(f"{what} {path} cannot be written: {error.strerror} ({file})") from error
    try:
        yield
    finally:
        # Before the release: afterwards the file may be the next writer's.
        if sys.platform != "win32":
            file.unlink(missing_ok=True)
        lock.release()
