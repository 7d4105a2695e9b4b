"""Recipe `small`: a hundred photos are enough to come to the ratings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlsp.backbones import Level
from mlsp.features.store.store import FeatureStore
from mlsp.models.heads import HeadSpec, ScoreHead, build_head
from mlsp.models.heads.layers import ShiftBatchNorm
from mlsp.training import TrainedHead, TrainSettings, train_head
from mlsp.training.batches import FeatureBatches
from mlsp.training.loop import HeadLoop
from mlsp.training.targets import Targets
from mlsp.training.trainable_head import trainable_head
from mlsp.training.trainer import feature_levels
from training_data import BINS, make_split, make_store, make_table, planted

PHOTOS = 340
SPLIT = make_split(PHOTOS, 40, 20)
FEATURES, _MOS = planted(PHOTOS)
RATINGS = 5 + _MOS / 2
CPU = torch.device("cpu")
# The hidden layers of a level of 80 channels have 80, 40 and 10 neurons, those of one of 8 channels 8, 4 and 1.
LEVELS = [Level("narrow", 8), Level("wide", 80)]
HEADS = [
    HeadSpec("single_1fc"),
    HeadSpec("single_3fc"),
    HeadSpec("multi_3fc"),
    HeadSpec("pool_3fc_released"),
    HeadSpec("single_1fc", output="distribution", bins=BINS),
    HeadSpec("multi_3fc", output="distribution", bins=BINS),
    HeadSpec("pool_3fc", output="distribution", bins=BINS),
]


# Small products gain nothing from more, and tests beside each other lose much.
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeatureStore]:
    with FeatureStore.open(make_store(tmp_path_factory.mktemp("small") / "f.h5", FEATURES)) as file:
        yield file


def label(spec: HeadSpec) -> str:
    return f"{spec.name}-{spec.output}"


def small_head(spec: HeadSpec) -> ScoreHead:
    sizes = {} if spec.name in ("single_1fc", "multi_3fc") else {"first": 64, "column": 16}
    return build_head(spec, LEVELS, **sizes)


@pytest.mark.parametrize("spec", HEADS, ids=label)
def test_the_last_layers_are_those_that_make_outputs(spec: HeadSpec) -> None:
    head = small_head(spec)
    expected = 2 if spec.name == "multi_3fc" else 1
    assert len({id(layer) for layer in head.last_layers()}) == expected
    features = torch.rand(3, spec.grid, spec.grid, 88)
    before = head.eval().outputs(features)
    with torch.no_grad():
        for layer in head.last_layers():
            assert layer.out_features == spec.outputs
            layer.bias.add_(1)
    torch.testing.assert_close(head.outputs(features), before + 1)


@pytest.mark.parametrize("spec", HEADS, ids=label)
def test_outputs_begin_at_the_mean_of_what_is_learned_from(spec: HeadSpec) -> None:
    mos = np.random.default_rng(0).uniform(6, 9, PHOTOS)
    table = make_table(mos, votes=spec.output == "distribution")
    head = small_head(spec).eval()
    head.initialise_bias(Targets.of(table, spec).mean_outputs(SPLIT.train))
    with torch.no_grad():
        # Where there is nothing to see, only biases speak.
        scores = head(torch.zeros(1, spec.grid, spec.grid, 88))
    # A bin that nobody chose begins with a thousandth of the votes.
    tolerance = 0.03 if spec.output == "distribution" else 1e-5
    assert scores.item() == pytest.approx(mos[SPLIT.train].mean(), abs=tolerance)


@pytest.mark.parametrize("name", ["single_3fc", "pool_3fc"])
def test_batch_norms_follow_as_the_recipe_says(name: str) -> None:
    spec = HeadSpec(name)
    features = torch.rand(16, spec.grid, spec.grid, 88, generator=torch.Generator().manual_seed(0))
    found = []
    for momentum in (0.1, 0.01):
        head = trainable_head(small_head(spec), CPU, norm_momentum=momentum).train()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            head.outputs(features)
        found.append(
            [
                (cast(Tensor, layer.running_mean), cast(Tensor, layer.running_var) - 1)
                for layer in head.modules()
                if isinstance(layer, nn.BatchNorm1d | ShiftBatchNorm)
            ]
        )
    assert len(found[0]) == (3 if name == "single_3fc" else 6)
    for quick, slow in zip(*found, strict=True):
        for much, little in zip(quick, slow, strict=True):
            torch.testing.assert_close(much, 10 * little, rtol=1e-3, atol=1e-5)


def test_it_arrives_where_the_released_recipe_does_not(store: FeatureStore) -> None:
    """Ratings about 7.75, with a variance of .52, that follow from the features."""
    table = make_table(RATINGS)
    spec = HeadSpec("single_3fc")
    targets = Targets.of(table, spec)
    best = {}
    for recipe in ("released", "small"):
        settings = TrainSettings(recipe=recipe, epochs=4)
        head = build_head(spec, feature_levels(store))
        if settings.of_recipe().begins_at_mean:
            head.initialise_bias(targets.mean_outputs(SPLIT.train))
        batches = FeatureBatches(store, np.arange(PHOTOS), spec.grid)
        loop = HeadLoop(head, batches, table, SPLIT, targets, settings, device=CPU)
        norms = [layer for layer in head.modules() if isinstance(layer, nn.BatchNorm1d)]
        assert [norm.momentum for norm in norms] == [0.1 if recipe == "small" else 0.01] * 3
        loop.run()
        best[recipe] = min(loop.log, key=lambda record: record.validation_loss)
    assert best["small"].validation_loss < 0.3
    assert best["small"].validation_srcc > 0.8
    assert best["released"].validation_loss > 30


def train(
    store: FeatureStore, folder: Path, epochs: int, recipe: str = "small", output: str = "mos"
) -> TrainedHead:
    is_mos = output == "mos"
    spec = HeadSpec("multi_3fc", output=output, bins=None if is_mos else BINS)  # type: ignore[arg-type]
    table = make_table(RATINGS, votes=not is_mos)
    settings = TrainSettings(recipe=recipe, epochs=epochs)
    return train_head(store, table, SPLIT, spec, settings, run_folder=folder)


@pytest.mark.parametrize("output", ["mos", "distribution"])
def test_scores_are_about_the_ratings_from_the_first_epoch_on(
    store: FeatureStore, tmp_path: Path, output: str
) -> None:
    means = [
        train(store, tmp_path / recipe, 1, recipe, output).validation.scores.mean()
        for recipe in ("small", "released")
    ]
    assert means[0] == pytest.approx(RATINGS[SPLIT.train].mean(), abs=0.5)
    assert means[1] < 6.5


def test_a_run_goes_on_to_the_same_weights(store: FeatureStore, tmp_path: Path) -> None:
    whole = train(store, tmp_path / "whole", 2)
    train(store, tmp_path / "parts", 1)
    parts = train(store, tmp_path / "parts", 2)
    expected = whole.module.state_dict()
    for name, array in parts.module.state_dict().items():
        assert torch.equal(array, expected[name]), name
    assert parts.how.startswith("recipe small, 3 of 3 levels, 2 epochs of which ")
    assert parts.how.endswith(" was the best, batch 32, seed 0, float32")
