"""Storage of the rows of a feature store: at fixed positions, or compressed through a journal."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np

from mlsp.base.durability import sync_folder
from mlsp.base.errors import FeatureStoreError
from mlsp.features.store.codec import Part, StoredArray
from mlsp.features.store.compression import Chunk, ChunkCompressor, Compression, read_chunk
from mlsp.features.store.files import PositionedFile
from mlsp.features.store.schema import OpenedFile, open_hdf5

_JOURNAL_START = b"mlsp journal 1\n\0"


class Rows(Protocol):
    """Reader and writer of rows. A position is that of a row in the journal; 0 for one in the HDF5 file itself."""

    def read(self, part: Part, index: int, views: slice, position: int) -> StoredArray:
        """Read views of one photo, (V', …).

        Raises:
            FeatureStoreError: they are damaged or cannot be read.
        """

    def write(self, index: int, stored: Mapping[str, StoredArray]) -> int:
        """Write all views of one photo, return the row's position."""

    def sync(self) -> None:
        """Return when all rows written are on the disk."""

    def close(self) -> None:
        """Close the files; a second call does nothing."""


def journal_path(path: Path) -> Path:
    """Return the file beside a compressed store that holds the rows written since it was last finished."""
    return path.with_name(path.name + ".journal")


class FixedRows:
    """Uncompressed rows: each photo has a fixed position, so writing a row changes nothing else in the file."""

    def __init__(self, file: PositionedFile, opened: OpenedFile) -> None:
        self._file = file
        self._views = opened.layout.views
        self._offsets = opened.offsets

    def read(self, part: Part, index: int, views: slice, position: int) -> StoredArray:
        """Read one continuous piece of the file; see `Rows.read`."""
        del position
        first, stop, _ = views.indices(self._views)
        offset = self._offsets[part.name] + (index * self._views + first) * part.view_bytes
        content = self._file.read(offset, (stop - first) * part.view_bytes)
        return content.view(part.dtype).reshape(stop - first, *part.shape)

    def write(self, index: int, stored: Mapping[str, StoredArray]) -> int:
        """Implement `Rows.write`."""
        for name, array in stored.items():
            offset = self._offsets[name] + index * array.nbytes
            self._file.write(offset, np.ascontiguousarray(array).data.cast("B"))
        return 0

    def sync(self) -> None:
        """Do nothing: the store syncs its own file."""

    def close(self) -> None:
        """Do nothing: the store closes its own file."""


class CompressedRows:
    """Compressed rows: finished ones are chunks in the HDF5 file, newer ones lie in the journal as the same chunks.

    An entry of the journal is the length and mask of its chunks, view by view and in a view part by part, then the chunks.
    """

    def __init__(
        self, path: Path, opened: OpenedFile, compression: Compression, *, writable: bool
    ) -> None:
        self._path = path
        self._views = opened.layout.views
        self._parts = opened.layout.parts()
        self._writable = writable
        self._compressors = {part.name: ChunkCompressor(part, compression) for part in self._parts}
        self._heads = struct.Struct(f"<{2 * self._views * len(self._parts)}I")
        self._journal: PositionedFile | None = None
        self._journal_end = 0
        self._hdf5: h5py.File | None = None
        self._process = os.getpid()

    def read(self, part: Part, index: int, views: slice, position: int) -> StoredArray:
        """Implement `Rows.read`."""
        if position == 0:
            try:
                array: StoredArray = self._opened_hdf5()[part.name][index, views]
            except OSError as error:
                raise FeatureStoreError(
                    f"row {index} of feature file {self._path} is damaged: {error}"
                ) from error
            return array
        compressor = self._compressors[part.name]
        chunks = self.chunks(part, index, views, position)
        return np.stack([compressor.decompress(chunk) for chunk in chunks])

    def chunks(self, part: Part, index: int, views: slice, position: int) -> list[Chunk]:
        """Read views of one photo, still compressed."""
        numbers = range(*views.indices(self._views))
        if position == 0:
            dataset = self._opened_hdf5()[part.name]
            inner = (0,) * len(part.shape)
            return [read_chunk(dataset, (index, view, *inner)) for view in numbers]
        journal = self._opened_journal()
        heads = self._heads.unpack(journal.read(position, self._heads.size).tobytes())
        lengths, masks = heads[::2], heads[1::2]
        starts = np.cumsum((position + self._heads.size, *lengths))
        found = []
        for view in numbers:
            number = view * len(self._parts) + self._parts.index(part)
            content = journal.read(int(starts[number]), lengths[number]).tobytes()
            found.append(Chunk(content, masks[number]))
        return found

    def write(self, index: int, stored: Mapping[str, StoredArray]) -> int:
        """Implement `Rows.write`."""
        del index
        chunks = [
            self._compressors[part.name].compress(stored[part.name][view])
            for view in range(self._views)
            for part in self._parts
        ]
        journal = self._opened_journal()
        position = self._journal_end
        heads = (number for chunk in chunks for number in (len(chunk.content), chunk.mask))
        entry = self._heads.pack(*heads) + b"".join(chunk.content for chunk in chunks)
        journal.write(position, entry)
        self._journal_end = position + len(entry)
        return position

    def sync(self) -> None:
        """Implement `Rows.sync`."""
        if self._journal is not None:
            self._journal.sync()

    def close(self) -> None:
        """Implement `Rows.close`."""
        for file in (*self._compressors.values(), self._journal, self._hdf5):
            if file is not None:
                file.close()
        self._journal = self._hdf5 = None

    def _opened_hdf5(self) -> h5py.File:
        # HDF5 must not be shared with a forked process, as data loaders are.
        if self._hdf5 is None or self._process != os.getpid():
            self._hdf5 = open_hdf5(self._path)
            self._process = os.getpid()
        return self._hdf5

    def _opened_journal(self) -> PositionedFile:
        if self._journal is None:
            path = journal_path(self._path)
            self._journal = PositionedFile(path, writable=self._writable, append=self._writable)
            # What a crash left half written stays behind: nothing refers to it, and finishing leaves it out.
            self._journal_end = self._journal.size_bytes()
            if self._writable and self._journal_end < len(_JOURNAL_START):
                self._journal.write(0, _JOURNAL_START)
                self._journal_end = len(_JOURNAL_START)
                sync_folder(path.parent)
        return self._journal
