"""A ridge head whose penalty the validation photos choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mlsp.arrays import Float32Array, Float64Array
from mlsp.errors import SettingsError
from mlsp.heads import RidgeHead, RidgeSettings, fit_ridge
from mlsp.ratings import RatingTable
from mlsp.splits import Split
from mlsp.training.batches import FeatureBatches, Rows, ordered_batches

_SETTINGS = tuple(
    RidgeSettings(alpha, even_levels)
    for even_levels in (False, True)
    for alpha in (4e-5, 8e-5, 1.6e-4, 3e-4, 6e-4, 1.2e-3, 5e-3, 2e-2)
)
_ROWS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class FittedRidge:
    """A ridge head and its settings.

    Attributes:
        head: on all channels; those of levels that were not chosen weigh nothing.
        settings: the best.
        tried: how many there were.
    """

    head: RidgeHead
    settings: RidgeSettings
    tried: int


def choose_ridge(
    features: FeatureBatches, ratings: RatingTable, split: Split, chosen: Sequence[slice]
) -> FittedRidge:
    """Fit on the train photos, each stored view a row of its own, and keep the settings with the least validation error.

    Args:
        features: narrow.
        ratings: the table.
        split: of it.
        chosen: channels of each level that it reads.

    Raises:
        SettingsError: the features do not fit into memory.
    """
    if not features.in_memory:
        raise SettingsError(
            f"head 'ridge' needs all features in memory, {features.size_bytes / 2**30:.1f} GiB: allow more, choose fewer photos, or"
            " another head"
        )
    channels = np.concatenate([np.arange(part.start, part.stop) for part in chosen])
    widths = [part.stop - part.start for part in chosen]
    train = _rows(features, split.train, channels)
    validation = _rows(features, split.validation, channels)
    mos = np.repeat(ratings.mos[split.train], features.views)
    actual = ratings.mos[split.validation]
    best: tuple[float, RidgeHead, RidgeSettings] | None = None
    for settings in _SETTINGS:
        head = fit_ridge(train, mos, widths, settings)
        with torch.no_grad():
            scores = head(torch.from_numpy(validation)[:, None, None, :]).double().numpy()
        predicted: Float64Array = scores.reshape(-1, features.views).mean(axis=1)
        error = float(np.mean((predicted - actual) ** 2))
        if best is None or error < best[0]:
            best = error, head, settings
    if best is None:
        raise SettingsError("no settings of a ridge head to choose from")
    weight = np.zeros(features.channels)
    weight[channels] = best[1].weight.double().numpy()
    return FittedRidge(RidgeHead(weight, float(best[1].bias)), best[2], len(_SETTINGS))


def _rows(features: FeatureBatches, rows: Rows, channels: Rows) -> Float32Array:
    """(photos · views, channels)."""
    found = np.empty((len(rows), features.views, len(channels)), dtype=np.float32)
    start = 0
    for array in features.read(ordered_batches(rows, size=_ROWS_AT_ONCE)):
        found[start : start + len(array)] = array[:, :, 0, 0][..., channels]
        start += len(array)
    return found.reshape(-1, len(channels))
