"""Files a feature store is made of: reads and writes at fixed positions, on the disk when told so, one writer at a time.

HDF5 has no journal: a process killed while HDF5 writes its own structures can leave a file that nobody can open. Therefore HDF5
writes a store only once, when it is made; rows go to known positions in the file by the functions here.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mlsp.base.errors import FeatureStoreError, OutputError

if sys.platform != "win32":
    import fcntl

_BINARY = getattr(os, "O_BINARY", 0)
_FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class PositionedFile:
    """A file read and written at positions; threads and forked processes may read it at once.

    Args:
        path: an existing file, or with `append` one that may be missing.
        writable: opens it for writing too.
        append: makes it if it is missing.
    """

    def __init__(self, path: Path, *, writable: bool = False, append: bool = False) -> None:
        self.path = path
        flags = (os.O_RDWR if writable else os.O_RDONLY) | _BINARY | (os.O_CREAT if append else 0)
        try:
            self._descriptor = os.open(path, flags, 0o666)
        except OSError as error:
            raise FeatureStoreError(
                f"feature file {path} cannot be opened: {error.strerror}"
            ) from error
        # Only where the system has no positioned reads: there two threads would move one position.
        self._position_lock = threading.Lock()

    def size_bytes(self) -> int:
        """Length of the file, holes included."""
        return os.fstat(self._descriptor).st_size

    def read(self, offset: int, size_bytes: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        """Read bytes.

        Raises:
            FeatureStoreError: the file ends before, or cannot be read.
        """
        buffer = np.empty(size_bytes, dtype=np.uint8)
        view = buffer.data
        done = 0
        while done < size_bytes:
            try:
                count = self._read_into(view[done:], offset + done)
            except OSError as error:
                raise FeatureStoreError(
                    f"feature file {self.path} cannot be read at byte {offset}: {error.strerror}"
                ) from error
            if count == 0:
                raise FeatureStoreError(
                    f"feature file {self.path} ends at byte {self.size_bytes()}, expected at least "
                    f"{offset + size_bytes}: it was cut off; copy it again or extract it again"
                )
            done += count
        return buffer

    def write(self, offset: int, content: bytes | memoryview) -> None:
        """Write bytes.

        Raises:
            OutputError: the disk is full, or the file cannot be written.
        """
        view = memoryview(content)
        done = 0
        while done < len(view):
            try:
                done += self._write_from(view[done:], offset + done)
            except OSError as error:
                full = error.errno in _FULL_DISK
                advice = (
                    "make room and continue: the rows written before are kept"
                    if full
                    else "the rows written before are kept"
                )
                raise OutputError(
                    f"feature file {self.path} cannot be written: {error.strerror}; {advice}"
                ) from error

    def sync(self) -> None:
        """Return when all that was written is on the disk itself."""
        try:
            sync_descriptor(self._descriptor)
        except OSError as error:
            raise OutputError(
                f"feature file {self.path} cannot be written to the disk: {error.strerror}"
            ) from error

    def close(self) -> None:
        """Close it; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _read_into(self, view: memoryview, offset: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._descriptor, [view], offset)
        with self._position_lock:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            content = os.read(self._descriptor, len(view))
        view[: len(content)] = content
        return len(content)

    def _write_from(self, view: memoryview, offset: int) -> int:
        if hasattr(os, "pwrite"):
            return os.pwrite(self._descriptor, view, offset)
        with self._position_lock:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            return os.write(self._descriptor, view)


def sync_descriptor(descriptor: int) -> None:
    """Write what the system holds of a file to the disk itself."""
    if sys.platform == "darwin":
        # There fsync stops at the drive's own cache, which a power loss empties.
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def move_into_place(made: Path, target: Path) -> None:
    """Give a file that is complete its name: after a crash at any moment the name shows the old file or the new one, whole."""
    descriptor = os.open(made, os.O_RDWR | _BINARY)
    try:
        sync_descriptor(descriptor)
    finally:
        os.close(descriptor)
    os.replace(made, target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Return when the names of the files in a folder are on the disk itself."""
    if sys.platform == "win32":
        return  # Folders cannot be opened there; the file system keeps its names by itself.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class WriterLock:
    """Keeps a second writer away from a store; the system lets go of it when the writer dies.

    It is held on a file beside the store, so that other HDF5 programs can look into a store that grows.

    Args:
        path: of the store.

    Raises:
        FeatureStoreError: another writer has the store.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._file: Any = None
        if sys.platform == "win32":
            return  # No advisory locks there: two writers are not told apart.
        while self._file is None:
            file = self._open(path)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.close()
                raise FeatureStoreError(
                    f"feature file {path} is being written by another process; wait for it or stop it"
                ) from error
            # Whoever let go of the lock also removed the file: a lock on a removed file keeps nobody away.
            try:
                current = self._path.stat().st_ino == os.fstat(file.fileno()).st_ino
            except FileNotFoundError:
                current = False
            if current:
                self._file = file
            else:
                file.close()

    def _open(self, path: Path) -> Any:
        try:
            return self._path.open("wb")
        except OSError as error:
            raise OutputError(
                f"feature file {path} cannot be written: {error.strerror} ({self._path})"
            ) from error

    def release(self) -> None:
        """Let the next writer in; a second call does nothing."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            self._file.close()
            self._file = None


@contextmanager
def writer_lock(path: Path) -> Iterator[None]:
    """Hold the lock of a store for a while; see `WriterLock`."""
    lock = WriterLock(path)
    try:
        yield
    finally:
        lock.release()
