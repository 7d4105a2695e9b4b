"""A file of features: made whole, filled photo by photo, continued after any interruption, read in any order.

`docs/decisions/020-feature-store.md` explains why it survives being killed; `mlsp.features.store.schema` lists what is in the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from mlsp.base.arguments import checked
from mlsp.base.arrays import Float32Array
from mlsp.base.closing import Closing
from mlsp.base.digests import sha256_bytes
from mlsp.base.errors import FeatureStoreError, SettingsError
from mlsp.features.spec import FeatureSpec, Grid
from mlsp.features.store.codec import StoredArray, encode_grids, view_checksums
from mlsp.features.store.copy import write_copy
from mlsp.features.store.files import writer_lock
from mlsp.features.store.making import (
    check_new_file,
    complete_file,
    is_begun,
    make_file,
    refuse_read_only,
)
from mlsp.features.store.reader import FeatureReader
from mlsp.features.store.rows import journal_path
from mlsp.features.store.schema import DONE, StoreLayout, spec_differences


class FeatureStore(FeatureReader, Closing):
    """Features of photos in one file.

    Made by `create`, `open` or `resume`, closed by `close` or by `with`. One thread writes. What was written survives a kill, a full
    disk and a power loss, except for the last few rows, which count as not done.

    Examples:
        >>> with FeatureStore.open("features.h5") as store:  # doctest: +SKIP
        ...     store.ids[:2]  # names of the photos
        ...     store.done.mean()  # share of them that have features
        ...     store[0].shape  # (views, grid, grid, channels) float32
        ...     store[["a.jpg", "b.jpg"]].shape  # (2, views, grid, grid, channels)
    """

    def __init__(self, path: Path, *, writable: bool, verify: bool) -> None:
        self._writable = writable
        self._lock = ExitStack()
        self._closed = False
        super().__init__(path, writable=writable, verify=verify)

    @classmethod
    def create(cls, path: Path | str, layout: StoreLayout, ids: Sequence[str]) -> FeatureStore:
        """Make a store of photos none of which is done yet, and open it for writing.

        Args:
            path: must not exist, or be empty.
            layout: of the store.
            ids: of the photos, all different.

        Raises:
            FeatureStoreError: the file exists.
            OutputError: the file cannot be written.
            SettingsError: there are no photos, two have one id, or the file has a photo's ending.
        """
        path = Path(path)
        with ExitStack() as lock:
            lock.enter_context(writer_lock(path))
            check_new_file(path)
            # Of a store that was deleted; the new one must not take its rows for its own.
            journal_path(path).unlink(missing_ok=True)
            complete_file(make_file(path, layout, ids), path)
            store = cls(path, writable=True, verify=True)
            store._lock = lock.pop_all()
        return store

    @classmethod
    @checked
    def open(
        cls,
        path: Path | str,
        *,
        mode: Literal["r", "a"] = "r",
        expect: FeatureSpec | None = None,
        verify: bool = True,
    ) -> FeatureStore:
        """Open a store; takes the same time for any number of photos.

        Args:
            path: of the file.
            mode: `r` to read, also while another process writes; `a` to read and write.
            expect: features that it must hold.
            verify: compare the checksum of every row that is read.

        Raises:
            FeatureStoreError: it is missing, damaged, no feature file or one of other features; or, with `a`, being written by
                another process, or in a form that is no longer written.
        """
        path = Path(path)
        with ExitStack() as lock:
            if mode == "a":
                lock.enter_context(writer_lock(path))
            store = cls(path, writable=mode == "a", verify=verify)
            try:
                if expect is not None:
                    store._expect(expect)
                if mode == "a":
                    refuse_read_only(path, store.layout)
            except FeatureStoreError:
                store._close_files()
                raise
            store._lock = lock.pop_all()
        return store

    @classmethod
    def resume(cls, path: Path | str, layout: StoreLayout, ids: Sequence[str]) -> FeatureStore:
        """Continue a store, or make it if there is none; see `create`.

        Raises:
            FeatureStoreError: the file holds other features or photos.
            OutputError: the file cannot be written.
        """
        path = Path(path)
        if not is_begun(path):
            return cls.create(path, layout, ids)
        store = cls.open(path, mode="a")
        differing = store.layout.differences(layout)
        if store.ids != tuple(ids):
            differing.append(
                f"photos are {len(store)} from {store.ids[0]!r} on, expected {len(ids)} "
                f"from {next(iter(ids), None)!r} on, in the same order"
            )
        try:
            store._refuse(differing)
        except FeatureStoreError:
            store._close_files()
            raise
        return store

    def __reduce__(self) -> tuple[Any, ...]:
        if self._writable:
            raise TypeError("a feature store open for writing cannot go to another process")
        return _reopen, (self.path, self._verify)

    def write(
        self,
        index: int,
        features: Mapping[Grid, Float32Array],
        *,
        width: int,
        height: int,
        content_sha256: str,
    ) -> None:
        """Write the features of a photo; they are on the disk some rows or seconds later, or after `flush`.

        Args:
            index: row, not done yet.
            features: (V, G, G, C) for each grid of the layout, finite.
            width: of the photo, in pixels.
            height: of the photo, in pixels.
            content_sha256: of its file, 64 hexadecimal digits.

        Raises:
            FeatureValueError: values are not finite or too large for the dtype; the row stays as it was.
            FeatureStoreError: the row is done.
            OutputError: the disk is full.
            SettingsError: a shape or another argument is wrong.
        """
        self._check_writable(index)
        views, channels = self.layout.views, self.layout.channels
        expected = {grid: (views, grid, grid, channels) for grid in self._codecs}
        given = {grid: array.shape for grid, array in features.items()}
        if given != expected:
            raise SettingsError(f"features have the shapes {given} by grid, expected {expected}")
        self.write_encoded(
            index,
            encode_grids(self._codecs, features, self.ids[index]),
            width=width,
            height=height,
            content_sha256=content_sha256,
        )

    def write_encoded(
        self,
        index: int,
        stored: Mapping[str, StoredArray],
        *,
        width: int,
        height: int,
        content_sha256: str,
    ) -> None:
        """Write features that `mlsp.features.store.codec.encode_grids` encoded, on another machine for instance.

        Args:
            index: as for `write`, and so are the next three.
            stored: the array of each part, (V, …), by its name.
            width: see above.
            height: see above.
            content_sha256: see above.

        Raises:
            FeatureStoreError: the row is done.
            OutputError: the disk is full.
            SettingsError: a shape or another argument is wrong.
        """
        self._check_writable(index)
        views = self.layout.views
        expected = {part.name: ((views, *part.shape), part.dtype) for part in self._parts}
        given = {name: (array.shape, array.dtype) for name, array in stored.items()}
        if given != expected:
            raise SettingsError(f"parts of a row are {given}, expected {expected}")
        if width < 1 or height < 1:
            raise SettingsError(f"a photo has at least 1×1 pixels, got {width}×{height}")
        self._records.note_done(
            index,
            journal_position=self._rows.write(index, stored),
            width=width,
            height=height,
            content_sha256=sha256_bytes(content_sha256),
            view_crc32=view_checksums(self._parts, stored),
        )
        self._commit_if_due()

    def write_failure(self, index: int, message: str) -> None:
        """Store why a photo failed, so that it is listed and not tried again unasked.

        Args:
            index: row, not done yet.
            message: of the error; cut to 480 bytes of UTF-8.

        Raises:
            FeatureStoreError: the row is done.
            OutputError: the disk is full.
        """
        self._check_writable(index)
        self._records.note_failed(index, message)
        self._commit_if_due()

    def reset(self, index: int) -> None:
        """Mark a row as not done, for instance one that `check` found damaged."""
        self._check_open_for_writing()
        self._records.note_pending(self._checked(index))
        self.flush()

    def flush(self) -> None:
        """Return when all rows written are on the disk."""
        self._check_open_for_writing()
        self._records.commit(self._rows)

    def close(self) -> None:
        """Put all rows on the disk and close the file; a second call does nothing.

        When no photo is pending, the journal of a compressed store is first moved into the file: that needs, for a while, room
        for the compressed rows twice. If it is interrupted, the next `close` after writing does it again.
        """
        if self._closed:
            return
        try:
            if self._writable:
                self.flush()
                self._finish()
        finally:
            self._close_files()

    def _finish(self) -> None:
        journal = journal_path(self.path)
        if not journal.exists() or self.rows("pending").size:
            return
        if any(self._records[int(index)]["journal_position"] for index in self.rows("done")):
            rows = self.copied_rows(range(len(self)), self.layout.compression)
            write_copy(self.path, self.layout, self.ids, rows)
        journal.unlink()

    def _close_files(self) -> None:
        self._closed = True
        self._rows.close()
        self._file.close()
        self._lock.close()

    def _expect(self, feature_spec: FeatureSpec) -> None:
        differing = spec_differences(self.layout.feature_spec, feature_spec)
        if feature_spec.grid not in self.layout.grid_sources:
            differing.append("features are narrow, expected wide ones (mlsp extract --grid wide)")
        self._refuse(differing)

    def _refuse(self, differing: Sequence[str]) -> None:
        if differing:
            raise FeatureStoreError(
                f"feature file {self.path} has other features or photos: {'; '.join(differing)}. "
                "Choose another file, or extract again"
            )

    def _commit_if_due(self) -> None:
        if self._records.commit_due():
            self.flush()

    def _check_open_for_writing(self) -> None:
        if not self._writable:
            raise FeatureStoreError(f"feature file {self.path} is open for reading only")

    def _check_writable(self, index: int) -> None:
        self._check_open_for_writing()
        if self._records[self._checked(index)]["status"] == DONE:
            raise FeatureStoreError(
                f"photo {self.ids[index]!r} is done in feature file {self.path}: "
                "reset its row to write it again"
            )


def _reopen(path: Path, verify: bool) -> FeatureStore:
    return FeatureStore.open(path, verify=verify)
