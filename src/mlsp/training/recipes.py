"""Recipes of training: of the paper's text (section 3.3), of the code that its authors released, for small collections, and for components.

Recipes are records; the learning rate is what follows from a recipe and the epochs before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mlsp.base.errors import SettingsError, unknown_name
from mlsp.features.spec import Grid
from mlsp.models.heads.layers import MOMENTUM

Monitor = Literal["loss", "plcc"]
# Attributes of a schedule that change as a run goes on.
_STATE = ("rate", "epochs", "waited", "best")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A way to train.

    Attributes:
        name: key in `RECIPES`.
        description: in a line.
        narrow_rates: learning rates on narrow features, one after the other.
        wide_rates: the same on wide ones.
        narrow_monitor: measure of the validation photos that is watched: minimum `loss` or maximum `plcc`.
        wide_monitor: the same on wide features.
        batch: photos per step.
        narrow_batch_with_views: the same on narrow features of more than one view.
        epochs_per_rate: after which the next rate comes.
        patience: epochs without progress, after which the next rate comes.
        begins_at_mean: the head's outputs begin at the mean rating of the photos to learn from, not at 0.
        norm_momentum: share of a batch's statistics in the running ones of batch norms; Keras's `momentum` is 1 less this.
    """

    name: str
    description: str
    narrow_rates: tuple[float, ...]
    wide_rates: tuple[float, ...]
    narrow_monitor: Monitor
    wide_monitor: Monitor
    batch: int
    narrow_batch_with_views: int
    epochs_per_rate: int = 20
    patience: int = 5
    begins_at_mean: bool = False
    norm_momentum: float = MOMENTUM

    def rates(self, grid: Grid) -> tuple[float, ...]:
        """Learning rates for narrow (1) or wide (5) features."""
        return self.narrow_rates if grid == 1 else self.wide_rates

    def monitor(self, grid: Grid) -> Monitor:
        """Return the validation figure that is watched for narrow (1) or wide (5) features."""
        return self.narrow_monitor if grid == 1 else self.wide_monitor

    def batch_size(self, grid: Grid, views: int) -> int:
        """Return photos per step for features of a grid and so many stored views."""
        return self.narrow_batch_with_views if grid == 1 and views > 1 else self.batch


_PAPER_RATES = (1e-4, 1e-5, 1e-6)

RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "paper",
            "section 3.3: learning rate 1e-4, divided by 10 every 20 epochs or when the validation loss has not fallen for 5",
            narrow_rates=_PAPER_RATES,
            wide_rates=_PAPER_RATES,
            narrow_monitor="loss",
            wide_monitor="loss",
            batch=128,
            narrow_batch_with_views=128,
        ),
        Recipe(
            "released",
            "as the authors' code: narrow from 1e-3 to 1e-5; wide from 1e-4 to 1e-6 and chosen by PLCC",
            narrow_rates=(1e-3, 1e-4, 1e-5),
            wide_rates=_PAPER_RATES,
            narrow_monitor="loss",
            wide_monitor="plcc",
            batch=128,
            narrow_batch_with_views=256,
        ),
        Recipe(
            "small",
            "for hundreds or thousands of photos: outputs begin at the mean rating, batches of 32, statistics of batch norms that follow",
            narrow_rates=(1e-4, 1e-5),
            wide_rates=(1e-4, 1e-5),
            narrow_monitor="loss",
            wide_monitor="loss",
            batch=32,
            narrow_batch_with_views=32,
            epochs_per_rate=40,
            patience=10,
            begins_at_mean=True,
            norm_momentum=0.1,
        ),
        Recipe(
            "components",
            "for learning on --components: as small, with a learning rate that even inputs bear, 1e-3 and 1e-4, and a patience of 3",
            narrow_rates=(1e-3, 1e-4),
            wide_rates=(1e-3, 1e-4),
            narrow_monitor="loss",
            wide_monitor="loss",
            batch=32,
            narrow_batch_with_views=32,
            patience=3,
            begins_at_mean=True,
            norm_momentum=0.1,
        ),
    )
}


