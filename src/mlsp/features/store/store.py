"""A file of features: made whole, filled photo by photo, continued after any interruption, read in any order.

See `docs/decisions/020-feature-store.md` for why it survives being killed, and `feature_schema` for what is in the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import FeatureStoreError, SettingsError
from mlsp.features.spec import FeatureSpec, Grid
from mlsp.features.store.codec import StoredArray, encode_grids, view_checksums
from mlsp.features.store.copy import write_copy
from mlsp.features.store.files import WriterLock
from mlsp.features.store.reader import FeatureReader
from mlsp.features.store.reader import StoredPhoto as StoredPhoto
from mlsp.features.store.reader import StoreInfo as StoreInfo
from mlsp.features.store.rows import journal_path
from mlsp.features.store.schema import DONE, complete_file, make_file, refuse_existing
from mlsp.features.store.schema import StoreLayout as StoreLayout


class FeatureStore(FeatureReader):
    """Features of photos in one file; made by `create`, `open` or `resume`, closed by `close` or by `with`.

    One thread writes. What was written survives a kill, a full disk and a power loss but for the last few rows, which count as
    not done.
    """

    def __init__(self, path: Path, *, lock: WriterLock | None, verify: bool) -> None:
        self._lock = lock
        self._closed = False
        super().__init__(path, writable=lock is not None, verify=verify)

    @classmethod
    def create(cls, path: Path, layout: StoreLayout, photo_ids: Sequence[str]) -> FeatureStore:
        """Make a store of photos none of which is done yet, and open it for writing.

        Args:
            path: must not exist.
            layout: what is to be held of each photo.
            photo_ids: names of the photos, all different.

        Raises:
            FeatureStoreError: the file exists.
            OutputError: the file cannot be written.
            SettingsError: there are no photos, or two of one name.
        """
        lock = WriterLock(path)
        try:
            refuse_existing(path)
            # Of a store that was deleted; the new one must not take its rows for its own.
            journal_path(path).unlink(missing_ok=True)
            complete_file(make_file(path, layout, photo_ids), path)
            return cls(path, lock=lock, verify=True)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        mode: Literal["r", "a"] = "r",
        expect: FeatureSpec | None = None,
        verify: bool = True,
    ) -> FeatureStore:
        """Open a store; takes the same time for any number of photos.

        Args:
            path: of the file.
            mode: `r` to read, `a` to read and write.
            expect: the kind of features it must hold.
            verify: compare the checksum of every row that is read.

        Raises:
            FeatureStoreError: it is missing, damaged, no feature file, of another kind, or being written by another process.
        """
        lock = WriterLock(path) if mode == "a" else None
        try:
            store = cls(path, lock=lock, verify=verify)
            if expect is not None:
                store._expect(expect)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        return store

    @classmethod
    def resume(cls, path: Path, layout: StoreLayout, photo_ids: Sequence[str]) -> FeatureStore:
        """Continue a store, or make it if there is none; see `create`.

        Raises:
            FeatureStoreError: the file holds other features or photos.
            OutputError: the file cannot be written.
        """
        if not path.exists():
            return cls.create(path, layout, photo_ids)
        store = cls.open(path, mode="a")
        differing = store.layout.differences(layout)
        if store.photo_ids != tuple(photo_ids):
            differing.append(
                f"photos are {len(store)} from {store.photo_ids[0]!r} on, expected {len(photo_ids)} "
                f"from {next(iter(photo_ids), None)!r} on, in the same order"
            )
        try:
            store._refuse(differing)
        except FeatureStoreError:
            store.close()
            raise
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        if self._lock is not None:
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
            features: for each grid of the layout (V, G, G, C), finite.
            width: of the photo, in pixels.
            height: likewise.
            content_sha256: of its file, 64 hexadecimal digits.

        Raises:
            FeatureValueError: values are not finite or too large for the dtype; the row stays as it was.
            FeatureStoreError: the row is done, or the disk is full.
            SettingsError: a shape or another argument is wrong.
        """
        self._check_writable(index)
        views, channels = self.layout.views, self.layout.channels
        expected = {grid: (views, grid, grid, channels) for grid in self._codecs}
        given = {grid: array.shape for grid, array in features.items()}
        if given != expected:
            raise SettingsError(f"features have the shapes {given} a grid, expected {expected}")
        self.write_encoded(
            index,
            encode_grids(self._codecs, features, self.photo_ids[index]),
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
        """Write features that `mlsp.features.store.codec.encode_grids` brought into the store's form, on another machine say; see `write`.

        Args:
            index: row, not done yet.
            stored: for the name of each part its array, (V, …).
            width: of the photo, in pixels.
            height: likewise.
            content_sha256: of its file, 64 hexadecimal digits.

        Raises:
            FeatureStoreError: the row is done, or the disk is full.
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
            content_sha256=_digest(content_sha256),
            view_crc32=view_checksums(self._parts, stored),
        )
        self._commit_if_due()

    def write_failure(self, index: int, message: str) -> None:
        """Note why a photo failed, so that it is listed and not tried again unasked.

        Args:
            index: row, not done yet.
            message: of the error; kept up to 480 bytes.

        Raises:
            FeatureStoreError: the row is done, or the disk is full.
        """
        self._check_writable(index)
        self._records.note_failed(index, message)
        self._commit_if_due()

    def reset(self, index: int) -> None:
        """Let a row count as not done, for instance one that `check` found damaged."""
        self._check_open_for_writing()
        self._records.note_pending(self._checked(index))
        self.flush()

    def flush(self) -> None:
        """Return when all rows written are on the disk itself."""
        self._check_open_for_writing()
        self._records.commit(self._rows)

    def close(self) -> None:
        """Put all rows on the disk and close the file; a second call does nothing.

        When no photo is pending, the journal of a compressed store is first moved into the file: that needs, for a while, room
        for the compressed rows twice. If it is interrupted, the next `close` after writing does it again.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if self._lock is not None:
                self.flush()
                self._finish()
        finally:
            self._rows.close()
            self._file.close()
            if self._lock is not None:
                self._lock.release()

    def _finish(self) -> None:
        journal = journal_path(self.path)
        if not journal.exists() or self.pending().size:
            return
        if any(self._records[int(index)]["journal_position"] for index in self.done()):
            write_copy(self.path, self.layout, self.photo_ids, self.copied_rows(range(len(self))))
        journal.unlink()

    def _commit_if_due(self) -> None:
        if self._records.commit_due():
            self.flush()

    def _check_open_for_writing(self) -> None:
        if self._lock is None:
            raise FeatureStoreError(f"feature file {self.path} is open for reading only")

    def _check_writable(self, index: int) -> None:
        self._check_open_for_writing()
        if self._records[self._checked(index)]["status"] == DONE:
            raise FeatureStoreError(
                f"photo {self.photo_ids[index]!r} is done in feature file {self.path}: "
                "reset its row to write it again"
            )


def _digest(content_sha256: str) -> bytes:
    try:
        digest = bytes.fromhex(content_sha256)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise SettingsError(f"a SHA-256 has 64 hexadecimal digits, got {content_sha256!r}")
    return digest


def _reopen(path: Path, verify: bool) -> FeatureStore:
    return FeatureStore.open(path, verify=verify)
