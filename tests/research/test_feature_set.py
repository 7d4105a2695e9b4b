"""`mlsp.research.FeatureSet`: rows and ratings joined, as arrays and as a torch data set."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mlsp.base.errors import FeatureStoreError, MlspError, RatingsError, SettingsError
from mlsp.features.store.store import FeatureStore
from mlsp.ratings.table import RatingTable
from mlsp.research import FeatureSet, SplitSettings
from training_data import make_store, make_table, planted

PHOTOS, VIEWS, FAILED = 60, 8, 7


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Views of a photo differ by their number, so that it can be told which was read."""
    features = planted(PHOTOS, views=VIEWS, grid=5)[0]
    features += np.arange(VIEWS, dtype=np.float32)[None, :, None, None, None]
    path = tmp_path_factory.mktemp("features") / "f.h5"
    return make_store(path, features, failed=(FAILED,), dtype="float32")


@pytest.fixture(scope="module")
def table() -> RatingTable:
    return make_table(planted(PHOTOS)[1])


SPLIT = SplitSettings("random", validation_share=0.2, test_share=0.2)


@pytest.mark.parametrize("grid", ["narrow", "wide"])
def test_arrays_are_the_features_of_the_photos_that_were_rated(
    file: Path, table: RatingTable, grid: str
) -> None:
    with FeatureSet(file, table, split=SPLIT) as photos, FeatureStore.open(file) as store:
        assert photos.left_out == (table.photo_ids[FAILED],)
        assert len(photos) == PHOTOS - 1
        seen: set[str] = set()
        for part in ("train", "validation", "test"):
            rated = photos.table(part)
            expected = store[list(rated.photo_ids)]
            if grid == "narrow":
                expected = expected.mean(axis=(2, 3))
            features, mos = photos.arrays(part, grid)  # type: ignore[arg-type]
            np.testing.assert_array_equal(mos, rated.mos)
            np.testing.assert_allclose(features, expected.mean(axis=1), rtol=1e-5)
            every = photos.arrays(part, grid, "all").X  # type: ignore[arg-type]
            np.testing.assert_allclose(every, expected, rtol=1e-5)
            one = photos.arrays(part, grid, 3).X  # type: ignore[arg-type]
            np.testing.assert_array_equal(one, every[:, 3])
            seen.update(rated.photo_ids)
        assert seen == set(table.photo_ids) - {table.photo_ids[FAILED]}


def test_rated_photos_without_features_are_refused_or_left_out(
    file: Path, table: RatingTable
) -> None:
    more = replace(table.ratings[0], photo_id="elsewhere.jpg", photo=Path("elsewhere.jpg"))
    larger = replace(table, ratings=(*table.ratings, more))
    with pytest.raises(RatingsError, match="elsewhere.jpg"):
        FeatureSet(file, larger, split=SPLIT)
    with FeatureSet(file, larger, split=SPLIT, missing="leave-out") as photos:
        assert set(photos.left_out) == {"elsewhere.jpg", table.photo_ids[FAILED]}
        assert len(photos) == PHOTOS - 1
        assert "2 left out" in repr(photos)
        assert len(repr(photos)) < 200


def test_tables_are_read_from_files(file: Path, table: RatingTable, tmp_path: Path) -> None:
    lines = [
        f"{rating.photo_id},{rating.mos},{('train', 'validation', 'test')[number % 3]}"
        for number, rating in enumerate(table)
    ]
    (tmp_path / "ratings.csv").write_text("\n".join(["photo,mos,split", *lines]), "utf-8")
    with FeatureSet(str(file), tmp_path / "ratings.csv") as photos:
        assert [len(rows) for rows in photos.split.parts] == [20, 19, 20]
        assert photos.table("test").photo_ids[0] == table.photo_ids[2]


def views_drawn(photos: FeatureSet, workers: int, *, persistent: bool = False) -> list[np.ndarray]:
    """Views that each of four epochs read, by the photo's position in the train photos."""
    every = photos.arrays("train", views="all").X
    loader = DataLoader(
        photos.torch("train", seed=5),
        batch_size=7,
        num_workers=workers,
        persistent_workers=persistent,
        multiprocessing_context="fork" if workers else None,
    )
    found = []
    for _ in range(4):
        read = torch.cat([features for features, _ in loader]).numpy()
        found.append(np.abs(every - read[:, None]).sum(axis=2).argmin(axis=1))
    return found


def test_every_epoch_draws_other_views_whatever_the_workers(file: Path, table: RatingTable) -> None:
    with FeatureSet(file, table, split=SPLIT) as photos:
        alone = views_drawn(photos, 0)
        assert len({tuple(views) for views in alone}) == 4
        assert np.bincount(np.concatenate(alone), minlength=VIEWS).min() > 0
        for persistent in (False, True):
            by_workers = views_drawn(photos, 2, persistent=persistent)
            np.testing.assert_array_equal(by_workers, alone)


def test_items_of_a_data_set(file: Path, table: RatingTable) -> None:
    with FeatureSet(file, table, split=SPLIT) as photos:
        wide, mos = photos.arrays("test", "wide", 2)
        items = photos.torch("test", "wide", view=2)
        assert len(items) == len(mos)
        features, rating = items[-1]
        np.testing.assert_array_equal(features, wide[-1])
        assert float(rating) == np.float32(mos[-1])
        assert photos.torch("test", view="all")[0][0].shape == (VIEWS, wide.shape[-1])
        # As a worker that is started anew gets it.
        copied = pickle.loads(pickle.dumps(photos.torch("test", view=1)))  # noqa: S301 - our own
        assert copied[0][0].shape == wide.shape[-1:]
        with pytest.raises(IndexError):
            items[len(mos)]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda photos: photos.arrays("tset"), SettingsError, "did you mean 'test'"),
        (lambda photos: photos.arrays("test", "wdie"), SettingsError, "did you mean 'wide'"),
        (lambda photos: photos.arrays("test", views="men"), SettingsError, "did you mean 'mean'"),
        (lambda photos: photos.arrays("test", views=1.0), SettingsError, "views 1.0.*'mean'"),
        (lambda photos: photos.torch("test", view=None), SettingsError, "view None.*'random'"),
        (lambda photos: photos.arrays("test", views=8), SettingsError, "view 8"),
        (lambda photos: photos.torch("test", view=8), SettingsError, "view 8"),
        (lambda photos: photos.torch("test", view="radnom"), SettingsError, "'random'"),
    ],
)
def test_refusals(
    file: Path, table: RatingTable, call: object, error: type[MlspError], words: str
) -> None:
    with FeatureSet(file, table, split=SPLIT) as photos, pytest.raises(error, match=words):
        call(photos)  # type: ignore[operator]


def test_what_a_set_cannot_be_made_of(file: Path, table: RatingTable) -> None:
    with pytest.raises(SettingsError, match="leave-out"):
        FeatureSet(file, table, split=SPLIT, missing="leave_out")  # type: ignore[arg-type]
    with pytest.raises(RatingsError, match="no split"):
        FeatureSet(file, table)
    no_test = SplitSettings("random", validation_share=0.2, test_share=0)
    with (
        FeatureSet(file, table, split=no_test) as photos,
        pytest.raises(RatingsError, match="no test photos"),
    ):
        photos.arrays("test")
    with pytest.raises(FeatureStoreError, match=r"f\.h5 is closed: open it again$"):
        photos.arrays("train")
