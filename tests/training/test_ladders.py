"""Copies of photos that are known to be worse, or as good."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlsp.base.errors import RatingsError
from mlsp.photos import read_photo
from mlsp.ratings.table import Rating, RatingTable
from mlsp.training.degradations import exposed, hazy, with_noise
from mlsp.training.ladders import (
    EQUAL_COPIES,
    LADDERS,
    ladder_photos,
    learned_copies,
    not_photos,
)


@pytest.fixture
def photo(examples: Path) -> np.ndarray:
    return np.ascontiguousarray(read_photo(examples / "chelsea.png").pixels[:151, :202])


@pytest.mark.parametrize("name", LADDERS)
def test_each_step_is_further_from_the_photo_and_comes_out_the_same_by_the_same_seed(
    photo: np.ndarray, name: str
) -> None:
    ladder = LADDERS[name]
    before = photo.copy()
    copies, again = (
        [ladder.degrade(photo, step, generator) for step in ladder.steps]
        for generator in (np.random.default_rng(3) for _ in range(2))
    )
    assert np.array_equal(photo, before)
    for copy, same in zip(copies, again, strict=True):
        assert copy.dtype == np.uint8
        assert copy.shape == photo.shape
        assert np.array_equal(copy, same)
    distances = [
        np.abs(ladder.degrade(photo, step, np.random.default_rng(1)).astype(float) - photo).mean()
        for step in ladder.steps
    ]
    assert distances[0] > 0
    assert distances == sorted(distances)


@pytest.mark.parametrize("name", EQUAL_COPIES)
def test_an_equal_copy_is_a_photo_of_about_the_same_size(photo: np.ndarray, name: str) -> None:
    copy = EQUAL_COPIES[name](photo, np.random.default_rng(0))
    assert copy.dtype == np.uint8
    assert copy.flags.c_contiguous
    assert max(copy.shape[:2]) <= max(photo.shape[:2])
    # A 151-pixel photo is not larger by a pixel when enlarged by 513/512.
    if name in ("size_513", "grey", "turned"):
        assert np.array_equal(copy, photo) == (name == "size_513")
    assert abs(float(copy.mean()) - float(photo.mean())) < 5


def test_exposure_doubles_linear_light_and_clips() -> None:
    # 188 of 255 is half of the light, 137 a quarter.
    grey = np.full((1, 1, 3), 188, dtype=np.uint8)
    generator = np.random.default_rng(0)
    assert np.abs(exposed(grey, -1, generator).astype(int) - 137).max() <= 1
    assert exposed(grey, 2, generator).min() == 255


def test_noise_and_haze_are_as_strong_as_they_are_said_to_be() -> None:
    grey = np.full((200, 200, 3), 128, dtype=np.uint8)
    assert with_noise(grey, 12, np.random.default_rng(0)).std() == pytest.approx(12, abs=0.2)
    contrast = np.zeros((2, 2, 3), dtype=np.uint8)
    contrast[0] = 255
    faded = hazy(contrast, 0.8, np.random.default_rng(0))
    assert int(faded.max()) - int(faded.min()) == pytest.approx(51, abs=1)


@pytest.mark.parametrize("number", [0, 1])
def test_a_head_learns_from_every_other_ladder_black_and_equal_copies(
    photo: np.ndarray, number: int
) -> None:
    copies = list(learned_copies(photo, number, np.random.default_rng(0)))
    ladders = dict(list(LADDERS.items())[number::2])
    worse = [copy for copy in copies if copy.kind in LADDERS]
    assert list(dict.fromkeys(copy.kind for copy in worse)) == list(ladders)
    for name, ladder in ladders.items():
        steps = [copy for copy in worse if copy.kind == name]
        assert [copy.step for copy in steps] == list(range(1, len(ladder.steps) + 1))
        assert sum(copy.loss for copy in steps) == pytest.approx(ladder.loss)
        strengths = [copy.strength for copy in steps]
        assert strengths in (sorted(strengths), sorted(strengths, reverse=True))
    assert sum(copy.kind == "black" for copy in copies) == (0 if number else 3)
    equal = [copy for copy in copies if copy.step == 0]
    assert {"grey", "mirrored", "turned", "cropped", "encoded_again", "size", "small"} == {
        copy.kind for copy in equal
    }
    assert not any(copy.loss for copy in equal)


def test_photos_that_measure_are_not_learned_from_nor_their_look_alikes() -> None:
    ratings = [
        Rating(Path(f"{n}.jpg"), f"{n}.jpg", n / 2000, "train" if n % 2 else "test", "ss03")
        for n in range(2000)
    ]
    table = RatingTable("made up", 0, 1, tuple(ratings))
    pairs = np.arange(2000) // 4
    chosen = ladder_photos(table, group="ss03", min_rating=0.6, look_alikes=pairs)
    every = [*chosen.learned, *chosen.held_back]
    assert len(chosen.held_back) == 40
    assert len(set(every)) == len(every) == 490
    assert all(index % 2 for index in every)
    assert min(chosen.held_back) >= 1200
    assert min(chosen.learned) >= 800
    assert not set(pairs[chosen.learned]) & set(pairs[chosen.held_back])
    with pytest.raises(RatingsError, match=r"made up.*\b49\b.*'ss03'.*0\.95"):
        ladder_photos(table, group="ss03", min_rating=0.951, look_alikes=pairs)


def test_frames_without_a_photo_are_flat_or_noise() -> None:
    frames = list(not_photos(16, 64, np.random.default_rng(0)))
    assert all(frame.shape == (64, 64, 3) and frame.dtype == np.uint8 for frame in frames)
    assert {0, 255} <= {int(frame.max()) for frame in frames if not np.ptp(frame)}
    assert sum(bool(frame.std() > 5 and np.ptp(frame)) for frame in frames) >= 6
