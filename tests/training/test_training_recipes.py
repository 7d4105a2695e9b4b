"""Recipes to the letter, and learning rates on made-up losses."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsp.base.errors import SettingsError
from mlsp.features.spec import Grid
from mlsp.training import RECIPES, Schedule, TrainSettings
from mlsp.training.recipes import small_collection_hint


def rates_of(schedule: Schedule, values: Iterable[float]) -> list[float]:
    """The rate of each epoch, until the run is over."""
    rates = []
    for value in values:
        if schedule.is_over:
            break
        rates.append(schedule.learning_rate)
        schedule.note(value)
    return rates


def falling() -> Iterable[float]:
    return (1 / epoch for epoch in itertools.count(1))


def test_recipes_are_those_of_the_paper_and_the_released_code() -> None:
    paper, released = RECIPES["paper"], RECIPES["released"]
    for grid in (1, 5):
        assert paper.rates(grid) == (1e-4, 1e-5, 1e-6)
        assert paper.monitor(grid) == "loss"
        assert paper.batch_size(grid, 8) == 128
    assert released.rates(1) == (1e-3, 1e-4, 1e-5)
    assert released.rates(5) == (1e-4, 1e-5, 1e-6)
    assert (released.monitor(1), released.monitor(5)) == ("loss", "plcc")
    sizes = [released.batch_size(grid, views) for grid in (1, 5) for views in (1, 8)]
    assert sizes == [128, 256, 128, 128]
    for recipe in (paper, released):
        assert (recipe.epochs_per_rate, recipe.patience) == (20, 5)
        # Keras's .99 of the old, and biases of 0.
        assert (recipe.norm_momentum, recipe.begins_at_mean) == (0.01, False)


def test_the_recipe_for_small_collections() -> None:
    small = RECIPES["small"]
    for grid in (1, 5):
        assert small.rates(grid) == (1e-4, 1e-5)
        assert small.monitor(grid) == "loss"
        assert [small.batch_size(grid, views) for views in (1, 8)] == [32, 32]
    assert (small.epochs_per_rate, small.patience) == (40, 10)
    assert (small.norm_momentum, small.begins_at_mean) == (0.1, True)


def test_the_recipe_for_components_is_small_with_larger_rates_and_less_patience() -> None:
    small, components = RECIPES["small"], RECIPES["components"]
    assert components == replace(
        small,
        name="components",
        description=components.description,
        narrow_rates=(1e-3, 1e-4),
        wide_rates=(1e-3, 1e-4),
        epochs_per_rate=20,
        patience=3,
    )


def test_a_loss_that_falls_changes_the_rate_every_20_epochs() -> None:
    assert rates_of(Schedule.of(RECIPES["paper"], 1), falling()) == (
        [1e-4] * 20 + [1e-5] * 20 + [1e-6] * 20
    )


def test_a_loss_that_does_not_fall_for_5_epochs_changes_it_at_once() -> None:
    schedule = Schedule.of(RECIPES["paper"], 1)
    values = [3, 2, 2.5, 2, 2.1, 2.2, 2.3]
    noted = [schedule.note(value) for value in values]
    assert [one.is_best for one in noted] == [True, True] + [False] * 5
    assert [one.changes_rate for one in noted] == [False] * 6 + [True]
    assert schedule.learning_rate == 1e-5


def test_the_best_is_not_forgotten_when_the_rate_changes() -> None:
    schedule = Schedule((1e-3, 1e-4), "loss", epochs_per_rate=3, patience=2)
    assert schedule.note(1).is_best
    assert not schedule.note(2).changes_rate
    assert schedule.note(3).changes_rate
    assert not schedule.note(1.5).is_best
    second = schedule.note(1.2)
    assert (second.is_best, second.changes_rate, schedule.is_over) == (False, True, True)


def test_plcc_is_better_where_it_is_larger_and_none_is_the_worst() -> None:
    schedule = Schedule.of(RECIPES["released"], 5)
    values = (math.nan, 0.2, 0.1, math.nan, 0.3)
    assert [schedule.note(value).is_best for value in values] == [True, True, False, False, True]


@given(st.lists(st.floats(0, 10), min_size=80, max_size=80), st.sampled_from(sorted(RECIPES)))
def test_any_run_ends_and_never_raises_the_rate(losses: list[float], name: str) -> None:
    schedule = Schedule.of(RECIPES[name], 1)
    rates = rates_of(schedule, losses)
    assert schedule.is_over
    assert rates == sorted(rates, reverse=True)
    assert schedule.best == min(losses[: len(rates)])
    for rate in schedule.rates:
        assert schedule.patience <= rates.count(rate) <= schedule.epochs_per_rate


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"recipe": "papers"},
            "unknown recipe 'papers': did you mean 'paper'? Known: 'components', 'paper', 'released', 'small'",
        ),
        (
            {"precision": "float16"},
            "unknown precision to train in 'float16': did you mean 'bfloat16'? Known: 'bfloat16', 'float32'",
        ),
        ({"device": "tpu"}, "unknown device 'tpu': Known: 'auto', 'cpu', 'cuda'"),
        ({"batch": 1}, "batch must be at least 2, got 1"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
    ],
)
def test_settings_are_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        TrainSettings(**settings)  # type: ignore[arg-type]
    assert re.sub(r"did you mean .*\? ", "", str(caught.value)) == re.sub(
        r"did you mean .*\? ", "", message
    )


def test_a_small_collection_is_told_what_helps() -> None:
    assert small_collection_hint(RECIPES["paper"], 1, 630, 128) == (
        "a small collection for recipe paper: 630 photos in batches of 128 are 5 steps per epoch, and the learning rate falls after 20"
        " epochs, or 5 without progress. Batch norms take some 300 steps to follow the photos, and outputs, which begin at 0, some 2500"
        " to come to the ratings. If the agreement stays low: --recipe small, a smaller --batch, or --head kernel, which needs no steps"
    )
    assert small_collection_hint(RECIPES["small"], 1, 40, 32) == (
        "a small collection for recipe small: 40 photos in batches of 32 are 2 steps per epoch, and the learning rate falls after 40"
        " epochs, or 10 without progress. Batch norms take some 30 steps to follow the photos. If the agreement stays low: a smaller"
        " --batch, or --head kernel, which needs no steps"
    )


@pytest.mark.parametrize(
    ("name", "grid", "steps"),
    [
        # Outputs need 2,500 steps in 20 epochs.
        ("paper", 1, 125),
        ("paper", 5, 125),
        # Batch norms need 300 in 5.
        ("released", 1, 60),
        # 2,500 in 5, as PLCC does not see outputs come nearer.
        ("released", 5, 500),
        # 30 in 10.
        ("small", 1, 3),
        ("small", 5, 3),
    ],
)
def test_a_collection_with_enough_steps_an_epoch_is_told_nothing(
    name: str, grid: Grid, steps: int
) -> None:
    hints = [
        small_collection_hint(RECIPES[name], grid, photos, 32)
        for photos in ((steps - 1) * 32, (steps - 1) * 32 + 1)
    ]
    assert (bool(hints[0]), hints[1]) == (True, "")
