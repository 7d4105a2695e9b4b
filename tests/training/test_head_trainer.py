"""`mlsp.HeadTrainer`, from a feature file to a model that is read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import mlsp
from mlsp.base.errors import FeatureStoreError, MlspError, RatingsError, SettingsError
from mlsp.features.store.store import FeatureStore
from mlsp.models.heads import HEADS
from mlsp.models.model import load_model
from mlsp.ratings.table import RatingTable
from mlsp.scoring.predictor import FeaturePredictor, Predicted
from mlsp.training import TrainingCallbacks
from training_data import make_split, make_store, make_table, planted

# Small products gain nothing from more, and tests beside each other lose much.
pytestmark = pytest.mark.usefixtures("one_thread")
PHOTOS = 300


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("features") / "f.h5", planted(PHOTOS)[0], failed=(7,))


def parts(*, votes: bool = False) -> list[RatingTable]:
    table = make_table(planted(PHOTOS)[1], votes=votes)
    return [table.select(rows) for rows in make_split(PHOTOS).parts]


@pytest.mark.parametrize("name", ["single_1fc", "ridge", "kernel"])
def test_what_is_saved_predicts_what_was_trained(file: Path, tmp_path: Path, name: str) -> None:
    options = {"epochs": 6, "batch": 8} if name == "single_1fc" else {}
    head = mlsp.HeadTrainer(name, "released", levels="last2", **options).fit(file, *parts())  # type: ignore[arg-type]
    assert head.test is not None
    assert head.test.srcc > 0.9
    with FeatureStore.open(file) as store:
        scores = head.predict(store)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(scores)), [7])
    head.save(tmp_path / "mine")
    assert load_model(tmp_path / "mine").heads[0].agreement[0].srcc == head.test.srcc
    with FeaturePredictor(tmp_path / "mine", file) as predictor:
        found = [
            one.scores["score"] if isinstance(one, Predicted) else np.nan
            for one in predictor.results()
        ]
    # A model's scores end where people's scale does.
    np.testing.assert_allclose(scores.clip(1, 10), found, atol=1e-4)


def test_a_run_folder_continues_and_callbacks_are_called(file: Path, tmp_path: Path) -> None:
    epochs: list[int] = []
    callbacks = TrainingCallbacks(epoch_done=lambda record: epochs.append(record.epoch))
    for count in (1, 3):
        trainer = mlsp.HeadTrainer("single_1fc", "released", epochs=count, batch=32)
        trainer.fit(file, *parts(), run_folder=tmp_path / "run", callbacks=callbacks)
    assert epochs == [1, 2, 3]


def test_without_a_run_folder_nothing_is_written(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    head = mlsp.HeadTrainer("single_1fc", epochs=2, distribution=True).fit(file, *parts(votes=True))
    assert len(head.history) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_head_of_ones_own_is_trained_by_its_name(file: Path, tmp_path: Path) -> None:
    class Own(nn.Module):
        """A product with a parameter of its own, which is not redrawn."""

        def __init__(self, channels: int, outputs: int) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.rand(channels))
            self.layers = nn.Sequential(nn.Linear(channels, 32), nn.GELU(), nn.Linear(32, outputs))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.layers(x * self.gain)
            return out

    mlsp.register_head("own", lambda body: Own(sum(body.widths), body.outputs), title="My own")
    try:
        assert "own" in mlsp.list_heads()
        train, valid, test = parts()
        trainer = mlsp.HeadTrainer("own", "released", epochs=12, batch=16)
        head = trainer.fit(file, train, valid, test)
        assert head.test is not None
        assert head.test.srcc > 0.9
        again = trainer.fit(file, train, valid, test)
        np.testing.assert_array_equal(head.predict(file), again.predict(file))
        model = head.save(tmp_path / "model")
        assert model.card.summary.startswith("My own on narrow features")
        for name in ("single_1fc", "ridge", ""):
            with pytest.raises(SettingsError, match=f"'{name}'"):
                mlsp.register_head(name, lambda body: nn.Linear(1, body.outputs))
    finally:
        HEADS.discard("own")
    with pytest.raises(SettingsError, match="'own'"):
        mlsp.HeadTrainer("own")


def test_features_of_another_kind_are_refused(file: Path, tmp_path: Path) -> None:
    head = mlsp.HeadTrainer("ridge").fit(file, *parts())
    other = make_store(tmp_path / "f.h5", planted(20, views=2)[0])
    with pytest.raises(
        FeatureStoreError,
        match="has other features: views is 'whole_mirrored', expected 'whole'\\. ",
    ):
        head.predict(other)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"head": "rigde"}, SettingsError, "did you mean 'ridge'"),
        ({"recipe": "papre"}, SettingsError, "did you mean 'paper'"),
        ({"head": "ridge", "epochs": 3}, SettingsError, "epochs"),
        ({"levels": "last9"}, SettingsError, "last9.*last3"),
        ({"seed": None}, SettingsError, "seed must be a whole number, got None"),
        ({"epochs": 2.5}, SettingsError, "epochs must be a whole number or None, got 2.5"),
        ({"first": "12"}, SettingsError, "first must be a whole number or None, got '12'"),
        ({"first": 12.5}, SettingsError, "first must be a whole number or None, got 12.5"),
        ({"levels": 2}, SettingsError, "levels must be a text, got 2"),
        ({"levels": "frist"}, SettingsError, "did you mean 'first'"),
        ({"head": "pool_3fc"}, SettingsError, "narrow"),
        ({"distribution": True}, RatingsError, "mean ratings only"),
    ],
)
def test_refusals(
    file: Path, options: dict[str, object], error: type[MlspError], words: str
) -> None:
    with pytest.raises(error, match=words):
        mlsp.HeadTrainer(**options).fit(file, *parts())  # type: ignore[arg-type]


def test_a_distribution_of_values_at_uneven_steps_is_refused(file: Path) -> None:
    table = make_table(planted(PHOTOS)[1])
    votes = tuple(replace(rating, votes=(0.0, 1.0, 0.0), mos=2.0) for rating in table)
    table = replace(table, ratings=votes, bins=(1.0, 2.0, 10.0))
    parts_ = [table.select(rows) for rows in make_split(PHOTOS).parts]
    with pytest.raises(RatingsError, match="votes for 1, 2, 10, expected even steps"):
        mlsp.HeadTrainer("single_1fc", distribution=True).fit(file, *parts_)


def test_tables_that_do_not_go_together(file: Path) -> None:
    train, valid, _ = parts()
    trainer = mlsp.HeadTrainer("ridge")
    with pytest.raises(RatingsError, match="different scales"):
        trainer.fit(file, train, replace(valid, highest=11.0))
    with pytest.raises(RatingsError, match="more than once"):
        trainer.fit(file, train, train)
    with pytest.raises(SettingsError, match="train must be a RatingTable, got array"):
        trainer.fit(file, np.arange(20), valid)  # type: ignore[arg-type]
