"""Learning on principal components of the levels, and the head on channels that comes out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mlsp import HeadTrainer
from mlsp.backbones import Level
from mlsp.base.errors import SettingsError
from mlsp.features.store.store import FeatureStore
from mlsp.models.heads import HeadSpec, ScoreHead, build_head, register_head
from mlsp.models.heads.pool import PoolThreeFC
from mlsp.training import TrainSettings, train_head
from mlsp.training.components import LevelComponents
from training_data import CHANNELS, LEVELS, make_split, make_store, make_table, planted

PHOTOS = 200
SPLIT = make_split(PHOTOS, 40, 40)
SLICES = (slice(0, 96), slice(96, 160), slice(160, 256))
COUNT = 5
HEADS = ["single_1fc", "single_3fc", "pool_3fc", "pool_3fc_released"]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    """Wide, and different from cell to cell."""
    found, _ = planted(PHOTOS, grid=5)
    return found


@pytest.fixture(scope="module")
def components(features: np.ndarray) -> LevelComponents:
    return LevelComponents.fit(np.split(features, 4), SLICES, COUNT)


def small_head(name: str, levels: list[Level]) -> ScoreHead:
    sizes = {} if name in ("single_1fc", "multi_3fc") else {"first": 32, "column": 16}
    return build_head(HeadSpec(name), levels, seed=1, **sizes)


def heads(name: str) -> tuple[ScoreHead, ScoreHead]:
    """The same head on components and on channels."""
    of_components = small_head(name, [Level(level, COUNT) for level in LEVELS])
    of_channels = small_head(name, [Level(*level) for level in zip(LEVELS, CHANNELS, strict=True)])
    return of_components.eval(), of_channels.eval()


def test_components_of_a_level_are_even_and_uncorrelated(
    features: np.ndarray, components: LevelComponents
) -> None:
    found = components.of(features).reshape(-1, 3 * COUNT).astype(np.float64)
    for level in range(3):
        of_level = found[:, level * COUNT : (level + 1) * COUNT]
        np.testing.assert_allclose(np.cov(of_level.T), np.eye(COUNT), atol=2e-3)


@pytest.mark.parametrize("name", HEADS)
def test_the_head_on_channels_gives_what_the_one_on_components_gave(
    name: str, features: np.ndarray, components: LevelComponents
) -> None:
    of_components, of_channels = heads(name)
    turned = components.in_channels(of_components.state_dict(), of_channels.state_dict())
    of_channels.load_state_dict(turned)
    some = (
        features[:8, 0] if name.startswith("pool") else features[:8, 0].mean((1, 2), keepdims=True)
    )
    with torch.no_grad():
        expected = of_components(torch.from_numpy(components.of(some)).float())
        torch.testing.assert_close(
            of_channels(torch.from_numpy(some)), expected, rtol=0, atol=0.01 * float(expected.std())
        )


def test_a_head_whose_widths_follow_from_the_channels_is_refused(
    components: LevelComponents,
) -> None:
    of_components, of_channels = heads("multi_3fc")
    with pytest.raises(SettingsError, match="levels.0.0.weight"):
        components.in_channels(of_components.state_dict(), of_channels.state_dict())


def test_directions_that_do_not_vary_are_left_out_and_a_level_that_does_not_is_an_error() -> None:
    rng = np.random.default_rng(0)
    flat = np.ones((50, 1, 1, 1, 6), np.float32)
    flat[..., :2] = rng.normal(size=(50, 1, 1, 1, 2))
    assert LevelComponents.fit([flat], [slice(0, 6)], 4).counts == (2,)
    with pytest.raises(SettingsError, match="same features"):
        LevelComponents.fit([flat], [slice(0, 2), slice(2, 6)], 4)


def test_of_few_photos_whose_features_are_far_above_0_no_direction_is_rounding() -> None:
    rng = np.random.default_rng(0)
    found = 30 + rng.gamma(2.0, size=(130, 1)) + rng.gamma(2.0, size=(130, 300))
    learned, new = np.split(found.astype(np.float32)[:, None, None, None], [30])
    components = LevelComponents.fit([learned[:10], learned[10:]], [slice(0, 300)], 100)
    # Less their mean, n photos differ in n - 1 directions.
    assert components.counts == (29,)
    assert components.of(new).astype(np.float64).std(axis=0).max() < 1.5


@pytest.mark.parametrize(("head", "grid"), [("single_3fc", 1), ("small_pool", 5)])
def test_it_learns_on_components_and_scores_by_channels(
    head: str, grid: int, tmp_path: Path
) -> None:
    register_head(
        "small_pool",
        lambda body: PoolThreeFC(
            sum(body.widths), 1, body.dropouts, factorised=True, first=32, column=16
        ),
        grid=5,
    )
    features, mos = planted(PHOTOS, views=2, grid=grid)
    path = make_store(tmp_path / "f.h5", features)
    table = make_table(mos)
    settings = TrainSettings(recipe="components", epochs=3, components=2)
    levels = ("second", "last")
    with FeatureStore.open(path) as store:
        spec = HeadSpec(head, levels=levels)
        trained = train_head(store, table, SPLIT, spec, settings, run_folder=tmp_path / "run")
        with pytest.raises(SettingsError, match="components 2, got None"):
            train_head(
                store,
                table,
                SPLIT,
                spec,
                TrainSettings(recipe="components"),
                run_folder=tmp_path / "run",
            )
    assert "2 of 3 levels by 4 components" in trained.how
    assert trained.module.channels == 256
    best = [record for record in trained.history if record.is_best][-1]
    assert trained.validation.agreement("").srcc == pytest.approx(best.validation_srcc, abs=2e-3)
    assert best.validation_plcc > 0.5


def test_closed_forms_have_no_components() -> None:
    with pytest.raises(SettingsError, match="leave out components"):
        HeadTrainer("ridge", components=8)
