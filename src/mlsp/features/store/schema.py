"""The HDF5 file of a feature store: its data sets and attributes, made once and never changed in structure.

    /             attributes: format, format_version, kind, grids, level_channels, dtype, compression, precision
    /ids          (photos,) names of the photos
    /records      (photos,) what is known of each photo, see `record_dtype`
    /messages     (photos,) why a photo failed
    /narrow       (photos, views, 1, 1, channels) if grid 1 is stored
    /wide         (photos, views, 5, 5, channels) if grid 5 is stored
    /…_scales     (photos, views, levels or channels, 2) least value and step of the codes, for 8-bit dtypes

Without compression every data set lies in one piece at a fixed position; the file is sparse until rows are written.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t

from mlsp.base.errors import FeatureStoreError, OutputError, SettingsError
from mlsp.features.spec import FeatureSpec, Grid, read_spec, spec_record
from mlsp.features.store.codec import GridCodec, Part, StoredDtype
from mlsp.features.store.compression import Compression, filter_settings
from mlsp.features.store.files import move_into_place
from mlsp.photos.crops import VIEW_COUNTS

FORMAT = "mlsp features"
FORMAT_VERSION = 1
MESSAGE_BYTES = 480
PENDING, DONE, FAILED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class StoreLayout:
    """What a feature store holds of each photo, and how.

    Attributes:
        feature_spec: of the features; its grid is one of `grids`.
        level_channels: channels of each level, in the order of `kind.levels`.
        grids: those kept of the same pass of the network.
        dtype: how numbers are kept, see `GridCodec`.
        compression: lossless, of what `dtype` gives; None for none.
        precision: number format in which the network computed. It is no part of the kind, as heads read any; but a file has one,
            so that an extraction continued or merged is what it would have been in one go.
    """

    feature_spec: FeatureSpec
    level_channels: tuple[int, ...]
    grids: tuple[Grid, ...]
    dtype: StoredDtype = "float16"
    compression: Compression | None = None
    precision: str = "float32"

    def __post_init__(self) -> None:
        if len(self.level_channels) != len(self.feature_spec.levels):
            raise SettingsError(
                f"level_channels has {len(self.level_channels)} numbers, the kind has "
                f"{len(self.feature_spec.levels)} levels"
            )
        if self.feature_spec.grid not in self.grids or list(self.grids) != sorted(set(self.grids)):
            raise SettingsError(
                f"grids must be rising and hold the kind's grid {self.feature_spec.grid}, got {self.grids}"
            )
        for grid in self.grids:
            GridCodec(grid, self.level_channels, self.dtype)
        if self.compression is not None:
            filter_settings(self.compression)

    @property
    def views(self) -> int:
        """Views of each photo."""
        return VIEW_COUNTS[self.feature_spec.views]

    @property
    def channels(self) -> int:
        """Channels of all levels together."""
        return sum(self.level_channels)

    def codecs(self) -> dict[Grid, GridCodec]:
        """One for each grid, in order."""
        return {grid: GridCodec(grid, self.level_channels, self.dtype) for grid in self.grids}

    def parts(self) -> tuple[Part, ...]:
        """Arrays of the store, in order."""
        return tuple(part for codec in self.codecs().values() for part in codec.parts)

    def record_dtype(self) -> np.dtype[Any]:
        """What is kept of a photo: status, size in pixels, SHA-256 of its file, CRC-32 of each view, of the message, of itself."""
        return np.dtype(
            [
                ("status", "u1"),
                ("content_sha256", "u1", (32,)),
                ("width", "<u4"),
                ("height", "<u4"),
                ("journal_position", "<u8"),
                ("view_crc32", "<u4", (self.views,)),
                ("message_crc32", "<u4"),
                ("record_crc32", "<u4"),
            ]
        )

    def differences(self, expected: StoreLayout) -> list[str]:
        """How this differs from another layout, field by field, as phrases."""
        return spec_differences(self.feature_spec, expected.feature_spec) + _differences(
            self, expected, "feature_spec"
        )


def spec_differences(found: FeatureSpec, expected: FeatureSpec) -> list[str]:
    """How two kinds differ but for the grid, of which a store may hold several; field by field, as phrases."""
    return _differences(found, expected, "grid")


def _differences(found: Any, expected: Any, left_out: str) -> list[str]:
    names = [field.name for field in dataclasses.fields(found) if field.name != left_out]
    return [
        f"{name} is {getattr(found, name)!r}, expected {getattr(expected, name)!r}"
        for name in names
        if getattr(found, name) != getattr(expected, name)
    ]


def make_file(
    path: Path, layout: StoreLayout, photo_ids: Sequence[str], *, chunked: bool = False
) -> h5py.File:
    """Make the file of a store under a temporary name, with no photo done.

    Args:
        path: where it shall lie when it is complete.
        layout: of the store.
        photo_ids: names of the photos, all different.
        chunked: makes room for compressed chunks in the file itself.

    Returns:
        The open file; hand it to `complete_file`.

    Raises:
        OutputError: it cannot be written.
        SettingsError: there are no photos, or two of one name.
    """
    _check_ids(photo_ids)
    try:
        # Blocks start at whole pages, so that the store can be read past the cache or mapped.
        file = h5py.File(
            temporary_path(path), "w", alignment_threshold=4096, alignment_interval=4096
        )
    except OSError as error:
        raise OutputError(f"feature file {path} cannot be made: {error}") from error
    try:
        _fill(file, layout, photo_ids, chunked=chunked)
    except BaseException as error:
        file.close()
        temporary_path(path).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OutputError(f"feature file {path} cannot be made: {error}") from error
        raise
    return file


def _fill(file: h5py.File, layout: StoreLayout, photo_ids: Sequence[str], *, chunked: bool) -> None:
    photos = len(photo_ids)
    file.attrs["format"] = FORMAT
    file.attrs["format_version"] = FORMAT_VERSION
    file.attrs["kind"] = json.dumps(spec_record(layout.feature_spec))
    file.attrs["grids"] = np.array(layout.grids)
    file.attrs["level_channels"] = np.array(layout.level_channels)
    file.attrs["dtype"] = layout.dtype
    file.attrs["compression"] = layout.compression or "none"
    file.attrs["precision"] = layout.precision
    encoded = [name.encode("utf-8", "surrogateescape") for name in photo_ids]
    file.create_dataset("ids", data=np.array(encoded, dtype=object), dtype=h5py.string_dtype())
    # Records get their space on the disk now, so that what is done can be noted on a full disk.
    file.create_dataset("records", data=np.zeros(photos, dtype=layout.record_dtype()))
    _reserve(file, "messages", (photos,), np.dtype(f"S{MESSAGE_BYTES}"))
    for part in layout.parts():
        shape = (photos, layout.views, *part.shape)
        if layout.compression is None:
            _reserve(file, part.name, shape, part.dtype)
        elif chunked:
            file.create_dataset(
                part.name,
                shape,
                part.dtype,
                chunks=(1, 1, *part.shape),
                **filter_settings(layout.compression),
            )


def complete_file(file: h5py.File, path: Path) -> None:
    """Close a file of `make_file` and give it its name, so that it is there whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        file.close()
        move_into_place(temporary_path(path), path)
    except (OSError, RuntimeError) as error:
        raise OutputError(f"feature file {path} cannot be made: {error}") from error


