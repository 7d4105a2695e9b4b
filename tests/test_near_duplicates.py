from pathlib import Path

import numpy as np
from PIL import Image

from mlsp.near_duplicates import difference_hash, duplicate_groups


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
