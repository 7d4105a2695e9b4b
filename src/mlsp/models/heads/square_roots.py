"""Square roots of narrow features, standardised: what the heads in closed form learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import SettingsError

# A channel that hardly varies over the rated photos says nothing, and would be blown up by its standardisation.
_LEAST_DEVIATION = 1e-4


@dataclass(frozen=True, slots=True)
class StandardisedRoots:
    """Square roots of features, less their means, times a scale.

    Attributes:
        values: (photos, C).
        mean: (C,) of the square roots.
        scale: (C,).
    """

    values: Float32Array
    mean: Float64Array
    scale: Float64Array


def standardised_roots(
    features: Float32Array,
    mos: Float64Array,
    level_channels: Sequence[int],
    *,
    even_levels: bool,
) -> StandardisedRoots:
    """Standardise the square roots of features, so that all of a photo's together have a variance of about 1.

    Means of activations behind a ReLU are skewed: a few photos have values many times the usual. Their square roots are not.

    Args:
        features: narrow, (photos, C), not negative.
        mos: (photos,), only looked at.
        level_channels: channels of each level, adding up to C.
        even_levels: weigh levels alike, whatever their number of channels; else channels alike.

    Raises:
        SettingsError: shapes do not agree, or a number is not finite.
    """
    if features.shape != (len(mos), sum(level_channels)):
        raise SettingsError(
            f"expected features of shape ({len(mos)}, {sum(level_channels)}), got {features.shape}"
        )
    if not (np.isfinite(features).all() and np.isfinite(mos).all()):
        raise SettingsError("features and ratings must be finite numbers")
    roots = np.sqrt(np.maximum(features, 0))
    mean = roots.mean(axis=0, dtype=np.float64)
    deviation = np.maximum(roots.std(axis=0, dtype=np.float64), _LEAST_DEVIATION)
    scale: Float64Array = 1 / deviation
    if even_levels:
        channels = np.asarray(level_channels)
        scale *= np.repeat(1 / np.sqrt(channels * len(channels)), channels)
    else:
        scale /= np.sqrt(features.shape[1])
    roots -= mean.astype(np.float32)
    roots *= scale.astype(np.float32)
    return StandardisedRoots(roots, mean, scale)
