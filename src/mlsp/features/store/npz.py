"""Features as numpy's `.npz`: reading those of other tools, and writing a store for other tools."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import IO, Any, BinaryIO, Literal
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np

from mlsp.base.arrays import Float32Array
from mlsp.base.atomic_file import atomic_write, check_replaceable
from mlsp.base.errors import FeatureStoreError, OutputError, SettingsError, unknown_name
from mlsp.features.pooling import narrow_from_wide
from mlsp.features.spec import Grid
from mlsp.features.store.codec import grid_name
from mlsp.features.store.store import FeatureStore

_KEYS = ("file_name", "photo_id")


class FeatureArray:
    """The one array of an `.npz`, one row per photo, read as a stream: only its header is in memory.

    Args:
        path: of the file.
        grid: G, cells per side of the features that are wanted; narrow ones are made of wide ones.
        channels: C that they must have.

    Attributes:
        views: V, number of views in each row.

    Raises:
        FeatureStoreError: it cannot be read, holds another number of arrays, or the array has another type or shape.
    """

    def __init__(self, path: Path, *, grid: Grid, channels: int) -> None:
        self._path = path
        self._archive, self._member = _open(path)
        try:
            with self._opened() as stream:
                shape, self._dtype = _read_header(stream, path)
            self._rows = shape[0]
            self.views, stored = _views(shape, grid, channels, path)
        except BaseException:
            self._archive.close()
            raise
        self._grid = grid
        self._row_shape = (self.views, stored, stored, channels)

    def __len__(self) -> int:
        return self._rows

    @property
    def values_per_row(self) -> int:
        """Numbers that are stored for a photo: V · G · G · C."""
        return math.prod(self._row_shape)

    def batches(self, rows: int) -> Iterator[Float32Array]:
        """Read all rows.

        Yields:
            (N, V, G, G, C) in order, N at most `rows`.

        Raises:
            FeatureStoreError: the file is damaged.
        """
        with self._opened() as stream:
            _read_header(stream, self._path)
            for start in range(0, self._rows, rows):
                count = min(rows, self._rows - start)
                size = count * self.values_per_row * self._dtype.itemsize
                with _naming(self._path):
                    content = stream.read(size)
                    if len(content) < size:
                        raise EOFError("the file ends too early")
                values = np.frombuffer(content, self._dtype).reshape(count, *self._row_shape)
                features = values.astype(np.float32)
                yield features if self._row_shape[1] == self._grid else narrow_from_wide(features)

    def _opened(self) -> IO[bytes]:
        with _naming(self._path):
            return self._archive.open(self._member)

    def close(self) -> None:
        """Close the file."""
        self._archive.close()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Raise whatever zipfile and numpy find wrong with a damaged file as `FeatureStoreError`."""
    try:
        yield
    except (OSError, ValueError, EOFError, NotImplementedError, BadZipFile, zlib.error) as error:
        raise FeatureStoreError(f"features {path} cannot be read: {error}") from error


def _open(path: Path) -> tuple[ZipFile, str]:
    with _naming(path):
        archive = ZipFile(path)
    names = archive.namelist()
    if len(names) != 1:
        archive.close()
        listed = ", ".join(repr(name.removesuffix(".npy")) for name in names) or "none"
        raise FeatureStoreError(f"{path} must hold one array of features, it holds {listed}")
    return archive, names[0]


def _read_header(stream: IO[bytes], path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    read = np.lib.format
    with _naming(path):
        version = read.read_magic(stream)
        header = read.read_array_header_1_0 if version == (1, 0) else read.read_array_header_2_0
        shape, is_fortran, dtype = header(stream)
    if dtype.kind != "f":
        raise FeatureStoreError(f"features in {path} must be floating-point numbers, got {dtype}")
    if is_fortran and len(shape) > 1:
        raise FeatureStoreError(
            f"features in {path} are stored column by column: save numpy.ascontiguousarray(features)"
        )
    return shape, dtype


def _views(shape: tuple[int, ...], grid: Grid, channels: int, path: Path) -> tuple[int, Grid]:
    """Return the number of views that the shape has, and the grid."""
    accepted: dict[tuple[int, ...], Grid] = {(5, 5, channels): 5}
    if grid == 1:
        accepted |= {(channels,): 1, (1, 1, channels): 1}
    for inner, stored in accepted.items():
        if shape[1:] == inner and shape[0]:
            return 1, stored
        if shape[2:] == inner and shape[0] and shape[1]:
            return shape[1], stored
    if not shape or not shape[0]:
        raise FeatureStoreError(f"features in {path} have no rows, their shape is {shape}")
    if shape[-1] != channels:
        raise FeatureStoreError(
            f"features in {path} have {shape[-1]} channels (shape {shape}), and the model reads {channels}: extract those of its"
            " network and levels"
        )
    plain = f"(rows, {channels}), (rows, views, {channels}), " if grid == 1 else ""
    advice = "" if grid == 1 else ": extract them with --grid wide"
    raise FeatureStoreError(
        f"features in {path} have the shape {shape}, expected {plain}(rows, 5, 5, {channels}) or (rows, views, 5, 5, {channels})"
        f"{advice}"
    )


def export_npz(
    path: Path | str,
    output: Path | str,
    *,
    keys: Literal["file_name", "photo_id"] = "file_name",
) -> int:
    """Write the features of all photos that are done for other tools, as numpy's `load` reads them.

    One float32 array for each photo and grid: `<file name>/narrow` (V, C) and `<file name>/wide` (V, 5, 5, C).

    Args:
        path: of the store.
        output: an earlier export is replaced when the new file is complete.
        keys: name photos by the last part of their id, or by the whole id.

    Returns:
        Number of photos written.

    Raises:
        FeatureStoreError: a row is damaged, or two photos have one file name.
        OutputError: the output cannot be written, or is a file that is no export.
        SettingsError: `keys` is unknown.
    """
    if keys not in _KEYS:
        raise SettingsError(unknown_name("keys", keys, _KEYS))
    check_replaceable(Path(output), _is_export)
    with FeatureStore.open(path) as store:
        names: dict[str, int] = {}
        for index in store.rows("done").tolist():
            photo_id = store.ids[index]
            name = PurePath(photo_id).name if keys == "file_name" else photo_id
            if name in names:
                raise FeatureStoreError(
                    f"photos {store.ids[names[name]]!r} and {photo_id!r} of {path} have one file name: "
                    "export them with keys by photo_id"
                )
            names[name] = index
        try:
            with atomic_write(Path(output)) as file:
                _write_archive(file, store, names)
        except OSError as error:
            raise OutputError(f"{output} cannot be written: {error}") from error
    return len(names)


def _is_export(path: Path) -> bool:
    try:
        with ZipFile(path) as archive:
            names = archive.namelist()
    except BadZipFile:
        return False
    return all(name.endswith(("/narrow.npy", "/wide.npy")) for name in names)


def _write_archive(file: BinaryIO, store: FeatureStore, names: Mapping[str, int]) -> None:
    with ZipFile(file, "w", ZIP_STORED, allowZip64=True) as archive:
        for name, index in names.items():
            for grid in store.layout.grids:
                features = store.read(index, grid=grid)
                array = np.ascontiguousarray(features[:, 0, 0] if grid == 1 else features)
                # A fixed date, so that the same features give the same file.
                member = ZipInfo(f"{name}/{grid_name(grid)}.npy")
                with archive.open(member, "w", force_zip64=True) as stream:
                    np.lib.format.write_array(stream, array, allow_pickle=False)
