"""Reading a feature store: by row or name, one view or all, in any order, each row verified."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import FeatureStoreError, SettingsError
from mlsp.features.spec import FeatureSpec, Grid
from mlsp.features.store.codec import Part, StoredArray, view_checksums
from mlsp.features.store.copy import CopiedRow
from mlsp.features.store.files import PositionedFile
from mlsp.features.store.records import PhotoRecords
from mlsp.features.store.rows import CompressedRows, FixedRows, Rows, journal_path
from mlsp.features.store.schema import (
    DONE,
    FAILED,
    PENDING,
    StoreLayout,
    read_file,
    read_ids,
    spec_differences,
)

Status = Literal["pending", "done", "failed"]
_STATUS: dict[int, Status] = {PENDING: "pending", DONE: "done", FAILED: "failed"}


@dataclass(frozen=True, slots=True)
class StoredPhoto:
    """What a store knows of a photo.

    Attributes:
        photo_id: its name.
        status: whether its features are there.
        width: in pixels; None if it is not done.
        height: likewise.
        content_sha256: of its file; None if it is not done.
        message: why it failed; None if it did not.
    """

    photo_id: str
    status: Status
    width: int | None
    height: int | None
    content_sha256: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """A store in numbers.

    Attributes:
        layout: what is held of each photo.
        photos: all of them.
        done: those whose features are there.
        failed: those that have a message instead.
        size_bytes: of the file, and of its journal if it has one; holes included.
        disk_bytes: what they take on the disk.
    """

    layout: StoreLayout
    photos: int
    done: int
    failed: int
    size_bytes: int
    disk_bytes: int

    @property
    def pending(self) -> int:
        """Photos still to be done."""
        return self.photos - self.done - self.failed


class FeatureReader:
    """The reading half of `FeatureStore`; any number of threads and forked processes may read uncompressed stores at once.

    Attributes:
        path: of the file.
        layout: what is held of each photo.
    """

    def __init__(self, path: Path, *, writable: bool, verify: bool) -> None:
        opened = read_file(path)
        self.path = path
        self.layout = opened.layout
        self._verify = verify
        self._photos = opened.photos
        self._codecs = opened.layout.codecs()
        self._parts = opened.layout.parts()
        self._file = PositionedFile(path, writable=writable)
        self._records = PhotoRecords(self._file, opened)
        self._rows: Rows = (
            FixedRows(self._file, opened)
            if opened.layout.compression is None
            else CompressedRows(path, opened, writable=writable)
        )

    def __len__(self) -> int:
        return self._photos

    @cached_property
    def photo_ids(self) -> tuple[str, ...]:
        """Names of the photos, in the order of the rows."""
        return read_ids(self.path)

    @cached_property
    def _index_of(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.photo_ids)}

    def index_of(self, photo_id: str) -> int:
        """Row of a photo.

        Raises:
            FeatureStoreError: the store has no such photo.
        """
        try:
            return self._index_of[photo_id]
        except KeyError:
            raise FeatureStoreError(
                f"feature file {self.path} has no photo {photo_id!r} among its {self._photos}"
            ) from None

    def photo(self, index: int) -> StoredPhoto:
        """What is known of the photo of a row."""
        record = self._records[self._checked(index)]
        status = _STATUS[int(record["status"])]
        done = status == "done"
        return StoredPhoto(
            photo_id=self.photo_ids[index],
            status=status,
            width=int(record["width"]) if done else None,
            height=int(record["height"]) if done else None,
            content_sha256=record["content_sha256"].tobytes().hex() if done else None,
            message=self._records.message(index) if status == "failed" else None,
        )

    def pending(self) -> NDArray[np.intp]:
        """Rows still to be written, rising; failed ones are not among them."""
        return self._records.rows(PENDING)

    def done(self) -> NDArray[np.intp]:
        """Rows that can be read, rising."""
        return self._records.rows(DONE)

    def failed(self) -> NDArray[np.intp]:
        """Rows whose photos failed, rising; write them to try again."""
        return self._records.rows(FAILED)

    def statuses(self) -> NDArray[np.uint8]:
        """(photos,) of `feature_schema.PENDING`, `DONE` or `FAILED`: the mask of what is done."""
        return self._records.statuses()

    def read(
        self, index: int, *, view: int | None = None, grid: Grid | None = None
    ) -> Float32Array:
        """Read the features of a photo.

        Args:
            index: row.
            view: only this one.
            grid: may be left out if the store has one only.

        Returns:
            (V, G, G, C), of all views; V is 1 if `view` is given.

        Raises:
            FeatureStoreError: the row is not done or damaged.
            SettingsError: the row, the view or the grid is not in the store.
        """
        views = None if view is None else [view]
        features: Float32Array = self.read_batch([index], views=views, grid=grid)[0]
        return features

    def read_batch(
        self,
        indices: Sequence[int] | NDArray[np.intp],
        *,
        views: Sequence[int] | NDArray[np.intp] | None = None,
        grid: Grid | None = None,
    ) -> Float32Array:
        """Read the features of photos, in any order; each is read in one piece, in the order of the file.

        Args:
            indices: N rows; one may come more than once.
            views: one for each row; all of each row if left out.
            grid: may be left out if the store has one only.

        Returns:
            (N, V, G, G, C), in the order of `indices`; V is 1 if `views` is given.

        Raises:
            FeatureStoreError: a row is not done or damaged.
            SettingsError: a row, a view or the grid is not in the store.
        """
        codec = self._codecs[self._grid(grid)]
        if views is not None and len(views) != len(indices):
            raise SettingsError(
                f"views must be one a row, got {len(views)} for {len(indices)} rows"
            )
        count = self.layout.views if views is None else 1
        shape = (len(indices), count, codec.grid, codec.grid, codec.channels)
        batch = np.empty(shape, dtype=np.float32)
        for place in np.argsort(indices, kind="stable"):
            index = self._checked(int(indices[place]))
            chosen = slice(None)
            if views is not None:
                view = int(views[place])
                if not 0 <= view < self.layout.views:
                    raise SettingsError(
                        f"view {view} is out of range: the store has {self.layout.views} a photo"
                    )
                chosen = slice(view, view + 1)
            codec.decode(self._stored(index, chosen, codec.parts), batch[place])
        return batch

    def check(self) -> list[str]:
        """Read every row and compare its checksums.

        Returns:
            One phrase for each damaged row; empty if the file is sound. Rows not done yet are no damage.
        """
        problems = [
            f"photo {self.photo_ids[index]!r}: its record is damaged, it counts as not done"
            for index in self._records.torn()
        ]
        return problems + list(self.damaged().values())

    def damaged(self) -> dict[int, str]:
        """Rows whose checksum differs, rising, and a phrase for each."""
        found = {}
        for index in self.done().tolist():
            try:
                self._verified(index, slice(None))
            except FeatureStoreError as error:
                found[index] = str(error)
        return found

    def info(self) -> StoreInfo:
        """The store in numbers."""
        files = [self.path.stat()]
        if journal_path(self.path).exists():
            files.append(journal_path(self.path).stat())
        return StoreInfo(
            layout=self.layout,
            photos=self._photos,
            done=len(self.done()),
            failed=len(self.failed()),
            size_bytes=sum(file.st_size for file in files),
            disk_bytes=sum(_disk_bytes(file) for file in files),
        )

    def copied_rows(self, indices: Iterable[int]) -> Iterator[CopiedRow]:
        """Rows for `write_copy`, verified.

        Raises:
            FeatureStoreError: one is damaged.
        """
        for index in indices:
            record = self._records[index]
            failed, done = record["status"] == FAILED, record["status"] == DONE
            yield CopiedRow(
                record=record,
                message=self._records.message(index).encode() if failed else b"",
                stored=self._verified(index, slice(None)) if done else {},
                rows=self._rows,
                index=index,
                compression=self.layout.compression,
            )

    def _stored(self, index: int, views: slice, parts: Sequence[Part]) -> Mapping[str, StoredArray]:
        record = self._records[index]
        if record["status"] != DONE:
            failed = record["status"] == FAILED
            why = f"it failed: {self._records.message(index)}" if failed else "it is not done yet"
            raise FeatureStoreError(
                f"feature file {self.path} has no features of photo {self.photo_ids[index]!r}: {why}"
            )
        if self._verify:
            return self._verified(index, views)
        return self._read(index, views, parts)

    def _verified(self, index: int, views: slice) -> Mapping[str, StoredArray]:
        # The checksum of a view is over all its parts.
        stored = self._read(index, views, self._parts)
        expected = self._records[index]["view_crc32"][views]
        if not np.array_equal(view_checksums(self._parts, stored), expected):
            raise FeatureStoreError(
                f"photo {self.photo_ids[index]!r}: its checksum differs, feature file {self.path} is damaged "
                "there; reset this row and extract it again"
            )
        return stored

    def _read(self, index: int, views: slice, parts: Sequence[Part]) -> Mapping[str, StoredArray]:
        position = int(self._records[index]["journal_position"])
        try:
            return {part.name: self._rows.read(part, index, views, position) for part in parts}
        except FeatureStoreError as error:
            raise FeatureStoreError(f"photo {self.photo_ids[index]!r}: {error}") from error

    def _grid(self, grid: Grid | None) -> Grid:
        if grid is None and len(self._codecs) == 1:
            return self.layout.grids[0]
        if grid is None or grid not in self._codecs:
            raise SettingsError(
                f"feature file {self.path} has grids {self.layout.grids}: choose one, got {grid}"
            )
        return grid

    def _checked(self, index: int) -> int:
        if not 0 <= index < self._photos:
            raise SettingsError(f"row {index} is out of range: the store has {self._photos} photos")
        return index

    def _expect(self, feature_spec: FeatureSpec) -> None:
        differing = spec_differences(self.layout.feature_spec, feature_spec)
        if feature_spec.grid not in self.layout.grids:
            differing.append(
                f"grids are {self.layout.grids}, expected {feature_spec.grid} among them"
            )
        self._refuse(differing)

    def _refuse(self, differing: Sequence[str]) -> None:
        if differing:
            raise FeatureStoreError(
                f"feature file {self.path} holds something else: {'; '.join(differing)}. "
                "Choose another file, or extract again"
            )


def _disk_bytes(file: os.stat_result) -> int:
    # st_blocks counts 512 bytes whatever the file system's block is; Windows has none.
    blocks: Any = getattr(file, "st_blocks", None)
    return file.st_size if blocks is None else int(blocks) * 512
