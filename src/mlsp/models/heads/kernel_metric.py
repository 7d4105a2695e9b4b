"""By what photos are compared: learned from how a kernel head's score changes with each component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.models.kernel_form import gradients

if TYPE_CHECKING:
    from mlsp.models.heads.kernel import KernelHead

_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class KernelMetric:
    """How to learn a metric from a provisional head: one step of a recursive feature machine.

    Principal components are where photos differ most, which need not be what people rate. The mean outer product of the score's
    gradients says along which directions it changes; photos are compared there more closely (Radhakrishnan, Beaglehole, Pandit and
    Belkin, Science 383, 2024).

    Attributes:
        searched: principal components that it is learned in; the head keeps its own number of directions.
        photos: maximum of rated photos, and of pairs, that the provisional head learns from.
        support: rated photos that the provisional head compares with.
        power: of the mean outer product; 0 keeps the principal components, larger ones trust the provisional head more.
        floor: share of the metric that treats all components alike.
    """

    searched: int = 512
    photos: int = 8000
    support: int = 2400
    power: float = 0.35
    floor: float = 0.05

    def axes(self, head: KernelHead, photos: Float32Array) -> Float32Array:
        """Return the directions in which photos are compared.

        Args:
            head: provisional, fitted.
            photos: (photos, searched) components of the rated photos.

        Returns:
            (searched, components of the head), scaled so that the root mean square of a rated photo's distance from their mean is 1.
        """
        product = np.zeros((photos.shape[1], photos.shape[1]))
        for at in range(0, len(photos), _ROWS_AT_ONCE):
            slopes = gradients(
                photos[at : at + _ROWS_AT_ONCE].astype(np.float64),
                head.support_.astype(np.float64),
                head.coef_,
                head.steepness,
            )
            product += slopes.T @ slopes
        values, vectors = np.linalg.eigh(product)
        powers: Float64Array = np.maximum(values, 0) ** self.power
        kept: Float64Array = (1 - self.floor) * powers / powers.mean() + self.floor
        order = np.argsort(-kept)[: head.components]
        axes = vectors[:, order] * np.sqrt(kept[order])
        deviations = (photos - photos.mean(axis=0)) @ axes
        scaled: Float32Array = (axes / np.sqrt((deviations**2).sum(axis=1).mean())).astype(
            np.float32
        )
        return scaled
