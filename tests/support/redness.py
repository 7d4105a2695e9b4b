"""A fake engine and a fake head: features are the mean colour of a photo, and its score is the red."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlsp.base.arrays import Float32Array, UInt8Array
from mlsp.features.engines import Precision
from mlsp.features.spec import FeatureSpec


@dataclass(frozen=True, slots=True)
class ConstantEngine:
    """The features of a photo are its mean red, green and blue, repeated.

    Attributes:
        feature_spec: that its features claim to have.
        channels: of a feature.
    """

    feature_spec: FeatureSpec
    channels: int = 3
    precision: Precision = "float32"

    def pooled(self, batch: UInt8Array) -> Float32Array:
        """Compute the mean colour, 0…1, of each photo, in every cell; see `Engine.pooled`."""
        means = batch.mean(axis=(1, 2), dtype=np.float64).astype(np.float32) / np.float32(255)
        repeated = np.resize(np.arange(3), self.channels)
        grid = self.feature_spec.grid
        return np.broadcast_to(
            means[:, None, None, repeated], (len(batch), grid, grid, self.channels)
        ).copy()


class RednessHead:
    """Scores a photo by its mean red, 0…1, with features of `ConstantEngine`."""

    def predict(self, features: Float32Array) -> Float32Array:
        return features[:, 0, 0, 0]
