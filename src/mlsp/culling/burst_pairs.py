"""Pairs of photos that may belong to one burst: taken within seconds and similar, or very similar. Computed in blocks, so that memory is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arrays import Float32Array

# A block of similarities takes 16 MB. The nearest of each of its rows are kept: among thousands of equal photos, more pairs would
# not join more.
_ROWS = 512
_COLUMNS = 8192
_NEAREST = 32


@dataclass(frozen=True, slots=True)
class SimilarPairs:
    """Pairs of photos, the most similar first.

    Attributes:
        one: (pairs,) index of a photo.
        other: (pairs,) index of the other one.
        minimum: (pairs,) similarity that the pair had to reach.
    """

    one: NDArray[np.int64]
    other: NDArray[np.int64]
    minimum: NDArray[np.float64]


def similar_pairs(
    embeddings: Float32Array,
    seconds: NDArray[np.float64],
    *,
    within_seconds: float,
    similarity: float,
    similarity_without_time: float,
) -> SimilarPairs:
    """Find pairs of similar photos.

    Photos with a time are only compared to those taken soon after; one without a time is compared to all.

    Args:
        embeddings: (photos, C), each of length 1.
        seconds: (photos,) when each was taken; NaN where that is not known.
        within_seconds: maximum time between two photos.
        similarity: minimum similarity of two photos with a time.
        similarity_without_time: minimum similarity of two photos of which one has no time.

    Returns:
        The pairs; only the nearest of a photo that has very many.
    """
    timed = np.flatnonzero(~np.isnan(seconds))
    timed = timed[np.argsort(seconds[timed], kind="stable")]
    untimed = np.flatnonzero(np.isnan(seconds))
    found = [
        *_near_in_time(embeddings, timed, seconds[timed], within_seconds, similarity),
        *_very_similar(
            embeddings, np.concatenate([untimed, timed]), len(untimed), similarity_without_time
        ),
    ]
    if not found:
        none = np.empty(0, np.int64)
        return SimilarPairs(none, none, np.empty(0))
    one, other, values, minimum = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(-values, kind="stable")
    return SimilarPairs(one[order], other[order], minimum[order])


_Found = tuple[NDArray[np.int64], NDArray[np.int64], Float32Array, NDArray[np.float64]]


def _near_in_time(
    embeddings: Float32Array,
    order: NDArray[np.int64],
    seconds: NDArray[np.float64],
    within_seconds: float,
    similarity: float,
) -> Iterator[_Found]:
    """Yield pairs of photos that follow each other in time."""
    ends = np.searchsorted(seconds, seconds + within_seconds, side="right")
    for rows, columns in _blocks(len(order), ends):
        values = embeddings[order[rows]] @ embeddings[order[columns]].T
        values[columns >= ends[rows][:, None]] = -1
        yield from _nearest(values, rows, columns, order, similarity)


def _very_similar(
    embeddings: Float32Array, order: NDArray[np.int64], untimed: int, similarity: float
) -> Iterator[_Found]:
    """Yield pairs of the first `untimed` photos of an order with all that come later in it."""
    if not untimed:
        return
    # Blocks are then slices, which need not be gathered each time.
    embeddings = embeddings if np.array_equal(order, np.arange(len(order))) else embeddings[order]
    for rows, columns in _blocks(untimed, np.full(untimed, len(order))):
        values = embeddings[rows[0] : rows[-1] + 1] @ embeddings[columns[0] : columns[-1] + 1].T
        yield from _nearest(values, rows, columns, order, similarity)


def _blocks(
    count: int, ends: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield positions of rows, and of columns from these rows to the last of their ends."""
    for start in range(0, count, _ROWS):
        stop = min(start + _ROWS, count)
        end = int(ends[stop - 1])
        for first in range(start, end, _COLUMNS):
            yield np.arange(start, stop), np.arange(first, min(first + _COLUMNS, end))


def _nearest(
    values: Float32Array,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    order: NDArray[np.int64],
    minimum: float,
) -> Iterator[_Found]:
    """Yield the pairs of a block that are similar enough, each once, the nearest of a row."""
    one, other = np.nonzero(values >= minimum)
    later = columns[other] > rows[one]
    one, other = one[later], other[later]
    if not len(one):
        return
    found = values[one, other]
    counts = np.bincount(one, minlength=len(rows))
    if counts.max() > _NEAREST:
        # Rank of each pair in its row, the nearest first; among equals the one that comes first.
        by_row = np.lexsort((-found, one))
        rank = np.empty(len(one), np.int64)
        rank[by_row] = np.arange(len(one)) - (np.cumsum(counts) - counts)[one[by_row]]
        near = rank < _NEAREST
        one, other, found = one[near], other[near], found[near]
    yield order[rows[one]], order[columns[other]], found, np.full(len(one), minimum)


class SimilarGroups:
    """Growing groups; the sums of their embeddings give mean similarities without a loop over pairs."""

    def __init__(self, embeddings: Float32Array) -> None:
        self._parent = list(range(len(embeddings)))
        self._sizes = [1] * len(embeddings)
        self._embeddings = embeddings
        self._sums: dict[int, Float32Array] = {}

    def root(self, photo: int) -> int:
        """Return the photo that stands for a photo's group."""
        while self._parent[photo] != photo:
            self._parent[photo] = self._parent[self._parent[photo]]
            photo = self._parent[photo]
        return photo

    def join(self, one: int, other: int, minimum: float) -> None:
        """Join the groups of two photos if their mean similarity is at least `minimum`."""
        kept, gone = self.root(one), self.root(other)
        if kept == gone:
            return
        sums = self._sum(kept), self._sum(gone)
        pairs = self._sizes[kept] * self._sizes[gone]
        if float(sums[0] @ sums[1]) < minimum * pairs:
            return
        self._parent[gone] = kept
        self._sizes[kept] += self._sizes[gone]
        self._sums[kept] = sums[0] + sums[1]
        self._sums.pop(gone, None)

    def _sum(self, root: int) -> Float32Array:
        found = self._sums.get(root)
        return self._embeddings[root] if found is None else found
