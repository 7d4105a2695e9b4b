"""`mlsp.research.HeadRegressor`: training by scikit-learn's rules."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator

from mlsp.base.errors import SettingsError
from mlsp.evaluation.metrics import srcc
from mlsp.models.model import load_model
from mlsp.research import FeatureSet, HeadRegressor, SplitSettings
from training_data import BINS, make_store, make_table, planted

pytestmark = pytest.mark.usefixtures("one_thread")
PHOTOS = 150


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> FeatureSet:
    features, mos = planted(PHOTOS, views=2)
    path = make_store(tmp_path_factory.mktemp("features") / "f.h5", features)
    split = SplitSettings("random", validation_share=0.2, test_share=0.3)
    return FeatureSet(path, make_table(mos, votes=True), split=split)


TOO_FEW = dict.fromkeys(
    ("check_estimators_nan_inf", "check_regressors_no_decision_function", "check_fit2d_1feature"),
    "fits 10 photos, and a head learns from 12 or more",
)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_passes_the_checks_of_scikit_learn() -> None:
    check_estimator(HeadRegressor("ridge"), expected_failed_checks=TOO_FEW)


@pytest.mark.parametrize(
    "regressor",
    [HeadRegressor("ridge"), HeadRegressor("single_1fc", "released", epochs=6, batch=8)],
)
def test_a_set_is_fitted_as_the_trainer_fits_it(
    photos: FeatureSet, regressor: HeadRegressor
) -> None:
    regressor.fit(photos)
    scores = regressor.predict(photos)
    trained = regressor.trained_
    assert trained.test is not None
    # Not cut to the scale, which would make ties.
    np.testing.assert_allclose(scores, trained.test.scores, atol=1e-6)
    assert srcc(scores, photos.table("test").mos) > 0.9
    assert len(regressor.history_) == (regressor.epochs or 0)
    if regressor.history_:
        assert pd.DataFrame(regressor.history_)["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    with pytest.raises(SettingsError, match="distribution=True"):
        regressor.predict_votes(photos)


def test_votes_are_predicted(photos: FeatureSet) -> None:
    regressor = HeadRegressor("single_1fc", "released", distribution=True, epochs=4, batch=8)
    regressor.fit(photos)
    with pytest.raises(SettingsError, match="FeatureSet, got ndarray"):
        regressor.predict_votes(np.zeros((3, 8)))  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="feature file or its path, got ndarray"):
        regressor.trained_.predict_votes(np.zeros((3, 8)))  # type: ignore[arg-type]
    votes = regressor.predict_votes(photos, "validation")
    assert votes.shape == (len(photos.table("validation")), len(BINS))
    np.testing.assert_allclose(votes.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(votes @ BINS, regressor.predict(photos, "validation"), atol=1e-4)


def test_arrays_are_fitted_in_a_grid_search(photos: FeatureSet) -> None:
    features, mos = photos.arrays("train")
    search = GridSearchCV(HeadRegressor("ridge"), {"levels": ["all", "last1"]}, cv=2)
    search.fit(features, mos)
    assert search.score(*photos.arrays("test")) > 0.8
    unfitted = clone(search.best_estimator_)
    assert not hasattr(unfitted, "trained_")


def test_wide_arrays_are_fitted_with_the_widths_that_were_asked_for(tmp_path: Path) -> None:
    wide, mos = planted(60, grid=5)
    split = SplitSettings("random", validation_share=0.2, test_share=0.3)
    file = make_store(tmp_path / "f.h5", wide, dtype="float32")
    regressor = HeadRegressor("pool_3fc", first=16, column=8, epochs=2)
    with FeatureSet(file, make_table(mos), split=split) as photos:
        features, ratings = photos.arrays("train", "wide")
        regressor.fit(features, ratings)
        unseen = photos.arrays("test", "wide").X
    assert features.shape[1:] == (5, 5, 256)
    sizes = {tuple(array.shape) for array in regressor.trained_.module.parameters()}
    assert {(16, 3 * 8), (8, 16)} <= sizes
    scores = regressor.predict(unseen)
    assert scores.shape == (18,)
    flat = clone(regressor).fit(features.reshape(len(features), -1), ratings)
    np.testing.assert_array_equal(flat.predict(unseen.reshape(len(unseen), -1)), scores)


def test_arrays_of_one_seed_give_one_head(photos: FeatureSet) -> None:
    features, mos = photos.arrays("train")
    regressor = HeadRegressor("single_1fc", epochs=2, seed=3, lowest=1, highest=10)
    first, second = (clone(regressor).fit(features, mos) for _ in range(2))
    np.testing.assert_array_equal(first.predict(features), second.predict(features))
    assert first.trained_.ratings.lowest == 1
    # One photo of each stratum: those that choose the best reach from low ratings to high ones.
    chosen = mos[first.trained_.split.validation]
    assert chosen.min() <= np.quantile(mos, 1 / 8) < np.quantile(mos, 7 / 8) <= chosen.max()
    copied = pickle.loads(pickle.dumps(first))  # noqa: S301 - our own
    np.testing.assert_array_equal(copied.predict(features), first.predict(features))


def test_refusals(photos: FeatureSet, tmp_path: Path) -> None:
    features, mos = photos.arrays("train")
    with pytest.raises(SettingsError, match="leave out y"):
        HeadRegressor("ridge").fit(photos, mos)
    with pytest.raises(SettingsError, match=r"wide features: expected \(photos, 5, 5, .* got 256 "):
        HeadRegressor("pool_3fc").fit(features, mos)
    with pytest.raises(ValueError, match="n_samples = 11.*12"):
        HeadRegressor("ridge").fit(features[:11], mos[:11])
    with pytest.raises(SettingsError, match="did you mean 'ridge'"):
        HeadRegressor("rigde").fit(features, mos)
    with pytest.raises(SettingsError, match="^arrays have no votes: .*FeatureSet"):
        HeadRegressor("single_1fc", distribution=True).fit(features, mos)
    with pytest.raises(SettingsError, match="FeatureSet"):
        HeadRegressor("ridge").fit(features, mos).save(tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


def test_results_and_models_are_short_in_a_notebook(photos: FeatureSet) -> None:
    regressor = HeadRegressor("ridge").fit(photos)
    trained = regressor.trained_
    for shown, words in (
        (trained, "Ridge on tiny"),
        (trained.test, "45 test photos"),
        (photos, "75 train, 30 validation, 45 test"),
        (photos.torch("train", seed=3), "75 photos, view random, seed 3"),
        (photos.ratings, "150 photos, 1 to 10, with votes for 10 values"),
        (load_model(), "quality, beauty"),
    ):
        assert words in repr(shown)
        assert len(repr(shown)) < 160


@pytest.mark.parametrize("share", [-0.1, 1, 5, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    features, mos = planted(30)
    with pytest.raises(SettingsError, match=f"validation_share.*{share:g}"):
        HeadRegressor("ridge", validation_share=share).fit(features[:, 0, 0, 0], mos)
