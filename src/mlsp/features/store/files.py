"""Files of a feature store: reads and writes at fixed positions, synced to the disk on demand, by one writer at a time.

HDF5 has no journal: a process killed while HDF5 writes its own structures can leave a file that nobody can open. Therefore HDF5
writes a store only once, when it is made; rows go to known positions in the file by the functions here.
"""

from __future__ import annotations

import errno
import os
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from mlsp.base.durability import replace_file, sync_file, sync_folder
from mlsp.base.errors import FeatureStoreError, OutputError
from mlsp.base.one_writer import one_writer

_BINARY = getattr(os, "O_BINARY", 0)
_FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class PositionedFile:
    """A file read and written at positions; threads and forked processes may read it at once.

    Args:
        path: an existing file, or with `append` one that may be missing.
        writable: open it for writing too.
        append: make it if it is missing.

    Raises:
        FeatureStoreError: it cannot be opened.
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
        # For systems without positioned reads, where two threads would move one position.
        self._position_lock = threading.Lock()

    def size_bytes(self) -> int:
        """Return the length of the file, holes included."""
        return os.fstat(self._descriptor).st_size

    def read(self, offset: int, size_bytes: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        """Read bytes.

        Raises:
            FeatureStoreError: the file ends too early, is closed, or cannot be read.
        """
        if self._descriptor < 0:
            raise FeatureStoreError(f"feature file {self.path} is closed: open it again")
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
                advice = "make room and continue: " * (error.errno in _FULL_DISK)
                raise OutputError(
                    f"feature file {self.path} cannot be written: {error.strerror}; {advice}the rows "
                    "written before are kept"
                ) from error

    def sync(self) -> None:
        """Return when all that was written is on the disk.

        Raises:
            OutputError: the disk refuses.
        """
        try:
            sync_file(self._descriptor)
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
            count: int = os.preadv(self._descriptor, [view], offset)
            return count
        with self._position_lock:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            content = os.read(self._descriptor, len(view))
        view[: len(content)] = content
        return len(content)

    def _write_from(self, view: memoryview, offset: int) -> int:
        if hasattr(os, "pwrite"):
            count: int = os.pwrite(self._descriptor, view, offset)
            return count
        with self._position_lock:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            return os.write(self._descriptor, view)


def move_into_place(made: Path, target: Path) -> None:
    """Rename a complete file to its final name: after a crash at any moment that is the old file or the new one, whole."""
    descriptor = os.open(made, os.O_RDWR | _BINARY)
    try:
        sync_file(descriptor)
    finally:
        os.close(descriptor)
    replace_file(made, target)
    sync_folder(target.parent)


def writer_lock(path: Path) -> AbstractContextManager[None]:
    """Keep a second writer away from a store; see `mlsp.base.one_writer.one_writer`.

    Raises:
        FeatureStoreError: another writer has the store.
        OutputError: its folder cannot be written.
    """
    return one_writer(path, "feature file", busy=FeatureStoreError)


def disk_bytes(file: os.stat_result) -> int:
    """Return the room that a file takes on the disk, in bytes; of a sparse one less than its size."""
    # st_blocks counts 512 bytes whatever the file system's block size; Windows has none.
    blocks: Any = getattr(file, "st_blocks", None)
    return file.st_size if blocks is None else int(blocks) * 512