def refuse_existing(path: Path) -> None:
    """Raise `FeatureStoreError` if there is a file."""
    if path.exists():
        raise FeatureStoreError(f"feature file {path} exists: continue it, or choose another name")


def temporary_path(path: Path) -> Path:
    """Where a file is made before it gets its name; what a crash leaves there is overwritten next time."""
    return path.with_name(path.name + ".new")


def _check_ids(photo_ids: Sequence[str]) -> None:
    if not photo_ids:
        raise SettingsError("a feature file needs at least one photo, got none")
    seen: set[str] = set()
    for name in photo_ids:
        if not name or "\0" in name:
            raise SettingsError(f"a photo needs a name without NUL characters, got {name!r}")
        if name in seen:
            raise SettingsError(f"photo {name!r} is listed twice: names must differ")
        seen.add(name)


def _reserve(file: h5py.File, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Give a data set its position in the file without writing it: the file stays sparse there."""
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_layout(h5d.CONTIGUOUS)
    creation.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5d.FILL_TIME_NEVER)
    creation.set_obj_track_times(False)
    space = h5s.create_simple(shape)
    h5d.create(file.id, name.encode(), h5t.py_create(dtype, logical=True), space, creation)


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """What a store's file says of itself.

    Attributes:
        layout: of the store.
        photos: how many there are.
        offsets: position in the file of each data set that lies in one piece, in bytes.
        end: bytes the file must have at least.
    """

    layout: StoreLayout
    photos: int
    offsets: dict[str, int]
    end: int


def read_file(path: Path) -> OpenedFile:
    """Read what a store's file says of itself; takes the same time for any number of photos.

    Raises:
        FeatureStoreError: it is missing, damaged, cut off or no feature file.
    """
    with open_hdf5(path) as file:
        try:
            version = int(file.attrs["format_version"])
            if file.attrs["format"] != FORMAT or version > FORMAT_VERSION:
                raise FeatureStoreError(
                    f"feature file {path} has format {file.attrs['format']!r} version {version}, "
                    f"expected {FORMAT!r} up to version {FORMAT_VERSION}: use a newer mlsp"
                )
            compression = file.attrs["compression"]
            layout = StoreLayout(
                feature_spec=_kind(path, json.loads(file.attrs["kind"])),
                level_channels=tuple(int(count) for count in file.attrs["level_channels"]),
                grids=tuple(int(grid) for grid in file.attrs["grids"]),  # type: ignore[misc]
                dtype=file.attrs["dtype"],
                compression=None if compression == "none" else compression,
                precision=file.attrs["precision"],
            )
            datasets = {name: file[name] for name in file}
            photos = len(datasets["records"])
        except (KeyError, ValueError, TypeError) as error:
            if isinstance(error, SettingsError):
                raise
            raise FeatureStoreError(
                f"{path} is not a feature file of mlsp: {error}; files of the released code are "
                "read by mlsp.features.store.released"
            ) from error
        offsets = {
            name: int(dataset.id.get_offset())
            for name, dataset in datasets.items()
            if dataset.chunks is None and dataset.id.get_offset() is not None
        }
        end = max(offsets[name] + datasets[name].nbytes for name in offsets)
    if os.stat(path).st_size < end:
        raise FeatureStoreError(
            f"feature file {path} has {os.stat(path).st_size} bytes, expected at least {end}: it was "
            "cut off; copy it again or extract it again"
        )
    return OpenedFile(layout, photos, offsets, end)


def read_ids(path: Path) -> tuple[str, ...]:
    """Names of the photos, in the order of the rows."""
    with open_hdf5(path) as file:
        return tuple(name.decode("utf-8", "surrogateescape") for name in file["ids"][:])


def open_hdf5(path: Path) -> h5py.File:
    """Open a file for reading; also one that another process extends.

    Raises:
        FeatureStoreError: it is missing or no HDF5 file.
    """
    try:
        return h5py.File(path, "r", locking=False, rdcc_nbytes=0)
    except FileNotFoundError:
        raise FeatureStoreError(f"feature file {path} does not exist") from None
    except OSError as error:
        raise FeatureStoreError(
            f"{path} is not an HDF5 file, or is damaged or cut off: {error}"
        ) from error


def _kind(path: Path, values: dict[str, Any]) -> FeatureSpec:
    names = {field.name for field in dataclasses.fields(FeatureSpec)}
    if values.keys() | {"resize"} != names:
        raise FeatureStoreError(
            f"feature file {path} describes its features by {sorted(values)}, expected "
            f"{sorted(names)}: it is of another version of mlsp"
        )
    # What a field holds is compared with what is expected, not checked here.
    return read_spec(values)
