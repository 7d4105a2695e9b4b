"""Features in an `.npz`, as other tools write them: one array, a row a photo, read as a stream."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import FeatureStoreError
from mlsp.features.spec import Grid


class FeatureArray:
    """The one array of an `.npz`; nothing but its head is in memory.

    Args:
        path: of the file.
        grid: G, cells of each side that the features must have.
        channels: C that they must have.

    Attributes:
        views: V, of each row.

    Raises:
        FeatureStoreError: it cannot be read, holds another number of arrays, or the array has another type or shape.
    """

    def __init__(self, path: Path, *, grid: Grid, channels: int) -> None:
        self._path = path
        self._archive, self._member = _open(path)
        try:
            with self._archive.open(self._member) as stream:
                shape, self._dtype = _read_head(stream, path)
            self._rows = shape[0]
            self.views = _views(shape, grid, channels, path)
        except BaseException:
            self._archive.close()
            raise
        self._row_shape = (self.views, grid, grid, channels)

    def __len__(self) -> int:
        return self._rows

    @property
    def numbers_a_row(self) -> int:
        """V · G · G · C."""
        return math.prod(self._row_shape)

    def batches(self, rows: int) -> Iterator[Float32Array]:
        """Read all rows.

        Args:
            rows: of a batch.

        Yields:
            (up to `rows`, V, G, G, C), in order.

        Raises:
            FeatureStoreError: the file is damaged.
        """
        with self._archive.open(self._member) as stream:
            _read_head(stream, self._path)
            for start in range(0, self._rows, rows):
                count = min(rows, self._rows - start)
                content = _read(
                    stream, count * self.numbers_a_row * self._dtype.itemsize, self._path
                )
                values = np.frombuffer(content, self._dtype).reshape(count, *self._row_shape)
                yield values.astype(np.float32)

    def close(self) -> None:
        """Close the file."""
        self._archive.close()


def _open(path: Path) -> tuple[zipfile.ZipFile, str]:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise FeatureStoreError(f"features {path} cannot be read: {error}") from error
    names = archive.namelist()
    if len(names) != 1:
        archive.close()
        listed = ", ".join(repr(name.removesuffix(".npy")) for name in names) or "none"
        raise FeatureStoreError(f"{path} must hold one array of features, it holds {listed}")
    return archive, names[0]


def _read_head(stream: IO[bytes], path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    read = np.lib.format
    try:
        version = read.read_magic(stream)
        header = read.read_array_header_1_0 if version == (1, 0) else read.read_array_header_2_0
        shape, is_fortran, dtype = header(stream)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise FeatureStoreError(f"features {path} cannot be read: {error}") from error
    if dtype.kind != "f":
        raise FeatureStoreError(f"features in {path} must be floating-point numbers, got {dtype}")
    if is_fortran and len(shape) > 1:
        raise FeatureStoreError(
            f"features in {path} are stored column by column: save numpy.ascontiguousarray(features)"
        )
    return shape, dtype


def _views(shape: tuple[int, ...], grid: Grid, channels: int, path: Path) -> int:
    """Number of views that the shape has."""
    match shape:
        case (rows, found) if rows and grid == 1 and found == channels:
            return 1
        case (rows, views, found) if rows and views and grid == 1 and found == channels:
            return int(views)
        case (rows, height, width, found) if rows and (height, width, found) == (
            grid,
            grid,
            channels,
        ):
            return 1
        case (rows, views, height, width, found) if (
            rows and views and (height, width, found) == (grid, grid, channels)
        ):
            return int(views)
    plain = f"(rows, {channels}), (rows, views, {channels}), " if grid == 1 else ""
    raise FeatureStoreError(
        f"features in {path} have the shape {shape}, expected {plain}(rows, {grid}, {grid}, {channels}) or"
        f" (rows, views, {grid}, {grid}, {channels})"
    )


def _read(stream: IO[bytes], size: int, path: Path) -> bytes:
    try:
        content = stream.read(size)
    except (OSError, zipfile.BadZipFile) as error:
        raise FeatureStoreError(f"features {path} cannot be read: {error}") from error
    if len(content) < size:
        raise FeatureStoreError(f"features {path} cannot be read: the file ends too early")
    return content
