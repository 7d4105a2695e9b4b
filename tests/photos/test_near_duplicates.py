import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from mlsp.photos.near_duplicates import MAX_DISTANCE, difference_hash, duplicate_groups


def test_resized_copies_are_found_and_other_photos_are_not(examples: Path) -> None:
    hashes = []
    for file in sorted(examples.glob("*.*g")):
        photo = Image.open(file).convert("RGB")
        half = photo.resize((photo.width // 2, photo.height // 2), Image.Resampling.LANCZOS)
        hashes += [difference_hash(np.asarray(photo)), difference_hash(np.asarray(half))]
    groups = duplicate_groups(hashes)
    np.testing.assert_array_equal(groups, np.repeat(np.arange(0, len(hashes), 2), 2))


def test_groups_join_through_others() -> None:
    # 0 and 2 differ in 12 bits, but both are near 1.
    chain = np.array([0, 0x3F, 0xFFF, 0xFFFF_0000_0000_0000], dtype=np.uint64)
    assert duplicate_groups(chain).tolist() == [0, 0, 0, 3]


def every_pair_compared(hashes: Sequence[int]) -> list[int]:
    """The definition, photo by photo."""
    group = list(range(len(hashes)))
    for late, value in enumerate(hashes):
        for early in range(late):
            if (value ^ hashes[early]).bit_count() <= MAX_DISTANCE:
                low, high = sorted((group[early], group[late]))
                group = [low if number == high else number for number in group]
    return group


# Few bits set, all over the hash, so that there are near ones, chains of them and equal ones.
_hashes = st.lists(
    st.sets(st.integers(0, 63), max_size=9).map(lambda bits: sum(1 << bit for bit in bits)),
    max_size=12,
)


@given(_hashes)
def test_groups_are_those_of_comparing_every_pair(hashes: list[int]) -> None:
    groups = duplicate_groups(np.array(hashes, dtype=np.uint64))
    assert groups.tolist() == every_pair_compared(hashes)


def related(photos: int) -> NDArray[np.uint64]:
    """Hashes of which a third are some bits from another, and one in fifty is of a plain picture."""
    random = np.random.default_rng(0)
    hashes = random.integers(0, 1 << 64, photos, dtype=np.uint64)
    for copy, original in random.integers(0, photos, (photos // 3, 2)):
        bits = random.integers(0, 64, random.integers(0, 10), dtype=np.uint64)
        hashes[copy] = hashes[original] ^ np.bitwise_xor.reduce(np.uint64(1) << bits)
    hashes[random.integers(0, photos, photos // 50)] = 0
    return hashes


def test_groups_of_many_are_those_of_comparing_every_pair() -> None:
    hashes = related(800)
    assert duplicate_groups(hashes).tolist() == every_pair_compared(hashes.tolist())


def test_twelve_thousand_photos_take_seconds() -> None:
    hashes = related(12_000)
    started = time.process_time()
    duplicate_groups(hashes)
    # It takes .3 s; comparing every photo with every other in Python takes minutes.
    assert time.process_time() - started < 5
