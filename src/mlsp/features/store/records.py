"""The table of photos in a feature store: which are done, what is known of them, and the order in which the disk learns it."""

from __future__ import annotations

import time
import zlib
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlsp.features.store.codec import StoredArray
from mlsp.features.store.files import PositionedFile
from mlsp.features.store.rows import Rows
from mlsp.features.store.schema import DONE, FAILED, MESSAGE_BYTES, PENDING, OpenedFile

# Rows are put on the disk in groups: a power loss or kill costs at most this many, or what came in this time.
GROUP_ROWS = 64
GROUP_SECONDS = 5.0


class PhotoRecords:
    """Records and messages of the photos of a store.

    A record carries a checksum of itself. One that a power loss tore counts as pending, so its photo is done again.

    Args:
        file: of the store.
        opened: what it says of itself.
    """

    def __init__(self, file: PositionedFile, opened: OpenedFile) -> None:
        self._file = file
        self._photos = opened.photos
        self._dtype = opened.layout.record_dtype()
        self._records_offset = opened.offsets["records"]
        self._messages_offset = opened.offsets["messages"]
        self._torn: list[int] = []
        self._uncommitted: set[int] = set()
        self._last_commit = time.monotonic()

    @cached_property
    def _table(self) -> NDArray[Any]:
        content = self._file.read(self._records_offset, self._photos * self._dtype.itemsize)
        table = content.view(self._dtype)
        written = np.flatnonzero(table["status"] != PENDING)
        size = self._dtype.itemsize
        view = content.data
        checksums = [zlib.crc32(view[row * size : (row + 1) * size - 4]) for row in written]
        torn = written[table["record_crc32"][written] != np.array(checksums, dtype=np.uint32)]
        table[torn] = np.zeros((), dtype=self._dtype)
        self._torn = torn.tolist()
        return table

    def torn(self) -> list[int]:
        """Rows whose record was damaged when it was read; they count as pending until they are written."""
        table = self._table  # Reading it finds them.
        return [index for index in self._torn if table[index]["status"] == PENDING]

    def __getitem__(self, index: int) -> Any:
        """The record of a row."""
        return self._table[index]

    def rows(self, status: int) -> NDArray[np.intp]:
        """Rows of a status, rising."""
        return np.flatnonzero(self._table["status"] == status)

    def statuses(self) -> NDArray[np.uint8]:
        """(photos,) their statuses."""
        statuses: NDArray[np.uint8] = self._table["status"]
        return statuses

    def message(self, index: int) -> str:
        """Why the photo of a row failed."""
        offset = self._messages_offset + index * MESSAGE_BYTES
        content = self._file.read(offset, MESSAGE_BYTES).tobytes().rstrip(b"\0")
        if zlib.crc32(content) != self[index]["message_crc32"]:
            return "the message was lost in an interruption"
        return content.decode("utf-8")

    def note_done(
        self,
        index: int,
        *,
        journal_position: int,
        width: int,
        height: int,
        content_sha256: bytes,
        view_crc32: NDArray[np.uint32],
    ) -> None:
        """Note that the features of a photo were written; `commit` makes it last."""
        record = np.zeros((), dtype=self._dtype)
        record["status"] = DONE
        record["journal_position"] = journal_position
        record["width"], record["height"] = width, height
        record["content_sha256"] = np.frombuffer(content_sha256, dtype=np.uint8)
        record["view_crc32"] = view_crc32
        if self[index]["status"] == FAILED:
            self._write_message(index, b"")
        self._note(index, record)

    def note_failed(self, index: int, message: str) -> None:
        """Note why a photo failed; `commit` makes it last."""
        content = message.encode("utf-8", "replace").strip(b"\0")
        if len(content) > MESSAGE_BYTES:
            content = content[: MESSAGE_BYTES - 3].decode("utf-8", "ignore").encode() + "…".encode()
        self._write_message(index, content)
        record = np.zeros((), dtype=self._dtype)
        record["status"] = FAILED
        record["message_crc32"] = zlib.crc32(content)
        self._note(index, record)

    def note_pending(self, index: int) -> None:
        """Note that a row is to be written again; `commit` makes it last."""
        self._note(index, np.zeros((), dtype=self._dtype))

    def commit_due(self) -> bool:
        """Whether enough was noted, or enough time has passed, for a `commit`."""
        waited = time.monotonic() - self._last_commit
        return len(self._uncommitted) >= GROUP_ROWS or waited >= GROUP_SECONDS

    def commit(self, rows: Rows) -> None:
        """Put rows on the disk, and then what was noted of them."""
        if not self._uncommitted:
            return
        # Only when the rows themselves are on the disk may it learn that they are done: otherwise a power loss could leave
        # records of rows that are not there.
        rows.sync()
        self._file.sync()
        for index in sorted(self._uncommitted):
            offset = self._records_offset + index * self._dtype.itemsize
            self._file.write(offset, self._table[index].tobytes())
        self._file.sync()
        self._uncommitted.clear()
        self._last_commit = time.monotonic()

    def _note(self, index: int, record: NDArray[Any]) -> None:
        self._table[index] = sealed(record)
        self._uncommitted.add(index)

    def _write_message(self, index: int, content: bytes) -> None:
        offset = self._messages_offset + index * MESSAGE_BYTES
        self._file.write(offset, content.ljust(MESSAGE_BYTES, b"\0"))


def sealed(record: StoredArray) -> StoredArray:
    """A record with its checksum; a pending one is all zeros, as the file is made."""
    result = record.copy()
    result["record_crc32"] = 0 if record["status"] == PENDING else _record_crc32(record)
    return result


def _record_crc32(record: Any) -> int:
    # The checksum itself comes last.
    return zlib.crc32(record.tobytes()[:-4])
