"""Joining feature stores, and changing the compression of one: `mlsp features merge`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from mlsp.base.errors import FeatureStoreError, SettingsError, unknown_name
from mlsp.features.store.compression import COMPRESSIONS, Compression
from mlsp.features.store.copy import CopiedRow, write_copy
from mlsp.features.store.files import writer_lock
from mlsp.features.store.making import check_new_file
from mlsp.features.store.schema import DONE, FAILED
from mlsp.features.store.store import FeatureStore

# The smaller the better; pending is worst.
_PREFERENCE = {DONE: 0, FAILED: 1}
_CHOICES = ("same", "none", *COMPRESSIONS)


def merge(
    paths: Sequence[Path | str],
    output: Path | str,
    *,
    compression: Compression | Literal["same", "none"] = "same",
) -> None:
    """Join stores made on several machines, or compress one, or undo that.

    A photo may be in several: a store where it is done wins over one where it failed, that over one where it is pending, and an
    earlier store over a later one. Every row is verified on the way.

    Args:
        paths: stores of the same features, grids and dtype.
        output: must not exist; gets the photos in the order in which they first appear.
        compression: of the output; `same` as the first store.

    Raises:
        FeatureStoreError: the stores differ, a row is damaged, two stores have different photos under one id, or the output
            exists.
        OutputError: the output cannot be written.
        SettingsError: there are no stores, or the compression is unknown.
    """
    if not paths:
        raise SettingsError("merging needs at least one feature file, got none")
    if compression not in _CHOICES:
        raise SettingsError(unknown_name("compression", compression, _CHOICES))
    output = Path(output)
    with ExitStack() as stack:
        stack.enter_context(writer_lock(output))
        check_new_file(output)
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
        sources = _sources(stores)
        rows = _rows(stores, sources, layout.compression)
        write_copy(output, layout, list(sources), rows)


def _sources(stores: Sequence[FeatureStore]) -> dict[str, tuple[int, int]]:
    """Return the number of the store that wins, and the row there, by the id of the photo."""
    sources: dict[str, tuple[int, int]] = {}
    for number, store in enumerate(stores):
        statuses = store.statuses()
        for index, name in enumerate(store.ids):
            if name not in sources:
                sources[name] = (number, index)
                continue
            earlier, row = sources[name]
            before, now = stores[earlier].statuses()[row], statuses[index]
            if before == now == DONE:
                _check_same_photo(stores[earlier], row, store, index)
            elif _PREFERENCE.get(int(now), 2) < _PREFERENCE.get(int(before), 2):
                sources[name] = (number, index)
    return sources


def _check_same_photo(first: FeatureStore, row: int, second: FeatureStore, index: int) -> None:
    one, other = first.photo(row), second.photo(index)
    if one.content_sha256 != other.content_sha256:
        raise FeatureStoreError(
            f"photo {one.photo_id!r} is another file in {second.path} than in {first.path}: their SHA-256 are "
            f"{other.content_sha256} and {one.content_sha256}; rename one of them"
        )


def _rows(
    stores: Sequence[FeatureStore],
    sources: dict[str, tuple[int, int]],
    compression: Compression | None,
) -> Iterator[CopiedRow]:
    for number, index in sources.values():
        yield from stores[number].copied_rows([index], compression)
