"""The HDF5 file of a feature store: its data sets and attributes, made once and never changed in structure.

    /             attributes: format, format_version, kind, grids, level_channels, dtype, compression, precision, ids_sha256
    /ids          (photos,) UTF-8 names
    /records      (photos,) status, size and checksums, see `StoreLayout.record_dtype`
    /messages     (photos,) why a photo failed
    /narrow       (photos, views, 1, 1, channels) if grid 1 is stored
    /wide         (photos, views, 5, 5, channels) if grid 5 is stored
    /…_scales     (photos, views, levels, 2) minimum and step of the codes, if dtype is uint8_level

Without compression every data set is one continuous piece at a fixed position; the file is sparse until rows are written.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mlsp.base.errors import FeatureStoreError, MlspError, SettingsError
from mlsp.base.json_text import parse_json
from mlsp.features.spec import LATER_FIELDS, FeatureSpec, Grid, read_spec
from mlsp.features.store.codec import GridCodec, Part, StoredDtype
from mlsp.features.store.compression import Compression, filter_settings
from mlsp.photos.crops import VIEW_COUNTS

FORMAT = "mlsp features"
FORMAT_VERSION = 1
# Attribute with `ids_digest`.
IDS_DIGEST = "ids_sha256"
MESSAGE_BYTES = 480
PENDING, DONE, FAILED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class StoreLayout:
    """Form of a feature store: which features of each photo it stores, and how.

    Attributes:
        feature_spec: of the features; its grid is one of `grids`.
        level_channels: channels of each level, in the order of `feature_spec.levels`.
        grids: ascending; all from one pass of the network.
        dtype: how numbers are stored, see `GridCodec`.
        compression: lossless, applied to what `dtype` gives; None for none.
        precision: number format in which the network computed. It is no part of the spec, as heads read any; but a file has one,
            so that an extraction continued or merged is what it would have been in one go.

    Raises:
        SettingsError: a value is unknown, or values contradict each other.
        MissingExtraError: the compression is not installed.
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
                f"level_channels has {len(self.level_channels)} numbers, feature_spec has "
                f"{len(self.feature_spec.levels)} levels"
            )
        if self.feature_spec.grid not in self.grids or list(self.grids) != sorted(set(self.grids)):
            raise SettingsError(
                f"grids must be ascending and contain feature_spec's grid {self.feature_spec.grid}, got {self.grids}"
            )
        for grid in self.grids:
            GridCodec(grid, self.level_channels, self.dtype)
        if self.compression is not None:
            filter_settings(self.compression)

    @property
    def views(self) -> int:
        """Number of views of each photo."""
        return VIEW_COUNTS[self.feature_spec.views]

    @property
    def channels(self) -> int:
        """Number of channels, of all levels together."""
        return sum(self.level_channels)

    @property
    def grid_sources(self) -> dict[Grid, Grid]:
        """The stored grid that gives each grid which can be read: itself, or the wide one, whose mean is narrow."""
        sources: dict[Grid, Grid] = {grid: grid for grid in self.grids}
        if 5 in sources:
            sources.setdefault(1, 5)
        return sources

    def codecs(self) -> dict[Grid, GridCodec]:
        """Return the codec of each grid, in order."""
        return {grid: GridCodec(grid, self.level_channels, self.dtype) for grid in self.grids}

    def parts(self) -> tuple[Part, ...]:
        """Return the parts of the store, in order."""
        return tuple(part for codec in self.codecs().values() for part in codec.parts)

    def record_dtype(self) -> np.dtype[Any]:
        """Return the dtype of a record: status, size in pixels, SHA-256 of the file, CRC-32 of each view, of the message, of itself."""
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
        """Describe how this differs from another layout, a phrase per field."""
        return spec_differences(self.feature_spec, expected.feature_spec) + _differences(
            self, expected, "feature_spec"
        )


def spec_differences(found: FeatureSpec, expected: FeatureSpec) -> list[str]:
    """Describe how two specs differ in all but the grid, of which a store may have several; a phrase per field."""
    # Weights and levels of another network are others anyway.
    follow = ("weights_sha256", "levels") if found.backbone != expected.backbone else ()
    return _differences(found, expected, "grid", *follow)


def _differences(found: Any, expected: Any, *left_out: str) -> list[str]:
    names = [field.name for field in dataclasses.fields(found) if field.name not in left_out]
    return [
        f"{name} is {getattr(found, name)!r}, expected {getattr(expected, name)!r}"
        for name in names
        if getattr(found, name) != getattr(expected, name)
    ]


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """Header of a store's file.

    Attributes:
        layout: of the store.
        photos: number of them.
        offsets: position of each data set that is one continuous piece, in bytes, by its name.
    """

    layout: StoreLayout
    photos: int
    offsets: dict[str, int]


