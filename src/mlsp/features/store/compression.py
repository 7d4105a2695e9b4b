"""Lossless compression of stored features, by HDF5's own filters, one chunk at a time."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import h5py
import numpy as np

from mlsp.base.errors import FeatureStoreError, MissingExtraError, SettingsError, unknown_name
from mlsp.features.store.codec import Part, StoredArray

Compression = Literal["zstd"]
COMPRESSIONS: tuple[Compression, ...] = ("zstd",)
_numbers = itertools.count()


def filter_settings(compression: str) -> Mapping[str, Any]:
    """Return the arguments of h5py's `create_dataset` for a compression.

    Zstandard at level 1 after byte shuffling: measured on wide features, levels 3 and 9 take longer and gain nothing, lz4 saves
    half as much.

    Raises:
        MissingExtraError: hdf5plugin, which has the filters, is not installed.
        SettingsError: `compression` is unknown.
    """
    # blosc2 is only read: version 0.1 could write it.
    if compression not in (*COMPRESSIONS, "blosc2"):
        raise SettingsError(unknown_name("compression", compression, COMPRESSIONS))
    try:
        import hdf5plugin
    except ImportError as error:
        raise MissingExtraError("Compressed feature files", "research") from error
    if compression == "blosc2":
        return {**hdf5plugin.Blosc2()}
    return {**hdf5plugin.Zstd(clevel=1), "shuffle": True}


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk as HDF5 stores it.

    Attributes:
        content: after the filters.
        mask: a bit for each filter that was left out, because it made this chunk no smaller.
    """

    content: bytes
    mask: int


class ChunkCompressor:
    """Encoder and decoder of the chunks of an HDF5 file with the same filter, without such a file."""

    def __init__(self, part: Part, compression: Compression) -> None:
        shape = (1, 1, *part.shape)
        self._origin = (0,) * len(shape)
        # HDF5 has no function that only runs a filter: a file in memory does.
        self._file = h5py.File(
            f"mlsp-chunk-{next(_numbers)}", "w", driver="core", backing_store=False
        )
        self._dataset = self._file.create_dataset(
            part.name, shape, part.dtype, chunks=shape, **filter_settings(compression)
        )

    def compress(self, view: StoredArray) -> Chunk:
        """Compress one view."""
        self._dataset[0, 0] = view
        # Filters run when a chunk leaves the cache.
        self._file.flush()
        return read_chunk(self._dataset, self._origin)

    def decompress(self, chunk: Chunk) -> StoredArray:
        """Return the view of a chunk.

        Raises:
            FeatureStoreError: it is damaged.
        """
        self._dataset.id.write_direct_chunk(self._origin, chunk.content, chunk.mask)
        try:
            view: StoredArray = np.asarray(self._dataset[0, 0])
        except OSError as error:
            raise FeatureStoreError("compressed features are damaged") from error
        return view

    def close(self) -> None:
        """Free its memory."""
        self._file.close()


def read_chunk(dataset: h5py.Dataset, origin: tuple[int, ...]) -> Chunk:
    """Read a chunk by the position of its first element, still compressed."""
    mask, content = dataset.id.read_direct_chunk(origin)
    return Chunk(bytes(content), mask)
