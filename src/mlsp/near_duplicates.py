"""Photos that look alike, by difference hash: they must not be on both sides of a split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlsp.arrays import UInt8Array

# Of 64 bits. Copies that were resized or compressed again differ in up to about 5, unrelated photos in 20 to 44.
LARGEST_DISTANCE = 6
_SIDE = 8


def difference_hash(pixels: UInt8Array) -> np.uint64:
    """Hash of a photo's coarse light and dark: is each of 8×8 places brighter than its right neighbour?

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

    Args:
        hashes: one a photo.

    Returns:
        (photos,) number of each photo's group: the index of its first photo.
    """
    values = np.asarray(hashes, dtype=np.uint64)
    group = np.arange(len(values))
    for index in range(1, len(values)):
        distance = np.bitwise_count(values[:index] ^ values[index])
        near = np.flatnonzero(distance <= LARGEST_DISTANCE)
        if len(near):
            joined = np.append(np.unique(group[near]), group[index])
            group[np.isin(group, joined)] = joined.min()
    return group
