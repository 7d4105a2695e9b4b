"""A kernel head as arrays, read from its graph: its linear part starts a user's taste."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.models.network_form import Graph, NetworkForm

# Added to squared distances. Between a photo and itself float32 leaves about 1e-7, whose square root would show in the score.
MIN_SQUARE = 1e-4
# Rated photos that the linear part is fitted to.
_FITTED = 2500
_PENALTY = 1e-3


@dataclass(frozen=True, slots=True)
class KernelForm:
    """Kernel head on narrow features.

    Attributes:
        scale: (C,) of the signed square roots of features.
        mean: (C,) of scaled roots, taken off them.
        axes: (C, D) from these to components.
        support: (S, D) components of the rated photos.
        coefficients: (S,) of their similarities.
        bias: of the score.
        steepness: of the similarity.
        networks: whose scores are added.
    """

    scale: Float64Array
    mean: Float64Array
    axes: Float64Array
    support: Float64Array
    coefficients: Float64Array
    bias: float
    steepness: float
    networks: tuple[NetworkForm, ...]

    @classmethod
    def read(cls, graph: Graph) -> KernelForm:
        """Read the arrays of a graph.

        Raises:
            ModelError: an array is missing.
        """

        def stored(name: str) -> Float64Array:
            return graph.array(f"{name}_in_8_bits").astype(np.float64)

        return cls(
            graph.array("scale").astype(np.float64),
            graph.array("mean").astype(np.float64),
            stored("axes") * graph.array("axes_step"),
            stored("support").T * graph.array("support_step"),
            graph.array("weight").astype(np.float64),
            float(graph.array("bias")),
            -float(graph.array("slope")[0]),
            NetworkForm.read_all(graph),
        )

    def linear(self) -> tuple[Float64Array, float]:
        """Return the linear head that is nearest to this one on rated photos: weights (C,) of signed square roots, and its bias."""
        rng = np.random.default_rng(0)
        photos = self.support[rng.permutation(len(self.support))[:_FITTED]]
        scores = np.concatenate(
            [self._deviations(photos[at : at + 500]) for at in range(0, len(photos), 500)]
        )
        middle, mean = photos.mean(axis=0), float(scores.mean())
        deviations = photos - middle
        normal = deviations.T @ deviations
        normal[np.diag_indices_from(normal)] += _PENALTY * np.trace(normal) / len(normal)
        gains = np.linalg.solve(normal, deviations.T @ (scores - mean))
        weights = self.axes @ gains
        bias = self.bias + mean - float(middle @ gains) - float(self.mean @ weights)
        return self.scale * weights, bias

    def _deviations(self, photos: Float64Array) -> Float64Array:
        """Return the scores of photos in components, less the bias."""
        similarities = np.exp(-self.steepness * distances(photos, self.support))
        deviations: Float64Array = similarities @ self.coefficients
        return sum((network.scores(photos) for network in self.networks), start=deviations)


def gradients(
    photos: Float64Array, support: Float64Array, coefficients: Float64Array, steepness: float
) -> Float64Array:
    """Return the slopes of a kernel head's score along the components, at photos.

    Args:
        photos: (photos, D) components.
        support: (S, D) components of the rated photos.
        coefficients: (S,) of their similarities.
        steepness: of the similarity.

    Returns:
        (photos, D).
    """
    away = distances(photos, support)
    pulls = -steepness * np.exp(-steepness * away) * coefficients / away
    slopes: Float64Array = photos * pulls.sum(axis=1)[:, None] - pulls @ support
    return slopes


def distances(
    photos: Float32Array | Float64Array, support: Float32Array | Float64Array
) -> Float64Array:
    """Return the distances of photos, (photos, D) components, to those in the support, (S, D): (photos, S)."""
    own, others = ((some.astype(np.float64) ** 2).sum(axis=1) for some in (photos, support))
    squares = own[:, None] + others - 2 * (photos @ support.T).astype(np.float64)
    found: Float64Array = np.sqrt(np.maximum(squares, 0) + MIN_SQUARE)
    return found
