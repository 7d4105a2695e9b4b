"""Reading a feature store: by row or id, one view or all, in any order, each row verified."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arguments import checked
from mlsp.base.arrays import Float32Array
from mlsp.base.errors import FeatureStoreError, SettingsError
from mlsp.base.text import normal_name
from mlsp.features.pooling import narrow_from_wide
from mlsp.features.spec import Grid
from mlsp.features.store.codec import Part, StoredArray, view_checksums
from mlsp.features.store.compression import Chunk, Compression
from mlsp.features.store.copy import CopiedRow
from mlsp.features.store.files import PositionedFile, disk_bytes
from mlsp.features.store.records import PhotoRecords, Status, StoredPhoto, StoreInfo
from mlsp.features.store.rows import CompressedRows, FixedRows, Rows, journal_path
from mlsp.features.store.schema import DONE, FAILED, read_file, read_ids

if TYPE_CHECKING:
    from mlsp.features.store.dataset import StoreDataset

Index = int | str | slice | Sequence[int] | Sequence[str] | NDArray[Any]


class FeatureReader:
    """The reading half of `FeatureStore`; any number of threads and forked processes may read uncompressed stores at once.

    Attributes:
        path: of the file.
        layout: of the store.
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
        compression = opened.layout.compression
        self._rows: Rows = (
            FixedRows(self._file, opened)
            if compression is None
            else CompressedRows(path, opened, compression, writable=writable)
        )

    def __len__(self) -> int:
        return self._photos

    def __repr__(self) -> str:
        spec = self.layout.feature_spec
        return (
            f"{type(self).__name__}({str(self.path)!r}: {len(self)} photos,"
            f" {spec.backbone}, {self.layout.views} views, grids {self.layout.grids}, {self.layout.channels} channels)"
        )

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Names of the photos, in the order of the rows."""
        return read_ids(self.path)

    @cached_property
    def _index_of(self) -> dict[str, int]:
        by_name = {name: index for index, name in enumerate(self.ids)}
        # Of hundreds of thousands of names few are spelled in two ways.
        others = {name: index for name, index in by_name.items() if not name.isascii()}
        return {normal_name(name): index for name, index in others.items()} | by_name

    def index_of(self, photo_id: str) -> int:
        """Return the row of a photo, whose accents may be spelled in another way.

        Raises:
            FeatureStoreError: the store has no such photo.
        """
        index = self._index_of.get(photo_id)
        if index is None and (index := self._index_of.get(normal_name(photo_id))) is None:
            raise FeatureStoreError(
                f"feature file {self.path} has no photo {photo_id!r} among its {self._photos}"
            )
        return index

    @checked
    def photo(self, index: int) -> StoredPhoto:
        """Return the record of the photo of a row."""
        return self._records.photo(self._checked(index), self.ids[index])

    @property
    def done(self) -> NDArray[np.bool_]:
        """(photos,) mask of the rows that can be read."""
        return np.equal(self.statuses(), DONE)

    def statuses(self) -> NDArray[np.uint8]:
        """Return `PENDING`, `DONE` or `FAILED` of `mlsp.features.store.schema` for each photo, (photos,)."""
        return self._records.statuses()

    @checked
    def rows(self, status: Status) -> NDArray[np.intp]:
        """Return the rows of a status, ascending: `done` can be read, `pending` is still to be written, `failed` has a message."""
        return self._records.rows(status)

    def __getitem__(self, key: Index) -> Float32Array:
        """Read the features of one photo, or of several, by row or id.

        Where the store has several grids, these are the features of `layout.feature_spec.grid`; `read` takes any.

        Args:
            key: a row, negative ones from the end, or an id; or a slice, a sequence of rows or ids, or a mask of the rows.

        Returns:
            (V, G, G, C) of one photo; (N, V, G, G, C) of several.

        Raises:
            IndexError: there is no such row.
            FeatureStoreError: there is no photo of this id, or a row is not done or is damaged.
        """
        rows = self._rows_of(key)
        features = self.read_batch(rows.reshape(-1), grid=self.layout.feature_spec.grid)
        return features if rows.ndim else features[0]

    def _rows_of(self, key: Index) -> NDArray[np.intp]:
        selection = key if isinstance(key, slice) else np.asarray(key)
        if isinstance(selection, np.ndarray) and selection.dtype.kind == "U":
            selection = np.vectorize(self.index_of, otypes=[np.intp])(selection)
        elif isinstance(selection, np.ndarray) and selection.size == 0:
            selection = selection.astype(np.intp)
        try:
            return np.asarray(np.arange(len(self))[selection])
        except IndexError as error:
            raise IndexError(f"feature file {self.path} has {len(self)} photos: {error}") from None

    @checked
    def torch_dataset(
        self,
        rows: Sequence[int] | NDArray[np.intp] | None = None,
        *,
        targets: Sequence[float] | NDArray[Any] | None = None,
        grid: Grid | None = None,
    ) -> StoreDataset:
        """Make a data set for torch's `DataLoader`, with any number of workers.

        Each process opens the file itself, so this store may be closed meanwhile.

        Args:
            rows: N rows; by default all that are done.
            targets: N values, one per row.
            grid: by default `layout.feature_spec.grid`.

        Returns:
            N items: (V, G, G, C) float32 features, or where there are targets a tuple of them and a float32 target.

        Raises:
            SettingsError: the grid is not in the store, or targets are not as many as rows.
        """
        from mlsp.features.store.dataset import StoreDataset

        chosen = self._grid(self.layout.feature_spec.grid if grid is None else grid)
        picked = self.rows("done") if rows is None else np.asarray(rows, dtype=np.intp)
        return StoreDataset(self.path, picked, targets, chosen, verify=self._verify)

    def read(
        self, index: int, *, view: int | None = None, grid: Grid | None = None
    ) -> Float32Array:
        """Read the features of a photo.

        Args:
            index: its row.
            view: read only this one.
            grid: see `read_batch`.

        Returns:
            (V, G, G, C) of all views; V is 1 if `view` is given.

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
        """Read the features of photos, in any order.

        Args:
            indices: N rows; one may come more than once.
            views: one per row; all views if left out.
            grid: may be left out if the store has only one. Narrow features are made of wide ones if only those are stored.

        Returns:
            (N, V, G, G, C), in the order of `indices`; V is 1 if `views` is given.

        Raises:
            FeatureStoreError: a row is not done or damaged.
            SettingsError: a row, a view or the grid is not in the store.
        """
        wanted = self._grid(grid)
        codec = self._codecs[self.layout.grid_sources[wanted]]
        if views is not None and len(views) != len(indices):
            raise SettingsError(
                f"views must be one per row, got {len(views)} for {len(indices)} rows"
            )
        count = self.layout.views if views is None else 1
        shape = (len(indices), count, codec.grid, codec.grid, codec.channels)
        batch = np.empty(shape, dtype=np.float32)
        # In the order of the file, each row in one read.
        for position in np.argsort(indices, kind="stable"):
            index = self._checked(int(indices[position]))
            chosen = slice(None)
            if views is not None:
                view = int(views[position])
                if not 0 <= view < self.layout.views:
                    raise SettingsError(
                        f"view {view} is out of range: the store has {self.layout.views} per photo"
                    )
                chosen = slice(view, view + 1)
            codec.decode(self._stored(index, chosen, codec.parts), batch[position])
        return batch if codec.grid == wanted else narrow_from_wide(batch)

    def check(self) -> list[str]:
        """Read names, rows and messages, and compare their checksums; rows that are not done yet are no damage.

        Returns:
            One sentence per damaged row, or one on the names if they are damaged; empty if the file is sound.
        """
        try:
            self.ids  # noqa: B018 - read here
        except FeatureStoreError as error:
            return [str(error)]
        problems = [
            f"photo {self.ids[index]!r}: its record is damaged, it counts as not done"
            for index in self._records.torn()
        ]
        return problems + list(self.damaged().values())

    def damaged(self) -> dict[int, str]:
        """Return the rows that differ from their checksum, each with a sentence that names its photo."""
        found = {}
        for index in self.rows("done").tolist():
            try:
                self._verified(index, slice(None))
            except FeatureStoreError as error:
                found[index] = str(error)
        for index in self.rows("failed").tolist():
            if self._records.stored_message(index) is None:
                name = self.ids[index]
                found[index] = f"photo {name!r}: why it failed is damaged: {self._advice}"
        return found

    @property
    def _advice(self) -> str:
        return f"run mlsp features check {self.path} --reset, then extract again"

    def info(self) -> StoreInfo:
        """Summarise the store."""
        files = [path.stat() for path in (self.path, journal_path(self.path)) if path.exists()]
        return StoreInfo(
            layout=self.layout,
            photos=self._photos,
            done=len(self.rows("done")),
            failed=len(self.rows("failed")),
            size_bytes=sum(file.st_size for file in files),
            disk_bytes=sum(disk_bytes(file) for file in files),
        )

    def copied_rows(
        self, indices: Iterable[int], compression: Compression | None
    ) -> Iterator[CopiedRow]:
        """Read rows for `write_copy`, verified.

        Args:
            indices: of the rows.
            compression: of the copy; rows compressed like that are not compressed again.

        Raises:
            FeatureStoreError: one is damaged.
        """
        is_same = compression == self.layout.compression
        for index in indices:
            record = self._records[index]
            message = b""
            parts: Mapping[str, StoredArray | Sequence[Chunk]] = {}
            if record["status"] == FAILED:
                message = self._records.message(index).encode()
            elif record["status"] == DONE:
                parts = self._verified(index, slice(None))
                if is_same and isinstance(self._rows, CompressedRows):
                    position = int(record["journal_position"])
                    parts = {
                        part.name: self._rows.chunks(part, index, slice(None), position)
                        for part in self._parts
                    }
            yield CopiedRow(record, message, parts)

    def _stored(self, index: int, views: slice, parts: Sequence[Part]) -> Mapping[str, StoredArray]:
        record = self._records[index]
        if record["status"] != DONE:
            failed = record["status"] == FAILED
            why = f"it failed: {self._records.message(index)}" if failed else "it is not done yet"
            raise FeatureStoreError(
                f"feature file {self.path} has no features of photo {self.ids[index]!r}: {why}"
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
                f"photo {self.ids[index]!r}: its checksum differs, feature file {self.path} is damaged "
                f"there: {self._advice}"
            )
        return stored

    def _read(self, index: int, views: slice, parts: Sequence[Part]) -> Mapping[str, StoredArray]:
        position = int(self._records[index]["journal_position"])
        try:
            return {part.name: self._rows.read(part, index, views, position) for part in parts}
        except FeatureStoreError as error:
            raise FeatureStoreError(f"photo {self.ids[index]!r}: {error}") from error

    def _grid(self, grid: Grid | None) -> Grid:
        if grid is None and len(self._codecs) == 1:
            return self.layout.grids[0]
        if grid is None or grid not in self.layout.grid_sources:
            raise SettingsError(
                f"feature file {self.path} has grids {self.layout.grids}: choose one, got {grid}"
            )
        return grid

    def _checked(self, index: int) -> int:
        if not 0 <= index < self._photos:
            raise SettingsError(f"row {index} is out of range: the store has {self._photos} photos")
        return index
