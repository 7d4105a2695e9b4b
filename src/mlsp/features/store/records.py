"""Records of the photos in a feature store: status, size, checksums; and the order in which they reach the disk."""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlsp.base.errors import SettingsError, unknown_name
from mlsp.features.store.codec import StoredArray
from mlsp.features.store.files import PositionedFile
from mlsp.features.store.rows import Rows
from mlsp.features.store.schema import (
    DONE,
    FAILED,
    MESSAGE_BYTES,
    PENDING,
    OpenedFile,
    StoreLayout,
)

# Rows are put on the disk in groups: a power loss or kill costs at most this many, or what came in this time.
GROUP_ROWS = 64
GROUP_SECONDS = 5.0


Status = Literal["pending", "done", "failed"]
_STATUS: dict[int, Status] = {PENDING: "pending", DONE: "done", FAILED: "failed"}
_CODES = {status: code for code, status in _STATUS.items()}


@dataclass(frozen=True, slots=True)
class StoredPhoto:
    """Record of a photo in a store.

    Attributes:
        photo_id: its name.
        status: whether its features are there.
        width: in pixels; None if it is not done.
        height: in pixels; None if it is not done.
        content_sha256: of its file; None if it is not done.
        message: why it failed; None if it did not.
    """

    photo_id: str
    status: Status
    width: int | None
    height: int | None
    content_sha256: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """Summary of a store.

    Attributes:
        layout: of the store.
        photos: number of all of them.
        done: photos whose features are there.
        failed: photos that have a message instead.
        size_bytes: of the file, and of its journal if it has one; holes included.
        disk_bytes: space that they take on the disk.
    """

    layout: StoreLayout
    photos: int
    done: int
    failed: int
    size_bytes: int
    disk_bytes: int

    @property
    def pending(self) -> int:
        """Number of photos still to be done."""
        return self.photos - self.done - self.failed


class PhotoRecords:
    """Table of the records and messages of a store.

    A record carries a checksum of itself. One that a power loss tore counts as pending, so its photo is done again.
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
        """Return rows whose record was damaged when it was read; they count as pending until they are written."""
        table = self._table  # Reading it finds them.
        return [index for index in self._torn if table[index]["status"] == PENDING]

    def __getitem__(self, index: int) -> Any:
        """Return the record of a row."""
        return self._table[index]

    def rows(self, status: Status) -> NDArray[np.intp]:
        """Return the rows of a status, ascending."""
        if status not in _CODES:
            raise SettingsError(unknown_name("status", status, _CODES))
        return np.flatnonzero(self.statuses() == _CODES[status])

    def photo(self, index: int, photo_id: str) -> StoredPhoto:
        """Return the record of the photo of a row."""
        record = self[index]
        status = _STATUS[int(record["status"])]
        done = status == "done"
        return StoredPhoto(
            photo_id=photo_id,
            status=status,
            width=int(record["width"]) if done else None,
            height=int(record["height"]) if done else None,
            content_sha256=record["content_sha256"].tobytes().hex() if done else None,
            message=self.message(index) if status == "failed" else None,
        )

    def statuses(self) -> NDArray[np.uint8]:
        """Return the status of each photo, (photos,)."""
        statuses: NDArray[np.uint8] = self._table["status"]
        return statuses

    def message(self, index: int) -> str:
        """Return why the photo of a row failed."""
        stored = self.stored_message(index)
        return "the message was lost in an interruption" if stored is None else stored

    def stored_message(self, index: int) -> str | None:
        """Return the message of a row as it is stored; None if its checksum differs."""
        offset = self._messages_offset + index * MESSAGE_BYTES
        content = self._file.read(offset, MESSAGE_BYTES).tobytes().rstrip(b"\0")
        if zlib.crc32(content) != self[index]["message_crc32"]:
            return None
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
        """Note that the features of a photo were written; `commit` puts it on the disk."""
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
        """Note why a photo failed; `commit` puts it on the disk."""
        content = message.encode("utf-8", "replace").strip(b"\0")
        if len(content) > MESSAGE_BYTES:
            content = content[: MESSAGE_BYTES - 3].decode("utf-8", "ignore").encode() + "…".encode()
        self._write_message(index, content)
        record = np.zeros((), dtype=self._dtype)
        record["status"] = FAILED
        record["message_crc32"] = zlib.crc32(content)
        self._note(index, record)

    def note_pending(self, index: int) -> None:
        """Note that a row is to be written again; `commit` puts it on the disk."""
        self._note(index, np.zeros((), dtype=self._dtype))

    def commit_due(self) -> bool:
        """Return whether enough was noted, or enough time has passed, for a `commit`."""
        waited = time.monotonic() - self._last_commit
        return len(self._uncommitted) >= GROUP_ROWS or waited >= GROUP_SECONDS

    def commit(self, rows: Rows) -> None:
        """Put rows on the disk, and then their records."""
        if not self._uncommitted:
            return
        # Rows first: otherwise a power loss could leave records of rows that are not there.
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
    """Return a record with its checksum; a pending one is all zeros, as in a new file."""
    result = record.copy()
    # The checksum itself comes last.
    is_pending = record["status"] == PENDING
    result["record_crc32"] = 0 if is_pending else zlib.crc32(record.tobytes()[:-4])
    return result
