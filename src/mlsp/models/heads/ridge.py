"""A linear head on the square roots of narrow features, fitted in closed form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh
from torch import Tensor, nn

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.models.heads.square_roots import standardised_roots


@dataclass(frozen=True, slots=True)
class RidgeSettings:
    """How a ridge head is fitted.

    Attributes:
        alpha: penalty, in units of the number of photos: what is minimised is the mean squared error plus alpha times the
            mean squared weight of a standardised level.
        even_levels: weigh levels alike, whatever their number of channels; else channels alike.
    """

    alpha: float
    even_levels: bool


class RidgeHead(nn.Module):
    """A linear head on the square roots of narrow features.

    Means of activations behind a ReLU are skewed: a few photos have values many times the usual. Their square roots are not,
    and a linear head on them agrees better with people (see docs/decisions).

    Args:
        weight: (C,).
        bias: of the score.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Float64Array, bias: float) -> None:
        super().__init__()
        self.register_buffer("weight", torch.from_numpy(weight.astype(np.float32)))
        self.register_buffer("bias", torch.tensor(bias, dtype=torch.float32))

    def among(self, channels: NDArray[np.intp], count: int) -> RidgeHead:
        """This head on features of which its own are a part.

        Args:
            channels: where its own are.
            count: C of the features.
        """
        weight = np.zeros(count)
        weight[channels] = self.weight.double().numpy()
        return RidgeHead(weight, float(self.bias))

    def forward(self, features: Tensor) -> Tensor:
        """Score features: (N, 1, 1, C) -> (N,)."""
        roots = features[:, 0, 0, :].clamp(min=0).sqrt()
        return torch.mv(roots, self.weight) + self.bias


def fit_ridge(
    features: Float32Array,
    mos: Float64Array,
    level_channels: Sequence[int],
    settings: RidgeSettings,
) -> RidgeHead:
    """Fit a ridge head in closed form.

    Args:
        features: narrow, (photos, C), not negative.
        mos: (photos,).
        level_channels: channels of each level, adding up to C.
        settings: penalty and weighting.

    Returns:
        The head, with the standardisation folded in.

    Raises:
        SettingsError: shapes do not agree, or a number is not finite.
    """
    return next(
        fit_ridges(
            features, mos, level_channels, [settings.alpha], even_levels=settings.even_levels
        )
    )


def fit_ridges(
    features: Float32Array,
    mos: Float64Array,
    level_channels: Sequence[int],
    alphas: Sequence[float],
    *,
    even_levels: bool,
) -> Iterator[RidgeHead]:
    """Fit ridge heads of several penalties. Most of the work is the same for all, and done once.

    Args:
        features: see `fit_ridge`.
        mos: likewise.
        level_channels: likewise.
        alphas: penalties, see `RidgeSettings`.
        even_levels: likewise.

    Yields:
        A head for each penalty, in their order.

    Raises:
        SettingsError: see `fit_ridge`.
    """
    roots = standardised_roots(features, mos, level_channels, even_levels=even_levels)
    values, bias = roots.values, float(mos.mean())
    target = (mos - bias).astype(np.float32)
    photos, channels = values.shape
    # Products of photos with photos, or of channels with channels: the smaller of both gives the same weights.
    by_photos = photos <= channels
    products = values @ values.T if by_photos else values.T @ values
    right = target if by_photos else values.T @ target
    for alpha in alphas:
        solved = _solved(products, alpha * photos, right)
        weight = (values.T @ solved if by_photos else solved).astype(np.float64) * roots.scale
        yield RidgeHead(weight, bias - float(weight @ roots.mean))


def _solved(products: Float32Array, penalty: float, right: Float32Array) -> Float32Array:
    """Solve (products + penalty · identity) x = right; the products have no negative eigenvalues but by rounding."""
    system = products.copy()
    diagonal = np.einsum("ii->i", system)
    diagonal += penalty
    try:
        factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
        solution = cho_solve(factor, right, check_finite=False)
    except LinAlgError:
        # A penalty below the rounding of the products. Slow, and happens with made-up numbers only.
        values, vectors = eigh(products.astype(np.float64))
        solution = vectors @ (vectors.T @ right / (values.clip(min=0) + penalty))
    return np.asarray(solution, dtype=np.float32)
