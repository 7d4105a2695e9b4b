"""Feature stores to one, and to other tools: `mlsp features check`, `info`, `merge`, `export`."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePath
from typing import Literal

import numpy as np

from mlsp.base.errors import FeatureStoreError, OutputError, SettingsError, unknown_name
from mlsp.features.store.codec import grid_name
from mlsp.features.store.compression import Compression
from mlsp.features.store.copy import CopiedRow, write_copy
from mlsp.features.store.files import move_into_place, writer_lock
from mlsp.features.store.schema import DONE, FAILED, refuse_existing, temporary_path
from mlsp.features.store.store import FeatureStore

# Of the most useful status first.
_PREFERENCE = {DONE: 0, FAILED: 1}
_KEYS = ("file_name", "photo_id")


def merge(
    paths: Sequence[Path],
    output: Path,
    *,
    compression: Compression | Literal["same", "none"] = "same",
) -> None:
    """Join stores made on several machines, or compress one, or undo that.

    A photo may be in several: a store where it is done wins over one where it failed, that over one where it is pending, and an
    earlier store over a later one. Every row is verified on the way.

    Args:
        paths: stores of the same kind of features, grids and dtype.
        output: must not exist; has the photos in the order in which they first come.
        compression: of the output; `same` as the first store.

    Raises:
        FeatureStoreError: the stores differ, a row is damaged, two stores have different photos under one name, or the output
            exists.
        OutputError: the output cannot be written.
        SettingsError: there are no stores.
    """
    if not paths:
        raise SettingsError("merging needs at least one feature file, got none")
    with ExitStack() as stack:
        stack.enter_context(writer_lock(output))
        refuse_existing(output)
        stores = [stack.enter_context(FeatureStore.open(path)) for path in paths]
        layout = stores[0].layout
        for store in stores[1:]:
            same = dataclasses.replace(store.layout, compression=layout.compression)
            differing = same.differences(layout)
            if differing:
                raise FeatureStoreError(
                    f"feature file {store.path} cannot be merged with {stores[0].path}: "
                    f"{'; '.join(differing)}"
                )
        if compression != "same":
            chosen = None if compression == "none" else compression
            layout = dataclasses.replace(layout, compression=chosen)
        places = _places(stores)
        write_copy(output, layout, list(places), _chosen_rows(stores, places))


def _places(stores: Sequence[FeatureStore]) -> dict[str, tuple[int, int]]:
    """For each photo the number of the store that wins, and its row there."""
    places: dict[str, tuple[int, int]] = {}
    for number, store in enumerate(stores):
        statuses = store.statuses()
        for index, name in enumerate(store.photo_ids):
            if name not in places:
                places[name] = (number, index)
                continue
            earlier, row = places[name]
            before, now = stores[earlier].statuses()[row], statuses[index]
            if before == now == DONE:
                _check_same_photo(stores[earlier], row, store, index)
            elif _PREFERENCE.get(int(now), 2) < _PREFERENCE.get(int(before), 2):
                places[name] = (number, index)
    return places


def _check_same_photo(first: FeatureStore, row: int, second: FeatureStore, index: int) -> None:
    one, other = first.photo(row), second.photo(index)
    if one.content_sha256 != other.content_sha256:
        raise FeatureStoreError(
            f"photo {one.photo_id!r} is another file in {second.path} than in {first.path}: their SHA-256 are "
            f"{other.content_sha256} and {one.content_sha256}; rename one of them"
        )


def _chosen_rows(
    stores: Sequence[FeatureStore], places: dict[str, tuple[int, int]]
) -> Iterator[CopiedRow]:
    for number, index in places.values():
        yield from stores[number].copied_rows([index])


def export_npz(
    path: Path, output: Path, *, keys: Literal["file_name", "photo_id"] = "file_name"
) -> int:
    """Write the features of all photos that are done for other tools, as numpy's `load` reads them.

    For each photo and grid one float32 array: `<file name>/narrow` (V, C) and `<file name>/wide` (V, 5, 5, C).

    Args:
        path: of the store.
        output: is overwritten when the new one is complete.
        keys: name photos by the last part of their name, or by the whole.

    Returns:
        How many photos were written.

    Raises:
        FeatureStoreError: a row is damaged, or two photos have one file name.
        OutputError: the output cannot be written.
        SettingsError: `keys` is unknown.
    """
    if keys not in _KEYS:
        raise SettingsError(unknown_name("keys", keys, _KEYS))
    with FeatureStore.open(path) as store:
        names: dict[str, int] = {}
        for index in store.done().tolist():
            photo_id = store.photo_ids[index]
            name = PurePath(photo_id).name if keys == "file_name" else photo_id
            if name in names:
                raise FeatureStoreError(
                    f"photos {store.photo_ids[names[name]]!r} and {photo_id!r} of {path} have one file name: "
                    "export them with keys by photo_id"
                )
            names[name] = index
        made = temporary_path(output)
        try:
            with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
                for name, index in names.items():
                    for grid in store.layout.grids:
                        features = store.read(index, grid=grid)
                        array = features[:, 0, 0] if grid == 1 else features
                        # A fixed date, so that the same features give the same file.
                        member = zipfile.ZipInfo(f"{name}/{grid_name(grid)}.npy")
                        with archive.open(member, "w", force_zip64=True) as file:
                            np.lib.format.write_array(
                                file, np.ascontiguousarray(array), allow_pickle=False
                            )
            move_into_place(made, output)
        except OSError as error:
            raise OutputError(f"{output} cannot be written: {error}") from error
        finally:
            made.unlink(missing_ok=True)
    return len(names)