def find_recipe(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        SettingsError: there is none.
    """
    if name not in RECIPES:
        raise SettingsError(unknown_name("recipe", name, RECIPES))
    return RECIPES[name]


# Steps times learning rate until outputs of Single-3FC that begin at 0 come to the ratings: 250 steps at 1e-3, 2,500 at 1e-4.
_WAY_FROM_ZERO = 0.25


def small_collection_hint(recipe: Recipe, grid: Grid, photos: int, batch: int) -> str:
    """Return advice about few steps per epoch; empty where there are enough.

    Args:
        recipe: whose patience counts epochs, however short they are.
        grid: 1 for narrow features, 5 for wide ones.
        photos: to learn from.
        batch: photos per step.

    Examples:
        >>> small_collection_hint(RECIPES["paper"], 1, 223_795, 128)
        ''
    """
    steps = math.ceil(photos / batch)
    # Until running statistics have come to 95 %: meanwhile the validation loss may rise.
    of_norms = round(3 / recipe.norm_momentum)
    of_outputs = 0 if recipe.begins_at_mean else round(_WAY_FROM_ZERO / recipe.rates(grid)[0])
    # PLCC makes no progress by coming nearer, and the best is loaded when the rate falls.
    epochs = recipe.patience if recipe.monitor(grid) == "plcc" else recipe.epochs_per_rate
    if steps * recipe.patience >= of_norms and steps * epochs >= of_outputs:
        return ""
    way = f", and outputs, which begin at 0, some {of_outputs} to come to the ratings"
    other = "" if recipe.name == "small" else "--recipe small, "
    return (
        f"a small collection for recipe {recipe.name}: {photos} photos in batches of {batch} are {steps} steps per epoch, and the learning"
        f" rate falls after {recipe.epochs_per_rate} epochs, or {recipe.patience} without progress. Batch norms take some {of_norms} steps to"
        f" follow the photos{way if of_outputs else ''}. If the agreement stays low: {other}a smaller --batch, or --head kernel, which"
        " needs no steps"
    )


@dataclass(frozen=True, slots=True)
class Noted:
    """Consequences of an epoch.

    Attributes:
        is_best: no epoch before was as good.
        changes_rate: the rate changes now, or the run is over: the best weights so far are to be loaded.
    """

    is_best: bool
    changes_rate: bool


@dataclass(slots=True)
class Schedule:
    """The learning rate of a run. The best is that of all epochs: it is not forgotten when the rate changes.

    Attributes:
        rates: one after the other.
        monitor: measure that `note` takes.
        epochs_per_rate: see `Recipe`.
        patience: see `Recipe`.
        rate: index in `rates`; their number when the run is over.
        epochs: with this rate.
        waited: epochs with this rate since the best.
        best: so far, as a number that falls; None before the first epoch.

    Examples:
        >>> schedule = Schedule((1e-3, 1e-4), "loss", epochs_per_rate=20, patience=1)
        >>> schedule.note(2.0), schedule.note(2.5)
        (Noted(is_best=True, changes_rate=False), Noted(is_best=False, changes_rate=True))
        >>> schedule.learning_rate
        0.0001
    """

    rates: tuple[float, ...]
    monitor: Monitor
    epochs_per_rate: int
    patience: int
    rate: int = 0
    epochs: int = 0
    waited: int = 0
    best: float | None = None

    @classmethod
    def of(cls, recipe: Recipe, grid: Grid) -> Schedule:
        """A recipe's schedule for narrow (1) or wide (5) features."""
        return cls(
            recipe.rates(grid), recipe.monitor(grid), recipe.epochs_per_rate, recipe.patience
        )

    def state_dict(self) -> dict[str, Any]:
        """Return what the run continues from after a kill."""
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take what `state_dict` returned."""
        for name in _STATE:
            setattr(self, name, state[name])

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next epoch."""
        return self.rates[min(self.rate, len(self.rates) - 1)]

    @property
    def is_over(self) -> bool:
        """Return whether there is no next epoch."""
        return self.rate == len(self.rates)

    def note(self, value: float) -> Noted:
        """Take what an epoch ended with.

        Args:
            value: loss or PLCC of the validation photos, by `monitor`. A PLCC that is NaN, of equal predictions, is the
                worst.
        """
        falling = -value if self.monitor == "plcc" else value
        if math.isnan(falling):
            falling = math.inf
        self.epochs += 1
        self.waited += 1
        is_best = self.best is None or falling < self.best
        if is_best:
            self.best, self.waited = falling, 0
        changes = self.epochs == self.epochs_per_rate or self.waited == self.patience
        if changes:
            self.rate, self.epochs, self.waited = self.rate + 1, 0, 0
        return Noted(is_best, changes)
