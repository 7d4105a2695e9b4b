"""Ridge and kernel ridge, in closed form, and networks beside a kernel: the validation photos choose their settings."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from sklearn.base import clone
from torch import nn

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import SettingsError
from mlsp.models.heads import (
    KernelHead,
    KernelMetric,
    KernelNetworks,
    RidgeHead,
    fit_kernels,
    fit_ridges,
)
from mlsp.ratings.splits import Split
from mlsp.ratings.table import RatingTable
from mlsp.training.batches import FeatureBatches, Rows, gather

_ALPHAS = (4e-5, 8e-5, 1.6e-4, 3e-4, 6e-4, 1.2e-3, 5e-3, 2e-2)
_STEEPNESSES = (0.15, 0.3, 0.6)
_PENALTIES = (0.003, 0.01, 0.03, 0.1)
_TITLES = {"ridge": "Ridge", "kernel": "Kernel ridge"}


Head: TypeAlias = RidgeHead | KernelHead


class _Best:
    """The head with the least error of those that were considered, of which it holds no other."""

    def __init__(self, error: Callable[[Head], float]) -> None:
        self._error = error
        self._least: tuple[float, Head] | None = None
        self.tried = 0

    @property
    def head(self) -> Head:
        if self._least is None:
            raise SettingsError("no settings of a head to choose from")
        return self._least[1]

    def consider(self, head: Head) -> None:
        self.tried += 1
        found = self._error(head)
        if self._least is None or found < self._least[0]:
            self._least = found, head


def _best(
    name: str,
    features: Float32Array,
    mos: Float64Array,
    widths: Sequence[int],
    error: Callable[[Head], float],
) -> _Best:
    """Fit heads of all settings on narrow features (rows, C), ratings (rows,) and channels of each level, and return the best."""
    best = _Best(error)

    def kernels() -> Iterator[KernelHead]:
        for settings in itertools.product(_STEEPNESSES, _PENALTIES):
            yield KernelHead(*settings, level_channels=widths)
        # The best settings hardly depend on what photos are compared by, or on what is added, which is tried with these alone.
        yield clone(best.head).set_params(metric=KernelMetric())
        yield clone(best.head).set_params(networks=KernelNetworks())

    heads: Iterable[Head]
    if name == "ridge":
        ridges = (fit_ridges(features, mos, levels, _ALPHAS) for levels in (None, widths))
        heads = itertools.chain.from_iterable(ridges)
    else:
        heads = fit_kernels(features, mos, kernels())
    for head in heads:
        best.consider(head)
    return best


def _title(name: str, head: Head) -> str:
    has_networks = isinstance(head, KernelHead) and head.networks_
    return f"{_TITLES[name]} with networks" if has_networks else _TITLES[name]


def _in_words(head: Head) -> str:
    if isinstance(head, RidgeHead):
        weighting = "channels" if head.level_channels is None else "levels"
        return f"penalty {head.alpha:g} with {weighting} alike"
    photos, components = head.support_.shape
    directions = "principal components" if head.metric is None else "learned directions"
    networks = f", {len(head.networks_)} small networks" if head.networks_ else ""
    return (
        f"{photos} photos in {components} {directions}, steepness {head.steepness:g}, penalty"
        f" {head.penalty:g}{networks}"
    )


@dataclass(frozen=True, slots=True)
class FittedHead:
    """A head in closed form.

    Attributes:
        head: fitted on train and validation photos, with the best settings; channels of levels that were not chosen weigh nothing.
        fitted_on_train: the same, fitted on the train photos alone: only this one's validation scores are of photos unseen.
        title: for cards.
        how: its settings, for cards.
    """

    head: nn.Module
    fitted_on_train: nn.Module
    title: str
    how: str


def fit_closed_form(
    name: str,
    features: FeatureBatches,
    ratings: RatingTable,
    split: Split,
    chosen: Sequence[slice],
) -> FittedHead:
    """Fit on the train photos, each stored view a row of its own; keep the settings with the least validation error; fit again on both.

    Args:
        name: `ridge` or `kernel`.
        features: narrow.
        ratings: the table.
        split: of it.
        chosen: channels of each level that it reads.

    Raises:
        SettingsError: the features do not fit into memory, or the photos are all alike.
    """
    if not features.in_memory:
        raise SettingsError(
            f"head {name!r} needs all features in memory, {features.size_bytes / 2**30:.1f} GiB: allow more, choose fewer photos, or"
            " another head"
        )
    channels = np.concatenate([np.arange(part.start, part.stop) for part in chosen])
    widths = [part.stop - part.start for part in chosen]
    train = _rows(features, split.train, channels)
    validation = _rows(features, split.validation, channels)
    mos = np.repeat(ratings.mos[split.train], features.views)
    actual = ratings.mos[split.validation]

    def error(head: Head) -> float:
        predicted = head.predict(validation).reshape(-1, features.views).mean(axis=1)
        return float(np.mean((predicted - actual) ** 2))

    best = _best(name, train, mos, widths, error)
    head = clone(best.head).fit(
        np.concatenate([train, validation]),
        np.concatenate([mos, np.repeat(actual, features.views)]),
    )
    return FittedHead(
        head.module(channels, features.channels),
        best.head.module(channels, features.channels),
        _title(name, head),
        f"{_in_words(head)}, the best of {best.tried} on the validation photos, which it then learned from too",
    )


def _rows(features: FeatureBatches, rows: Rows, channels: Rows) -> Float32Array:
    """(photos · views, channels)."""
    found = gather(features, rows, lambda array: array[:, :, 0, 0][..., channels])
    return found.reshape(-1, len(channels))
