"""Photos that are missing, unreadable, equal or alike are found before anything is learned from them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlsp.base.errors import SettingsError, UnreadablePhotoError
from mlsp.photos import read_photo
from mlsp.photos.near_duplicates import difference_hash
from mlsp.ratings.photo_checks import check_photos, faults_of_split
from mlsp.ratings.splits import split_rows
from mlsp.ratings.table import Rating, RatingTable


@pytest.fixture
def table(examples: Path, tmp_path: Path) -> RatingTable:
    """Four learned photos, one of them damaged, and four tested: a copy, a smaller one, a missing and another one."""
    shutil.copy(examples / "rocket.jpg", tmp_path / "rocket.jpg")
    shutil.copy(examples / "rocket.jpg", tmp_path / "copy.jpg")
    shutil.copy(examples / "chelsea.png", tmp_path / "chelsea.png")
    Image.open(examples / "chelsea.png").resize((200, 133)).save(tmp_path / "small.png")
    shutil.copy(examples / "coffee.png", tmp_path / "coffee.png")
    (tmp_path / "damaged.jpg").write_bytes((examples / "rocket.jpg").read_bytes()[:2000])
    names = {
        "rocket.jpg": "train",
        "damaged.jpg": "train",
        "chelsea.png": "train",
        "copy.jpg": "test",
        "small.png": "test",
        "missing.jpg": "test",
        "coffee.png": "test",
    }
    ratings = (Rating(tmp_path / name, name, 0.5, split) for name, split in names.items())
    return RatingTable("T", 0, 1, tuple(ratings))


def test_every_photo_is_looked_at(table: RatingTable) -> None:
    checks = list(check_photos(table, workers=2))
    assert [check.rating for check in checks] == list(table)
    failed = [check.rating.photo_id for check in checks if check.error is not None]
    assert failed == ["damaged.jpg", "missing.jpg"]
    assert all(isinstance(checks[row].error, UnreadablePhotoError) for row in (1, 5))
    assert checks[0].content == checks[3].content != checks[2].content
    # The photo is reduced first; what the hash sees stays the same but for a few bits.
    whole = difference_hash(read_photo(table.photos[0]).pixels)
    assert np.bitwise_count(whole ^ checks[0].difference_hash) <= 2


def test_test_photos_that_were_learned_from_are_named(table: RatingTable) -> None:
    split = split_rows(table, settings=None)
    assert faults_of_split(table, split, list(check_photos(table, workers=1))) == [
        "T: 1 of 3 test photos are the same files as photos that are learned from: 'copy.jpg (rocket.jpg)':"
        " take them out of the test, or give them one group and split by group",
        "T: 2 of 3 test photos look like photos that are learned from: 'copy.jpg (rocket.jpg)', 'small.png (chelsea.png)':"
        " take them out of the test, or give them one group and split by group",
    ]


def test_different_photos_are_no_fault(table: RatingTable) -> None:
    part = table.select([0, 1, 2, 6])
    checks = list(check_photos(part, workers=1))
    assert faults_of_split(part, split_rows(part), checks) == []


def test_photos_that_are_all_missing_are_no_fault(table: RatingTable, tmp_path: Path) -> None:
    for photo in tmp_path.iterdir():
        photo.unlink()
    checks = list(check_photos(table, workers=1))
    assert faults_of_split(table, split_rows(table), checks) == []


def test_workers_are_checked(table: RatingTable) -> None:
    with pytest.raises(SettingsError, match="^workers must be at least 1, got 0$"):
        check_photos(table, workers=0)
