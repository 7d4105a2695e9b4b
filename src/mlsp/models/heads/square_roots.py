"""Signed square roots of narrow features, standardised: the input of the heads in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import SettingsError
from mlsp.models.signed_roots import signed_roots

# A channel that hardly varies over the rated photos carries no information, and would be amplified by its standardisation.
_MIN_DEVIATION = 1e-4


@dataclass(frozen=True, slots=True)
class StandardisedRoots:
    """Signed square roots of features, less their means, times a scale.

    Attributes:
        values: (photos, C).
        mean: (C,) of the roots.
        scale: (C,).
    """

    values: Float32Array
    mean: Float64Array
    scale: Float64Array


def standardised_roots(
    features: Float32Array,
    mos: Float64Array,
    level_channels: Sequence[int] | None = None,
    channel_weights: Sequence[float] | None = None,
) -> StandardisedRoots:
    """Standardise the signed square roots of features, so that all of a photo's together have a variance of about 1.

    Means of activations behind a ReLU are skewed: a few photos have values many times the usual. Their square roots are not. Features of
    transformers have both signs.

    Args:
        features: narrow, (photos, C).
        mos: (photos,), only checked.
        level_channels: channels of each level, adding up to C; levels are then weighted equally, whatever their number of
            channels. None weights all channels equally.
        channel_weights: (C,) shares of each channel in the variance, above 0, whatever their sum; multiplied with those of levels.

    Raises:
        SettingsError: shapes do not agree, or a number is not finite.
    """
    channels = np.asarray(features.shape[1:] if level_channels is None else level_channels)
    if features.shape != (len(mos), channels.sum()):
        raise SettingsError(
            f"expected features of shape ({len(mos)}, {channels.sum()}), got {features.shape}"
        )
    if not (np.isfinite(features).all() and np.isfinite(mos).all()):
        raise SettingsError("features and ratings must be finite numbers")
    roots = signed_roots(features)
    mean = roots.mean(axis=0, dtype=np.float64)
    deviation = np.maximum(roots.std(axis=0, dtype=np.float64), _MIN_DEVIATION)
    scale: Float64Array = 1 / deviation
    shares = np.repeat(1 / (channels * len(channels)), channels)
    if channel_weights is not None:
        shares *= np.asarray(channel_weights)
        shares /= shares.sum()
    scale *= np.sqrt(shares)
    roots -= mean.astype(np.float32)
    roots *= scale.astype(np.float32)
    return StandardisedRoots(roots, mean, scale)


def roots_of_narrow(features: Tensor) -> Tensor:
    """Return the signed square roots of narrow features in a graph: (N, 1, 1, C) -> (N, C)."""
    narrow = features[:, 0, 0, :]
    return narrow.relu().sqrt() - (-narrow).relu().sqrt()
