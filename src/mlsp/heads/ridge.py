"""A linear head on the square roots of narrow features, fitted in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from torch import Tensor, nn

from mlsp.arrays import Float32Array, Float64Array
from mlsp.heads.square_roots import standardised_roots


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
    roots = standardised_roots(features, mos, level_channels, even_levels=settings.even_levels)
    ridge = Ridge(alpha=settings.alpha * len(mos), solver="cholesky", copy_X=False)
    ridge.fit(roots.values, mos.astype(np.float32))
    weight = np.asarray(ridge.coef_, dtype=np.float64) * roots.scale
    return RidgeHead(weight, float(ridge.intercept_) - float(weight @ roots.mean))
