"""A head for tests whose scores can be told from the photo."""

from __future__ import annotations

from mlsp.base.arrays import Float32Array


class RednessHead:
    """Scores a photo by its mean red, 0…1, with features of `ConstantEngine`."""

    def predict(self, features: Float32Array) -> Float32Array:
        return features[:, 0, 0, 0]
