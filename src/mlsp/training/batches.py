"""Features in batches: held in memory where they fit, else read ahead from the file while the head learns. The numbers are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arrays import Float16Array, Float32Array
from mlsp.base.errors import SettingsError
from mlsp.base.machine import usable_cores, usable_memory
from mlsp.base.parallel import map_in_order
from mlsp.features.spec import Grid
from mlsp.features.store.store import FeatureStore
from mlsp.training.components import LevelComponents

Rows = NDArray[np.intp]

# What is read at once: small enough that pieces of wide features in flight do not fill the memory.
_PIECE_BYTES = 32 << 20
_UNKNOWN_MEMORY_BYTES = 8 << 30
_GATHERED_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Batch:
    """Photos of one step of learning or of prediction.

    Attributes:
        rows: (N,) of the rating table.
        views: (N,) the view of each; None for all stored views.
    """

    rows: Rows
    views: Rows | None


class FeatureBatches:
    """Features of rated photos.

    Args:
        store: the features.
        rows: (photos of the table,) rows in the store; -1 for photos that are never asked for.
        grid: of the head; narrow features are made of wide ones if the store has only those.
        memory_bytes: features up to this size are held in memory; None for half of the machine's.
        workers: threads that read; None for one per core.
        components: are given in place of the channels; None gives the channels.

    Attributes:
        grid: of the features that are given.
        views: stored of each photo.
        channels: of all levels, or all components.
        size_bytes: of all of them, as they would be held.
        in_memory: whether they are held.

    Raises:
        SettingsError: the store has only narrow features and the head reads wide ones.
    """

    def __init__(
        self,
        store: FeatureStore,
        rows: Rows,
        grid: Grid,
        *,
        memory_bytes: int | None = None,
        workers: int | None = None,
        components: LevelComponents | None = None,
    ) -> None:
        layout = store.layout
        if grid not in layout.grid_sources:
            raise SettingsError(
                f"feature file {store.path} holds narrow features only, and the head reads wide ones: extract them with --grid wide,"
                " or choose a head on narrow features"
            )
        self._source: Grid = layout.grid_sources[grid]
        self._store = store
        self._rows = rows
        self.grid: Grid = grid
        self.views = layout.views
        self._components = components
        self.channels = layout.channels if components is None else sum(components.counts)
        self._shape = (self.views, grid, grid, self.channels)
        self._workers = usable_cores() if workers is None else workers
        # As float16 only what is given as such: what is held must be what would be read.
        is_half = components is not None or (layout.dtype == "float16" and self._source == grid)
        self._dtype: type[np.float16 | np.float32] = np.float16 if is_half else np.float32
        if layout.compression is not None:
            # HDF5 reads one chunk at a time.
            self._workers = 1
        self.size_bytes = (
            int(np.count_nonzero(rows >= 0))
            * int(np.prod(self._shape))
            * np.dtype(self._dtype).itemsize
        )
        limit = machine_memory_bytes() // 2 if memory_bytes is None else memory_bytes
        self.in_memory = self.size_bytes <= limit
        self._held: Float16Array | Float32Array | None = None
        self._position: Rows | None = None

    def load(self) -> None:
        """Read all features into memory if they are to be held; `read` does it at first use."""
        if not self.in_memory or self._held is not None:
            return
        used = np.flatnonzero(self._rows >= 0)
        # In the order of the file.
        used = used[np.argsort(self._rows[used], kind="stable")]
        shape = (len(used), *self._shape)
        held: Float16Array | Float32Array = np.empty(shape, dtype=self._dtype)  # type: ignore[assignment]
        step = self._rows_per_piece(self.views)
        starts = range(0, len(used), step)
        pieces = map_in_order(
            lambda start: self._stored(Batch(used[start : start + step], None)),
            starts,
            workers=self._workers,
        )
        for start, piece in zip(starts, pieces, strict=True):
            held[start : start + len(piece)] = piece
        self._position = np.full(len(self._rows), -1, dtype=np.intp)
        self._position[used] = np.arange(len(used))
        self._held = held

    def read(self, batches: Iterable[Batch]) -> Iterator[Float16Array | Float32Array]:
        """Read batches, some of them ahead.

        Args:
            batches: in the order wanted.

        Yields:
            (N, V, G, G, C) float16 or float32, of the same numbers; V is 1 where a batch names views.

        Raises:
            FeatureStoreError: a row is damaged.
        """
        self.load()
        if self._held is not None and self._position is not None:
            for batch in batches:
                positions = self._position[batch.rows]
                if batch.views is None:
                    yield self._held[positions]
                else:
                    yield self._held[positions, batch.views][:, None]
            return
        yield from self._streamed(batches)

    def _streamed(self, batches: Iterable[Batch]) -> Iterator[Float16Array | Float32Array]:
        def pieces() -> Iterator[tuple[Batch, bool]]:
            for batch in batches:
                step = self._rows_per_piece(self.views if batch.views is None else 1)
                starts = range(0, max(len(batch.rows), 1), step)
                for start in starts:
                    part = slice(start, start + step)
                    views = None if batch.views is None else batch.views[part]
                    yield Batch(batch.rows[part], views), start == starts[-1]

        def read(piece: tuple[Batch, bool]) -> tuple[Float16Array | Float32Array, bool]:
            return self._stored(piece[0]), piece[1]

        parts: list[Float16Array | Float32Array] = []
        for features, is_last in map_in_order(read, pieces(), workers=self._workers):
            parts.append(features)
            if is_last:
                # All of one type, which mypy cannot know.
                yield parts[0] if len(parts) == 1 else np.concatenate(parts)  # type: ignore[misc]
                parts = []

    def _stored(self, batch: Batch) -> Float16Array | Float32Array:
        rows = self._rows[batch.rows]
        features = self._store.read_batch(rows, views=batch.views, grid=self.grid)
        return features if self._components is None else self._components.of(features)

    def _rows_per_piece(self, views: int) -> int:
        view_bytes = self._store.layout.channels * self._source**2 * 4
        return max(1, _PIECE_BYTES // (views * view_bytes))


def machine_memory_bytes() -> int:
    """Return the memory that this process may use, in bytes; 8 GiB where the system does not report it."""
    return usable_memory() or _UNKNOWN_MEMORY_BYTES


def training_batches(
    rows: Rows, *, size: int, views: int, seed: int, epoch: int
) -> Iterator[Batch]:
    """An epoch: every photo once, in random order, each by one of its views at random.

    Args:
        rows: of the rating table.
        size: photos per batch; the last one has what is left, or one more where a single photo would be left, whose batch norm
            would mean nothing.
        views: stored of each photo.
        seed: of the run.
        epoch: its number: the same seed and number give the same epoch.

    Yields:
        Batches.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(rows)
    drawn = rng.integers(views, size=len(order), dtype=np.intp)
    ends = list(range(size, len(order), size))
    if ends and len(order) - ends[-1] == 1:
        ends.pop()
    for start, end in zip([0, *ends], [*ends, len(order)], strict=True):
        yield Batch(order[start:end], drawn[start:end])


