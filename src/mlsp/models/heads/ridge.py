"""A linear head on the signed square roots of narrow features, fitted in closed form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh
from torch import Tensor, nn

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.models.heads.estimators import RootsRegressor
from mlsp.models.heads.square_roots import roots_of_narrow, standardised_roots


class RidgeModule(nn.Module):
    """A fitted ridge head as a torch module: (N, 1, 1, C) -> (N,).

    Args:
        weight: (C,) of the signed square roots.
        bias: of the score.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Float64Array, bias: float) -> None:
        super().__init__()
        self.register_buffer("weight", torch.from_numpy(weight.astype(np.float32)))
        self.register_buffer("bias", torch.tensor(bias, dtype=torch.float32))

    def forward(self, features: Tensor) -> Tensor:
        """Score features: (N, 1, 1, C) -> (N,)."""
        return torch.mv(roots_of_narrow(features), self.weight) + self.bias


class RidgeHead(RootsRegressor):
    """Ridge regression on the signed square roots of narrow features; a scikit-learn estimator.

    Means of activations behind a ReLU are skewed: a few photos have values many times the usual. Their square roots are not,
    and a linear head on them agrees better with people (see docs/decisions).

    Args:
        alpha: penalty, above 0. The mean squared error plus alpha · C · Σw² is minimised, w the weights of the C channels, each
            standardised to a deviation of 1. Where levels or channels are weighted, a channel of a share s of the variance counts
            alpha · w² / s.
        level_channels: channels of each level, adding up to C; levels are then weighted equally, whatever their number of
            channels. None weights all channels equally.
        channel_weights: (C,) weights of the channels' variances, above 0: a channel of a larger one explains ratings more cheaply.
            None weights them as `level_channels` says.

    Attributes:
        coef_: (C,) weights of the signed square roots.
        intercept_: score of features that are all 0.
        n_features_in_: C.

    Examples:
        >>> features, ratings = np.array([[0.0, 4.0], [1.0, 1.0], [4.0, 0.0]]), np.array([1.0, 2.0, 3.0])
        >>> RidgeHead(alpha=1e-6).fit(features, ratings).predict(features).round(2)
        array([1., 2., 3.])
    """

    coef_: Float64Array
    intercept_: float

    def __init__(
        self,
        alpha: float = 6e-4,
        level_channels: Sequence[int] | None = None,
        channel_weights: Sequence[float] | None = None,
    ) -> None:
        self.alpha = alpha
        self.level_channels = level_channels
        self.channel_weights = channel_weights

    def _fit(self, features: Float32Array, ratings: Float64Array) -> Self:
        (fitted,) = fit_ridges(
            features, ratings, self.level_channels, [self.alpha], self.channel_weights
        )
        self.coef_, self.intercept_ = fitted.coef_, fitted.intercept_
        return self

    def _score(self, roots: Float32Array) -> Float64Array:
        scores: Float64Array = roots.astype(np.float64) @ self.coef_ + self.intercept_
        return scores

    def module(self, channels: NDArray[np.intp] | None = None, count: int = 0) -> RidgeModule:
        """Return the fitted head as a torch module, for a model.

        Args:
            channels: (C,) indices of its channels among all that the model has; None where it reads all.
            count: number of all channels.
        """
        if channels is None:
            return RidgeModule(self.coef_, self.intercept_)
        weight = np.zeros(count)
        weight[channels] = self.coef_
        return RidgeModule(weight, self.intercept_)


def fit_ridges(
    features: Float32Array,
    mos: Float64Array,
    level_channels: Sequence[int] | None,
    alphas: Sequence[float],
    channel_weights: Sequence[float] | None = None,
) -> Iterator[RidgeHead]:
    """Fit ridge heads of several penalties. Most of the work is the same for all, and done once.

    Args:
        features: (photos, C), narrow.
        mos: (photos,).
        level_channels: see `RidgeHead`.
        alphas: penalties, see `RidgeHead`.
        channel_weights: see `RidgeHead`.

    Yields:
        A fitted head for each penalty, in their order.

    Raises:
        SettingsError: shapes do not agree, or a number is not finite.
    """
    roots = standardised_roots(features, mos, level_channels, channel_weights)
    values, bias = roots.values, float(mos.mean())
    target = (mos - bias).astype(np.float32)
    photos, channels = values.shape
    # Products of rows with rows, or of channels with channels: the smaller of both gives the same weights.
    by_photos = len(values) <= channels
    products = values @ values.T if by_photos else values.T @ values
    right = target if by_photos else values.T @ target
    for alpha in alphas:
        solved = _solved(products, alpha * photos, right)
        weight = (values.T @ solved if by_photos else solved).astype(np.float64) * roots.scale
        head = RidgeHead(alpha, level_channels, channel_weights)
        head.coef_, head.intercept_ = weight, bias - float(weight @ roots.mean)
        head.n_features_in_ = channels
        yield head


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
