"""`HeadTrainer`: the way in for notebooks, and what `mlsp train` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mlsp.base.arguments import checked
from mlsp.base.errors import RatingsError, SettingsError, unknown_name
from mlsp.features.spec import Grid, choose_levels
from mlsp.features.store.store import FeatureStore
from mlsp.models.heads import CLOSED_FORMS, HEADS, HeadSpec, list_heads
from mlsp.ratings.splits import Split
from mlsp.ratings.table import RatingTable
from mlsp.training.epochs import TrainingCallbacks
from mlsp.training.rated_features import Missing
from mlsp.training.settings import Device, Precision, TrainSettings
from mlsp.training.trained import TrainedHead
from mlsp.training.trainer import train_closed_form, train_head


@checked
@dataclass(frozen=True, slots=True)
class HeadTrainer:
    """Trains a head on stored features and ratings.

    Args:
        head: one of `mlsp.heads.list_heads()`: a head of the paper, a registered one, or `ridge` or `kernel` in closed form.
        recipe: `paper`, `released`, `small` or `components`; a closed form has none.
        levels: that the head reads: `all`; `last5` for the last five, or another number; or names, with commas between them.
        more_dropout: the paper's "+do": dropouts .5, .5, .75 in place of .25, .25, .5.
        distribution: learn the distribution of the votes, as NIMA does, not their mean.
        first: X of its 3FC; None for the paper's.
        column: channels of each column of Pool-3FC, even; None for the paper's 1024.
        seed: of the first weights, the order of photos, the views and the dropout.
        epochs: at most; None for as many as the recipe has.
        batch: photos per step; None for the recipe's.
        components: learn on so many principal components of each level, which takes a fraction of the time for wide features; the head
            that comes out reads the channels. None learns on the channels.
        precision: `float32`, or `bfloat16` for the large matrix products.
        device: `auto` is a CUDA device if there is one, else the CPU.
        memory_bytes: features up to this size are held in memory, larger ones are read while training; None for half of the
            machine's memory.
        missing: `leave-out` leaves rated photos out that are not in the feature file; `error` refuses them.

    Raises:
        SettingsError: there is no such head or recipe, or an option does not go with the head.

    Examples:
        >>> HeadTrainer("ridge", levels="last5").settings.seed
        0
    """

    head: str = "single_3fc"
    recipe: str = "paper"
    levels: str = field(default="all", kw_only=True)
    more_dropout: bool = field(default=False, kw_only=True)
    distribution: bool = field(default=False, kw_only=True)
    first: int | None = field(default=None, kw_only=True)
    column: int | None = field(default=None, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    epochs: int | None = field(default=None, kw_only=True)
    batch: int | None = field(default=None, kw_only=True)
    components: int | None = field(default=None, kw_only=True)
    precision: Precision = field(default="float32", kw_only=True)
    device: Device = field(default="auto", kw_only=True)
    memory_bytes: int | None = field(default=None, kw_only=True)
    missing: Missing = field(default="error", kw_only=True)

    def __post_init__(self) -> None:
        _ = self.settings
        if self.head not in list_heads():
            raise SettingsError(unknown_name("head", self.head, list_heads()))
        if self.is_closed_form:
            for name in (
                *("more_dropout", "distribution", "first", "column"),
                *("epochs", "batch", "components"),
            ):
                if getattr(self, name):
                    raise SettingsError(
                        f"head {self.head!r} is fitted in closed form: leave out {name}"
                    )

    @property
    def settings(self) -> TrainSettings:
        """The settings of the training."""
        return TrainSettings(
            self.recipe,
            self.seed,
            self.precision,
            self.device,
            self.epochs,
            self.batch,
            self.components,
            self.memory_bytes,
            missing=self.missing,
        )

    @property
    def is_closed_form(self) -> bool:
        """True if the head is fitted in closed form."""
        return self.head in CLOSED_FORMS

    @checked
    def fit(
        self,
        store: FeatureStore | Path | str,
        train: RatingTable,
        valid: RatingTable | None,
        test: RatingTable | None = None,
        *,
        run_folder: Path | str | None = None,
        callbacks: TrainingCallbacks | None = None,
    ) -> TrainedHead:
        """Train the head.

        Args:
            store: features of all rated photos, or the path of their file.
            train: photos to learn from, at least 10.
            valid: photos that choose the best epoch, or the settings of a closed form; at least 2.
            test: photos that the agreement with people is measured on.
            run_folder: keeps the run's state after each epoch, so that the same call continues after an interruption; None keeps
                nothing. A closed form has no run.
            callbacks: are called as the run goes on.

        Returns:
            The trained head, with `predict` and `save`.

        Raises:
            SettingsError: head and features do not go together, the device is missing, or the folder holds another run.
            RatingsError: the tables have different scales or a photo in common, a photo has no features, or too few are left.
            FeatureStoreError: the file is damaged, or its extraction is not finished.
            TrainingError: a loss is not finite.
            OutputError: the run folder cannot be written.
        """
        ratings, split = _joined((train, valid, test))
        if not isinstance(store, FeatureStore):
            with FeatureStore.open(Path(store)) as opened:
                return self.fit(
                    opened, train, valid, test, run_folder=run_folder, callbacks=callbacks
                )
        folder = None if run_folder is None else Path(run_folder)
        return self.fit_split(store, ratings, split, run_folder=folder, callbacks=callbacks)

    def fit_split(
        self,
        store: FeatureStore,
        ratings: RatingTable,
        split: Split,
        *,
        run_folder: Path | None = None,
        callbacks: TrainingCallbacks | None = None,
    ) -> TrainedHead:
        """Train the head on a split of one table; see `fit`."""
        levels = chosen_levels(self.levels, store.layout.feature_spec.levels)
        if self.is_closed_form:
            if run_folder is not None:
                raise SettingsError(
                    f"head {self.head!r} is fitted in closed form: leave out run_folder"
                )
            return train_closed_form(
                self.head,
                store,
                ratings=ratings,
                split=split,
                levels=levels,
                settings=self.settings,
            )
        spec = head_on_scale(
            self.head,
            ratings,
            levels=levels,
            more_dropout=self.more_dropout,
            distribution=self.distribution,
            first=self.first,
            column=self.column,
        )
        return train_head(
            store, ratings, split, spec, self.settings, run_folder=run_folder, callbacks=callbacks
        )

    @property
    def grid(self) -> Grid:
        """Cells on each side of the features that the head reads: 1 narrow, 5 wide."""
        return 1 if self.is_closed_form else HEADS[self.head].grid


def chosen_levels(
    words: str, known: Sequence[str], owner: str = "the features"
) -> tuple[str, ...] | None:
    """Return the names of the levels that a user chose; None for all; see `choose_levels`."""
    return None if words == "all" else choose_levels(words, known, owner)


def head_on_scale(
    name: str,
    ratings: RatingTable,
    *,
    levels: Sequence[str] | None,
    more_dropout: bool,
    distribution: bool,
    first: int | None = None,
    column: int | None = None,
) -> HeadSpec:
    """Return a head on a table's scale.

    Args:
        name: of the head, key in `mlsp.models.heads.HEADS`.
        ratings: gives scale and bins.
        levels: names of the levels that it reads; None for all.
        more_dropout: the paper's "+do".
        distribution: learn the distribution of the votes, not their mean.
        first: see `HeadSpec`.
        column: see `HeadSpec`.

    Raises:
        SettingsError: a name is unknown, or one does not go with another.
        RatingsError: a distribution is to be learned from means, or from votes for values at uneven steps.
    """
    if distribution:
        # Raises where the table has only means.
        _ = ratings.votes
        steps = np.diff(ratings.bins or ())
        if np.ptp(steps) > steps.min() / 1000:
            raise RatingsError(
                f"{ratings.name} has votes for {', '.join(f'{value:g}' for value in ratings.bins or ())}, expected even steps: add a"
                " column with votes of 0 for each value that nobody gave"
            )
    return HeadSpec(
        name,
        levels=None if levels is None else tuple(levels),
        more_dropout=more_dropout,
        output="distribution" if distribution else "mos",
        lowest=ratings.lowest,
        highest=ratings.highest,
        bins=ratings.bins if distribution else None,
        first=first,
        column=column,
    )


def _joined(parts: Sequence[RatingTable | None]) -> tuple[RatingTable, Split]:
    """Tables of train, validation and test photos as one table and its split."""
    tables = [part for part in parts if part is not None]
    first = tables[0]
    for table in tables[1:]:
        scales = [(one.lowest, one.highest, one.bins) for one in (first, table)]
        if scales[0] != scales[1]:
            raise RatingsError(
                f"{first.name} and {table.name} have different scales: lowest, highest and bins are {scales[0]} and {scales[1]}:"
                " split one table"
            )
    ratings = replace(
        first, ratings=tuple(rating for table in tables for rating in table), extra={}
    )
    ends = np.cumsum([0 if part is None else len(part) for part in parts])
    return ratings, Split(*np.split(np.arange(ends[-1]), ends[:-1]))
