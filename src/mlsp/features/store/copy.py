"""Writing a whole store from rows of others: to finish a compressed one, and to merge several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mlsp.base.errors import OutputError
from mlsp.features.store.codec import StoredArray
from mlsp.features.store.compression import Chunk
from mlsp.features.store.making import complete_file, make_file, temporary_path
from mlsp.features.store.records import sealed
from mlsp.features.store.schema import StoreLayout


@dataclass(frozen=True, slots=True)
class CopiedRow:
    """A verified row of a store, to be written to another.

    Attributes:
        record: of the photo, see `StoreLayout.record_dtype`.
        message: why it failed, as stored; empty if it did not.
        parts: by the name of each part its array, (V, …), or the V compressed chunks of it; empty if the photo is not done.
    """

    record: Any
    message: bytes
    parts: Mapping[str, StoredArray | Sequence[Chunk]]


def write_copy(
    path: Path, layout: StoreLayout, ids: Sequence[str], rows: Iterable[CopiedRow]
) -> None:
    """Write a store with all its rows; it appears under its name when it is complete, in place of an older one.

    Args:
        path: of the store.
        layout: of the store; that of the rows may differ in compression.
        ids: of the photos.
        rows: one for each photo, in order; their chunks are compressed as `layout` has it.

    Raises:
        FeatureStoreError: a row is damaged.
        OutputError: the file cannot be written, for example on a full disk.
    """
    file = make_file(path, layout, ids, chunked=True)
    try:
        records = np.zeros(len(ids), dtype=layout.record_dtype())
        for index, row in enumerate(rows):
            record = row.record.copy()
            record["journal_position"] = 0
            records[index] = sealed(record)
            if row.message:
                file["messages"][index] = np.bytes_(row.message)
            for name, content in row.parts.items():
                _write_part(file[name], index, content)
        file["records"][...] = records
        complete_file(file, path)
    except BaseException as error:
        file.close()
        temporary_path(path).unlink(missing_ok=True)
        if isinstance(error, OSError | RuntimeError):
            raise OutputError(f"feature file {path} cannot be written: {error}") from error
        raise


def _write_part(dataset: h5py.Dataset, index: int, content: StoredArray | Sequence[Chunk]) -> None:
    if isinstance(content, np.ndarray):
        dataset[index] = content
        return
    for view, chunk in enumerate(content):
        origin = (index, view) + (0,) * (dataset.ndim - 2)
        dataset.id.write_direct_chunk(origin, chunk.content, chunk.mask)