def read_file(path: Path) -> OpenedFile:
    """Read the header of a store's file; takes the same time for any number of photos.

    Raises:
        FeatureStoreError: it is missing, damaged, cut off or no feature file.
    """
    with open_hdf5(path) as file, _damage_is_told(path):
        if "format" not in file.attrs:
            raise FeatureStoreError(
                f"{path} is not a feature file of mlsp: if the paper's published code wrote it, make one by"
                f" mlsp features import {path} --output NEW.h5"
            )
        version = int(file.attrs["format_version"])
        if file.attrs["format"] != FORMAT or version > FORMAT_VERSION:
            raise FeatureStoreError(
                f"feature file {path} has format {file.attrs['format']!r} version {version}, "
                f"expected {FORMAT!r} up to version {FORMAT_VERSION}: use a newer mlsp"
            )
        compression = file.attrs["compression"]
        layout = StoreLayout(
            feature_spec=_feature_spec(path, parse_json(file.attrs["kind"])),
            level_channels=tuple(int(count) for count in file.attrs["level_channels"]),
            grids=tuple(int(grid) for grid in file.attrs["grids"]),  # type: ignore[misc]
            dtype=file.attrs["dtype"],
            compression=None if compression == "none" else compression,
            precision=file.attrs["precision"],
        )
        datasets = {name: file[name] for name in file}
        photos = len(datasets["ids"])
        offsets = {
            name: int(dataset.id.get_offset())
            for name, dataset in datasets.items()
            if dataset.chunks is None and dataset.id.get_offset() is not None
        }
        shapes: dict[str, tuple[int, ...]] = {"records": (photos,), "messages": (photos,)}
        if layout.compression is None:
            shapes |= {part.name: (photos, layout.views, *part.shape) for part in layout.parts()}
        for name, shape in shapes.items():
            if name not in offsets or datasets[name].shape != shape:
                raise ValueError(f"its data set {name} is missing or has another shape")
        end = max(offsets[name] + datasets[name].nbytes for name in offsets)
    size = path.stat().st_size
    if size < end:
        raise FeatureStoreError(
            f"feature file {path} has {size} bytes, expected at least {end}: it was cut off; copy it "
            "again or extract it again"
        )
    return OpenedFile(layout, photos, offsets)


def read_ids(path: Path) -> tuple[str, ...]:
    """Read the ids of the photos, in the order of the rows.

    Raises:
        FeatureStoreError: they are damaged.
    """
    with open_hdf5(path) as file, _damage_is_told(path):
        encoded = file["ids"][:].tolist()
        # Files of before have none.
        if IDS_DIGEST in file.attrs and file.attrs[IDS_DIGEST] != ids_digest(encoded):
            raise ValueError("the checksum of the photos' names differs")
        return tuple(name.decode("utf-8", "surrogateescape") for name in encoded)


def ids_digest(encoded: Sequence[bytes]) -> str:
    """Return the SHA-256 of photos' names, in which there is no NUL."""
    return hashlib.sha256(b"\0".join(encoded)).hexdigest()


@contextmanager
def _damage_is_told(path: Path) -> Iterator[None]:
    """Raise whatever h5py makes of damage as `FeatureStoreError`."""
    try:
        yield
    except MlspError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise FeatureStoreError(
            f"feature file {path} is damaged: {error}; copy it again or extract it again"
        ) from error


def open_hdf5(path: Path) -> h5py.File:
    """Open an HDF5 file for reading; also one that another process extends.

    Raises:
        FeatureStoreError: it is missing or no HDF5 file.
    """
    try:
        return h5py.File(path, "r", locking=False, rdcc_nbytes=0)
    except FileNotFoundError:
        raise FeatureStoreError(f"feature file {path} does not exist") from None
    except IsADirectoryError:
        raise FeatureStoreError(f"{path} is a folder, expected a feature file") from None
    except OSError as error:
        raise FeatureStoreError(
            f"{path} is not an HDF5 file, or is damaged or cut off: {error}; name another file, copy it again or extract it again"
        ) from error


def _feature_spec(path: Path, values: dict[str, Any]) -> FeatureSpec:
    names = {field.name for field in dataclasses.fields(FeatureSpec)}
    if values.keys() | set(LATER_FIELDS) != names:
        raise FeatureStoreError(
            f"feature file {path} describes its features by {sorted(values)}, expected "
            f"{sorted(names)}: it is of another version of mlsp"
        )
    # Values are compared with what is expected, not checked here.
    return read_spec(values)
