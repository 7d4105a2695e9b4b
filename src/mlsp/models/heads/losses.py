"""Distributions of ratings: their loss and their mean."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# Where a prediction is exact the root has no slope; so small a number does not show elsewhere.
_EPSILON = 1e-12


def emd_squared(logits: Tensor, target: Tensor, *, root: bool = True) -> Tensor:
    """Earth mover's distance with squared differences, the loss of NIMA (Talebi and Milanfar 2018, equation 1 with r = 2).

    Between two distributions over K bins it is √(1/K · Σ (difference of the cumulative sums)²). NIMA takes the root, and so do the
    .05 and .07 of section 4.3 of the paper; what other work calls squared EMD leaves it out.

    Args:
        logits: (N, K), before the softmax.
        target: (N, K) shares of the votes, each row adding up to 1.
        root: take the root for each photo.

    Returns:
        () mean over the photos, 0…1.
    """
    difference = logits.softmax(dim=1).cumsum(dim=1) - target.cumsum(dim=1)
    squares = difference.square().mean(dim=1)
    return ((squares + _EPSILON).sqrt() if root else squares).mean()


def mean_of_bins(logits: Tensor, bins: Sequence[float]) -> Tensor:
    """Score of a distribution: the mean of its bins.

    Args:
        logits: (N, K), before the softmax.
        bins: K ratings.

    Returns:
        (N,) on the scale of the bins.
    """
    values = torch.tensor(list(bins), dtype=logits.dtype, device=logits.device)
    return logits.softmax(dim=1) @ values
