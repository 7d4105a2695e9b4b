"""Near duplicates by difference hash: photos that look alike must not be on both sides of a split."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlsp.base.arrays import UInt8Array
from mlsp.base.groups import join_groups

# Of 64 bits. Copies that were resized or compressed again differ in up to about 5, unrelated photos in 20 to 44.
MAX_DISTANCE = 6
_SIDE = 8
_BITS = _SIDE * _SIDE
# Bound the memory, to about 100 MB.
_MAX_COMPARED = 1 << 22
_MAX_PAIRS = 1 << 20


def difference_hash(pixels: UInt8Array) -> np.uint64:
    """Compute a hash of coarse light and dark: whether each of 8×8 cells is brighter than its right neighbour.

    Args:
        pixels: (H, W, 3).

    Returns:
        64 bits; photos that look alike differ in few.
    """
    grey = Image.fromarray(pixels).convert("L").resize((_SIDE + 1, _SIDE), Image.Resampling.BOX)
    values = np.asarray(grey, dtype=np.int16)
    bits = (values[:, :-1] > values[:, 1:]).ravel()
    return np.uint64(int.from_bytes(np.packbits(bits).tobytes(), "big"))


def duplicate_groups(hashes: Sequence[np.uint64] | NDArray[np.uint64]) -> NDArray[np.int64]:
    """Join photos whose hashes are near, directly or through others.

    Exact, without comparing every photo with every other: of the bands that a hash is cut into, one more than bits may differ, two near
    hashes have at least one in common, so that only photos with an equal band are compared.

    Args:
        hashes: (photos,) one per photo.

    Returns:
        (photos,) number of each photo's group: the index of its first photo.
    """
    # Equal hashes, of plain pictures above all, would be very many pairs.
    values, first, value_of = np.unique(
        np.asarray(hashes, dtype=np.uint64), return_index=True, return_inverse=True
    )
    group = np.arange(len(values))
    waiting: list[NDArray[np.int64]] = []
    for pairs in _near_pairs(values):
        waiting.append(pairs)
        if sum(map(len, waiting)) > _MAX_PAIRS:
            group, waiting = join_groups(group, np.concatenate(waiting)), []
    if waiting:
        group = join_groups(group, np.concatenate(waiting))
    earliest = np.full(len(values), len(value_of))
    np.minimum.at(earliest, group, first)
    return earliest[group][value_of]


def look_alikes(
    hashes: Sequence[np.uint64] | NDArray[np.uint64],
    rows: NDArray[np.intp],
    among: NDArray[np.intp],
) -> list[tuple[int, int]]:
    """Find photos that look like one of others, directly.

    Args:
        hashes: (photos,) one per photo.
        rows: photos to look at.
        among: the others.

    Returns:
        For each of `rows` that looks like one of `among`, in their order, it and the nearest of those.
    """
    values = np.asarray(hashes, dtype=np.uint64)
    groups = duplicate_groups(values)
    others = among[np.argsort(groups[among], kind="stable")]
    starts = np.searchsorted(groups[others], groups[rows], side="left")
    ends = np.searchsorted(groups[others], groups[rows], side="right")
    found = []
    for row, start, end in zip(rows.tolist(), starts, ends, strict=True):
        if start == end:
            continue
        distance = np.bitwise_count(values[others[start:end]] ^ values[row])
        nearest = int(distance.argmin())
        if distance[nearest] <= MAX_DISTANCE:
            found.append((row, int(others[start + nearest])))
    return found


def _near_pairs(values: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """Yield pairs (n, 2) of indices of near values, some of them more than once."""
    edges = np.linspace(0, _BITS, MAX_DISTANCE + 2).round().astype(np.uint64)
    for low, high in itertools.pairwise(edges):
        band = (values >> low) & ((np.uint64(1) << (high - low)) - np.uint64(1))
        order = np.argsort(band, kind="stable")
        starts = np.flatnonzero(np.diff(band[order])) + 1
        for alike in np.split(order, starts):
            rows = max(1, _MAX_COMPARED // max(1, len(alike)))
            for start in range(0, len(alike) - 1, rows):
                left, right = alike[start : start + rows], alike[start:]
                distance = np.bitwise_count(values[left, None] ^ values[right])
                one, other = np.nonzero(distance <= MAX_DISTANCE)
                different = one < other
                if different.any():
                    yield np.stack([left[one[different]], right[other[different]]], axis=1)
