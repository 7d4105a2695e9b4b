"""Making the file of a feature store: whole under a temporary name, then renamed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t

from mlsp.base.errors import FeatureStoreError, OutputError, SettingsError
from mlsp.features.spec import spec_record
from mlsp.features.store.codec import STORED_DTYPES
from mlsp.features.store.compression import COMPRESSIONS, filter_settings
from mlsp.features.store.files import move_into_place
from mlsp.features.store.schema import (
    FORMAT,
    FORMAT_VERSION,
    IDS_DIGEST,
    MESSAGE_BYTES,
    StoreLayout,
    ids_digest,
)
from mlsp.photos import PHOTO_SUFFIXES


def make_file(
    path: Path, layout: StoreLayout, ids: Sequence[str], *, chunked: bool = False
) -> h5py.File:
    """Make the file of a store under a temporary name, with no photo done.

    Returns:
        The open file; hand it to `complete_file`.

    Raises:
        FeatureStoreError: the layout has a form that is no longer written.
        OutputError: it cannot be written.
        SettingsError: there are no photos, or two have one id.
    """
    _check_ids(ids)
    refuse_read_only(path, layout)
    try:
        # Blocks start at whole pages, so that the store can be read past the cache or mapped.
        file = h5py.File(
            temporary_path(path), "w", alignment_threshold=4096, alignment_interval=4096
        )
    except OSError as error:
        raise OutputError(f"feature file {path} cannot be made: {error}") from error
    try:
        _fill(file, layout, ids, chunked=chunked)
    except BaseException as error:
        file.close()
        temporary_path(path).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OutputError(f"feature file {path} cannot be made: {error}") from error
        raise
    return file


def _fill(file: h5py.File, layout: StoreLayout, ids: Sequence[str], *, chunked: bool) -> None:
    photos = len(ids)
    file.attrs["format"] = FORMAT
    file.attrs["format_version"] = FORMAT_VERSION
    file.attrs["kind"] = json.dumps(spec_record(layout.feature_spec))
    file.attrs["grids"] = np.array(layout.grids)
    file.attrs["level_channels"] = np.array(layout.level_channels)
    file.attrs["dtype"] = layout.dtype
    file.attrs["compression"] = layout.compression or "none"
    file.attrs["precision"] = layout.precision
    encoded = [name.encode("utf-8", "surrogateescape") for name in ids]
    file.attrs[IDS_DIGEST] = ids_digest(encoded)
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
    """Close a file of `make_file` and rename it to its final name, so that it is there whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        file.close()
        move_into_place(temporary_path(path), path)
    except (OSError, RuntimeError) as error:
        raise OutputError(f"feature file {path} cannot be made: {error}") from error


def is_begun(path: Path) -> bool:
    """Return whether there is something at a path; an empty file is nothing, as it may be left of a full disk."""
    return path.exists() and not (path.is_file() and path.stat().st_size == 0)


def check_new_file(path: Path) -> None:
    """Refuse to make a file where there is one that is not empty, or under a photo's name.

    Raises:
        FeatureStoreError: there is one.
        SettingsError: its ending is that of photos.
    """
    if path.suffix.lower() in PHOTO_SUFFIXES:
        raise SettingsError(
            f"a feature file cannot be called {str(path)!r}: its ending is that of photos; end it with .h5"
        )
    if is_begun(path):
        raise FeatureStoreError(f"feature file {path} exists: continue it, or choose another name")


def refuse_read_only(path: Path, layout: StoreLayout) -> None:
    """Raise `FeatureStoreError` if a file would be written in a form that only version 0.1 writes."""
    form: str | None
    if layout.dtype not in STORED_DTYPES:
        form, advice = layout.dtype, "extract again with --dtype uint8_level or float16"
    elif layout.compression not in (None, *COMPRESSIONS):
        form, advice = layout.compression, "compress it by `mlsp features merge --compression zstd`"
    else:
        return
    raise FeatureStoreError(
        f"feature file {path} cannot be written: this version of mlsp reads {form!r}, but only version 0.1 writes it;"
        f" {advice}, or use mlsp 0.1"
    )


def temporary_path(path: Path) -> Path:
    """Return the name of a file until it is complete; what a crash leaves there is overwritten next time."""
    return path.with_name(path.name + ".new")


def _check_ids(ids: Sequence[str]) -> None:
    if not ids:
        raise SettingsError("a feature file needs at least one photo, got none")
    seen: set[str] = set()
    for name in ids:
        if not name or "\0" in name:
            raise SettingsError(f"a photo needs a name without NUL characters, got {name!r}")
        if name in seen:
            raise SettingsError(f"photo {name!r} is listed twice: names must differ")
        seen.add(name)


def _reserve(file: h5py.File, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Allocate a data set in the file without writing it: the file stays sparse there."""
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_layout(h5d.CONTIGUOUS)
    creation.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5d.FILL_TIME_NEVER)
    creation.set_obj_track_times(False)
    space = h5s.create_simple(shape)
    h5d.create(file.id, name.encode(), h5t.py_create(dtype, logical=True), space, creation)
