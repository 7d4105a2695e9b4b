"""Joining features and ratings, and reading them in batches."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlsp.base.errors import FeatureStoreError, MlspError, RatingsError, SettingsError
from mlsp.features.store.store import FeatureStore
from mlsp.ratings.table import RatingTable
from mlsp.training.batches import Batch, FeatureBatches, ordered_batches, training_batches
from mlsp.training.rated_features import join
from training_data import ids, make_split, make_store, make_table, planted

PHOTOS = 40
SPLIT = make_split(PHOTOS, 8, 8)


def renamed(table: RatingTable, names: dict[int, str]) -> RatingTable:
    ratings = [
        replace(rating, photo_id=names.get(row, rating.photo_id))
        for row, rating in enumerate(table)
    ]
    return replace(table, ratings=tuple(ratings))


@pytest.fixture
def table() -> RatingTable:
    return make_table(planted(PHOTOS)[1])


def test_photos_are_found_by_name_or_by_a_file_name_of_their_own(
    tmp_path: Path, table: RatingTable
) -> None:
    file = make_store(tmp_path / "f.h5", planted(PHOTOS)[0])
    backwards = table.select(range(PHOTOS - 1, -1, -1))
    with FeatureStore.open(file) as store:
        other = renamed(backwards, {0: "elsewhere/0039.jpg", 1: "0038.jpg"})
        np.testing.assert_array_equal(join(store, other, SPLIT).rows, np.arange(PHOTOS)[::-1])
        lacking = renamed(table, {3: "gone.jpg", 5: "album/5.jpg"})
        message = (
            f"planted: 2 of 40 rated photos are not in feature file {file}: 'gone.jpg', 'album/5.jpg': extract them too, or leave"
            " them out by --missing leave-out"
        )
        with pytest.raises(RatingsError, match=f"^{re.escape(message)}$"):
            join(store, lacking, SPLIT)
        rated = join(store, lacking, SPLIT, missing="leave-out")
        assert rated.absent == ("gone.jpg", "album/5.jpg")
        assert np.flatnonzero(rated.rows < 0).tolist() == [3, 5]
        every = np.concatenate(rated.split.parts)
        assert sorted(every.tolist()) == [row for row in range(PHOTOS) if row not in (3, 5)]
        twice = renamed(table, {3: "a/0007.jpg"})
        message = (
            f"planted: 'a/0007.jpg', 'album/0007.jpg' are all 'album/0007.jpg' in feature file {file}: name photos by their path"
            " relative to the folder that was extracted"
        )
        with pytest.raises(RatingsError, match=f"^{re.escape(message)}$"):
            join(store, twice, SPLIT)


def test_accents_of_names_may_be_spelled_in_another_way(tmp_path: Path, table: RatingTable) -> None:
    names = [f"caf\u00e9 {row}.jpg" for row in range(PHOTOS)]
    file = make_store(tmp_path / "f.h5", planted(PHOTOS)[0], names=names)
    other = renamed(table, {row: f"cafe\u0301 {row}.jpg" for row in range(PHOTOS)})
    with FeatureStore.open(file) as store:
        np.testing.assert_array_equal(join(store, other, SPLIT).rows, np.arange(PHOTOS))


def test_failed_photos_are_left_out_and_counted(
    tmp_path: Path, table: RatingTable, caplog: pytest.LogCaptureFixture
) -> None:
    failed = (int(SPLIT.train[0]), int(SPLIT.test[1]))
    file = make_store(tmp_path / "f.h5", planted(PHOTOS)[0], failed=failed)
    with FeatureStore.open(file) as store, caplog.at_level(logging.WARNING):
        lacking = renamed(table, {int(SPLIT.test[0]): "gone.jpg"})
        rated = join(store, lacking, SPLIT, missing="leave-out")
    rated.warn_of_left_out()
    assert set(rated.failed) == {ids(PHOTOS)[row] for row in failed}
    assert rated.left_out == (*rated.failed, "gone.jpg")
    assert (rated.rows[list(failed)] == -1).all()
    np.testing.assert_array_equal(rated.split.train, SPLIT.train[1:])
    np.testing.assert_array_equal(rated.split.validation, SPLIT.validation)
    assert len(rated.split.test) == len(SPLIT.test) - 2
    assert "2 of 40 rated photos have no features, because their extraction failed" in caplog.text
    assert "1 of 40 rated photos have no features, because the feature file does not" in caplog.text


def test_an_unfinished_extraction_is_refused(tmp_path: Path, table: RatingTable) -> None:
    file = make_store(tmp_path / "f.h5", planted(PHOTOS)[0], pending=(4, 9))
    message = (
        f"feature file {file} has no features yet of 2 of 40 rated photos: 'album/0004.jpg', 'album/0009.jpg':"
        " finish the extraction"
    )
    with (
        FeatureStore.open(file) as store,
        pytest.raises(FeatureStoreError, match=f"^{re.escape(message)}$"),
    ):
        join(store, table, SPLIT)


def test_too_few_or_constant_ratings_are_refused(tmp_path: Path, table: RatingTable) -> None:
    file = make_store(tmp_path / "f.h5", planted(PHOTOS)[0])
    with FeatureStore.open(file) as store:
        for part, kept, message in (
            (
                "train",
                9,
                "planted has 9 train photos with features, expected at least 10 to learn from: rate more photos, or change the split",
            ),
            (
                "validation",
                1,
                "planted has 1 validation photos with features, expected at least 2 to choose the best model by:"
                " rate more photos, or change the split",
            ),
        ):
            few = replace(SPLIT, **{part: getattr(SPLIT, part)[:kept]})
            with pytest.raises(RatingsError, match=f"^{message}$"):
                join(store, table, few)
        with pytest.raises(
            RatingsError,
            match="^planted: all 24 train photos are rated 4: there is nothing to learn from$",
        ):
            join(store, make_table(np.full(PHOTOS, 4.0)), SPLIT)


@pytest.mark.parametrize("dtype", ["float16", "float32", "uint8_level"])
@pytest.mark.parametrize(("stored", "grid"), [(1, 1), (5, 5), (5, 1)])
def test_memory_and_file_give_the_same_numbers(
    tmp_path: Path, dtype: str, stored: int, grid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlsp.training.batches._PIECE_BYTES", 3 * 256 * stored**2 * 4)
    file = make_store(tmp_path / "f.h5", planted(PHOTOS, views=2, grid=stored)[0], dtype=dtype)
    rows = np.random.default_rng(0).permutation(PHOTOS)
    rows[5] = -1
    rng = np.random.default_rng(1)
    wanted = [
        Batch(np.array([1, 30, 2, 30]), rng.integers(2, size=4)),
        Batch(np.arange(6, 23), None),
        Batch(np.array([7]), np.array([1])),
        Batch(np.arange(0), np.arange(0)),
    ]
    with FeatureStore.open(file) as store:
        held = FeatureBatches(store, rows, grid, workers=3)  # type: ignore[arg-type]
        streamed = FeatureBatches(store, rows, grid, memory_bytes=0, workers=3)  # type: ignore[arg-type]
        assert (held.in_memory, streamed.in_memory) == (True, False)
        from_memory, from_file = list(held.read(wanted)), list(streamed.read(wanted))
        for batch, first, second in zip(wanted, from_memory, from_file, strict=True):
            views = 2 if batch.views is None else 1
            assert first.shape == second.shape == (len(batch.rows), views, grid, grid, 256)
            np.testing.assert_array_equal(first.astype(np.float32), second)
        whole = store.read_batch(rows[[1, 30]], grid=stored)  # type: ignore[arg-type]
        view = int(wanted[0].views[1])  # type: ignore[index]
        expected = whole[1, view].mean((0, 1)) if grid == 1 else whole[1, view]
        np.testing.assert_allclose(np.squeeze(from_memory[0][1]), np.squeeze(expected), rtol=1e-6)


def test_narrow_features_are_no_wide_ones(tmp_path: Path) -> None:
    file = make_store(tmp_path / "f.h5", planted(PHOTOS)[0])
    message = (
        f"feature file {file} holds narrow features only, and the head reads wide ones: extract them with --grid wide, or choose a"
        " head on narrow features"
    )
    with (
        FeatureStore.open(file) as store,
        pytest.raises(SettingsError, match=f"^{re.escape(message)}$"),
    ):
        FeatureBatches(store, np.arange(PHOTOS), 5)


def test_damage_is_told_while_streaming(tmp_path: Path) -> None:
    file = make_store(tmp_path / "f.h5", planted(PHOTOS)[0])
    content = bytearray(file.read_bytes())
    content[-300] ^= 1
    file.write_bytes(content)
    with FeatureStore.open(file) as store:
        batches = FeatureBatches(store, np.arange(PHOTOS), 1, memory_bytes=0)
        with pytest.raises(MlspError, match="^photo 'album/0039.jpg': its checksum differs"):
            list(batches.read(ordered_batches(np.arange(PHOTOS), size=7)))


@pytest.mark.parametrize(
    ("photos", "sizes"), [(10, [4, 4, 2]), (9, [4, 5]), (8, [4, 4]), (4, [4]), (3, [3]), (5, [5])]
)
def test_an_epoch_has_every_photo_once_and_no_batch_of_one(photos: int, sizes: list[int]) -> None:
    rows = np.arange(photos) * 3
    epoch = list(training_batches(rows, size=4, views=8, seed=5, epoch=2))
    assert [len(batch.rows) for batch in epoch] == sizes
    assert sorted(np.concatenate([batch.rows for batch in epoch])) == list(rows)


def test_epochs_differ_repeat_and_draw_all_views() -> None:
    def drawn(seed: int, epoch: int) -> tuple[list[int], list[int]]:
        (batch,) = training_batches(np.arange(400), size=400, views=8, seed=seed, epoch=epoch)
        assert batch.views is not None
        return batch.rows.tolist(), batch.views.tolist()

    assert drawn(0, 1) == drawn(0, 1)
    for other in (drawn(0, 2), drawn(1, 1)):
        assert drawn(0, 1)[0] != other[0]
        assert drawn(0, 1)[1] != other[1]
    counts = np.bincount(drawn(0, 1)[1], minlength=8)
    assert len(counts) == 8
    assert counts.min() > 25


def test_testing_keeps_the_last_partial_batch() -> None:
    batches = list(ordered_batches(np.arange(10), size=4))
    assert [batch.rows.tolist() for batch in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert all(batch.views is None for batch in batches)
