"""Writing a whole feature store anew from rows that exist: to finish a compressed one, and to merge several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mlsp.base.errors import OutputError
from mlsp.features.store.codec import StoredArray
from mlsp.features.store.compression import Compression
from mlsp.features.store.records import sealed
from mlsp.features.store.rows import CompressedRows, Rows
from mlsp.features.store.schema import DONE, StoreLayout, complete_file, make_file, temporary_path


@dataclass(frozen=True, slots=True)
class CopiedRow:
    """A row to be written to another store.

    Attributes:
        record: what is known of the photo.
        message: why it failed, as stored; empty if it did not.
        stored: for each part its verified array, (V, …); empty if the photo is not done.
        rows: where it lies.
        index: its row there.
        compression: of the store it lies in.
    """

    record: Any
    message: bytes
    stored: Mapping[str, StoredArray]
    rows: Rows
    index: int
    compression: Compression | None


def write_copy(
    path: Path, layout: StoreLayout, photo_ids: Sequence[str], rows: Iterable[CopiedRow]
) -> None:
    """Write a store with all its rows; it appears under its name when it is complete, in place of an older one.

    Args:
        path: of the store.
        layout: what it holds; the rows have the same, but for the compression.
        photo_ids: names of the photos.
        rows: one for each photo, in order.

    Raises:
        FeatureStoreError: a row is damaged.
        OutputError: the file cannot be written, for example on a full disk.
    """
    file = make_file(path, layout, photo_ids, chunked=True)
    try:
        records = np.zeros(len(photo_ids), dtype=layout.record_dtype())
        for index, row in enumerate(rows):
            record = row.record.copy()
            record["journal_position"] = 0
            records[index] = sealed(record)
            if row.message:
                file["messages"][index] = np.bytes_(row.message)
            if record["status"] == DONE:
                _copy_features(file, layout, index, row)
        file["records"][...] = records
        complete_file(file, path)
    except BaseException as error:
        file.close()
        temporary_path(path).unlink(missing_ok=True)
        if isinstance(error, OSError | RuntimeError):
            raise OutputError(f"feature file {path} cannot be written: {error}") from error
        raise


def _copy_features(file: h5py.File, layout: StoreLayout, index: int, row: CopiedRow) -> None:
    for part in layout.parts():
        dataset = file[part.name]
        same = layout.compression is not None and row.compression == layout.compression
        if same and isinstance(row.rows, CompressedRows):
            position = int(row.record["journal_position"])
            for view in range(layout.views):
                chunk = row.rows.chunk(part, row.index, view, position)
                origin = (index, view) + (0,) * len(part.shape)
                dataset.id.write_direct_chunk(origin, chunk.content, chunk.mask)
        else:
            dataset[index] = row.stored[part.name]
