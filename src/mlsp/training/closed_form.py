"""Heads in closed form: ridge and kernel ridge, whose settings the validation photos choose."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import SettingsError
from mlsp.models.heads import (
    KernelHead,
    KernelSettings,
    RidgeHead,
    RidgeSettings,
    fit_ridges,
    kernel_components,
)
from mlsp.ratings.splits import Split
from mlsp.ratings.table import RatingTable
from mlsp.training.batches import FeatureBatches, Rows, ordered_batches

_RIDGES = tuple(
    RidgeSettings(alpha, even_levels)
    for even_levels in (False, True)
    for alpha in (4e-5, 8e-5, 1.6e-4, 3e-4, 6e-4, 1.2e-3, 5e-3, 2e-2)
)
_KERNELS = tuple(
    KernelSettings(steepness=steepness, penalty=penalty)
    for steepness in (0.15, 0.3, 0.6)
    for penalty in (0.003, 0.01, 0.03, 0.1)
)
_ROWS_AT_ONCE = 512

ClosedFormHead = RidgeHead | KernelHead
# A fitted head, and its settings in words.
_Candidate = tuple[ClosedFormHead, str]


@dataclass(frozen=True, slots=True)
class _Form:
    """A kind of head.

    Attributes:
        title: for cards.
        settings: those that are tried.
        fits: heads of some of them on narrow features (rows, C), ratings (rows,) and channels of each level, one at a time.
    """

    title: str
    settings: tuple[RidgeSettings, ...] | tuple[KernelSettings, ...]
    fits: Callable[[Float32Array, Float64Array, Sequence[int], Sequence[int]], Iterator[_Candidate]]


def _ridges(
    features: Float32Array, mos: Float64Array, widths: Sequence[int], numbers: Sequence[int]
) -> Iterator[_Candidate]:
    chosen = [_RIDGES[number] for number in numbers]
    # Settings of one weighting follow each other, and share what costs most.
    for even_levels, alike in itertools.groupby(chosen, key=lambda settings: settings.even_levels):
        alphas = [settings.alpha for settings in alike]
        weighting = "levels" if even_levels else "channels"
        heads = fit_ridges(features, mos, widths, alphas, even_levels=even_levels)
        for alpha, head in zip(alphas, heads, strict=True):
            yield head, f"penalty {alpha:g} with {weighting} alike"


def _kernels(
    features: Float32Array, mos: Float64Array, widths: Sequence[int], numbers: Sequence[int]
) -> Iterator[_Candidate]:
    # The components are the same for all: their settings differ in the rest only.
    components = kernel_components(features, mos, widths, _KERNELS[0])
    for settings in (_KERNELS[number] for number in numbers):
        head = components.fit(mos, settings)
        yield (
            head,
            f"{len(head.support)} photos in {head.support.shape[1]} principal components, steepness {settings.steepness:g}, penalty"
            f" {settings.penalty:g}",
        )


_FORMS: Mapping[str, _Form] = {
    "ridge": _Form("Ridge", _RIDGES, _ridges),
    "kernel": _Form("Kernel ridge", _KERNELS, _kernels),
}
CLOSED_FORMS = tuple(_FORMS)


@dataclass(frozen=True, slots=True)
class FittedHead:
    """A head in closed form.

    Attributes:
        head: fitted on train and validation photos, with the best settings; channels of levels that were not chosen weigh nothing.
        fitted_on_train: the same, fitted on the train photos alone: only this one's validation scores are of photos unseen.
        title: for cards.
        how: its settings, in words.
    """

    head: ClosedFormHead
    fitted_on_train: ClosedFormHead
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
        name: one of `CLOSED_FORMS`.
        features: narrow.
        ratings: the table.
        split: of it.
        chosen: channels of each level that it reads.

    Raises:
        SettingsError: the features do not fit into memory, or the photos are all alike.
    """
    form = _FORMS[name]
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
    best: tuple[float, int, ClosedFormHead] | None = None
    every = range(len(form.settings))
    for number, (head, _) in zip(every, form.fits(train, mos, widths, every), strict=True):
        with torch.no_grad():
            scores = head(torch.from_numpy(validation)[:, None, None, :]).double().numpy()
        predicted: Float64Array = scores.reshape(-1, features.views).mean(axis=1)
        error = float(np.mean((predicted - actual) ** 2))
        if best is None or error < best[0]:
            best = error, number, head
    if best is None:
        raise SettingsError(f"no settings of head {name!r} to choose from")
    both = np.concatenate([train, validation])
    both_mos = np.concatenate([mos, np.repeat(actual, features.views)])
    head, words = next(form.fits(both, both_mos, widths, [best[1]]))
    return FittedHead(
        head.among(channels, features.channels),
        best[2].among(channels, features.channels),
        form.title,
        f"{words}, the best of {len(every)} on the validation photos, which it then learned from too",
    )


def _rows(features: FeatureBatches, rows: Rows, channels: Rows) -> Float32Array:
    """(photos · views, channels)."""
    found = np.empty((len(rows), features.views, len(channels)), dtype=np.float32)
    start = 0
    for array in features.read(ordered_batches(rows, size=_ROWS_AT_ONCE)):
        found[start : start + len(array)] = array[:, :, 0, 0][..., channels]
        start += len(array)
    return found.reshape(-1, len(channels))