def ordered_batches(rows: Sequence[int] | Rows, *, size: int) -> Iterator[Batch]:
    """All stored views of photos, in order, to the last photo."""
    rows = np.asarray(rows, dtype=np.intp)
    for start in range(0, len(rows), size):
        yield Batch(rows[start : start + size], None)


def gather(
    features: FeatureBatches,
    rows: Rows,
    convert: Callable[[Float16Array | Float32Array], Float16Array | Float32Array],
    *,
    view: int | None = None,
) -> Float32Array:
    """Read features of photos into one array.

    Args:
        features: of the photos.
        rows: of the table, at least one.
        convert: changes (N, V, G, G, C) to (N, …), some photos at a time, so that what is left out takes no memory.
        view: read only this one; V is then 1. None for all.

    Returns:
        (photos, …) in the order of `rows`.
    """
    rows = np.asarray(rows, dtype=np.intp)
    batches = [
        Batch(one.rows, None if view is None else np.full(len(one.rows), view, dtype=np.intp))
        for one in ordered_batches(rows, size=_GATHERED_AT_ONCE)
    ]
    found: Float32Array | None = None
    start = 0
    for array in features.read(batches):
        part = convert(array)
        if found is None:
            found = np.empty((len(rows), *part.shape[1:]), dtype=np.float32)
        found[start : start + len(part)] = part
        start += len(part)
    return np.empty(0, dtype=np.float32) if found is None else found
