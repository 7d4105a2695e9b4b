"""Kernel heads that learn from pairs of photos beside ratings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import SettingsError
from mlsp.models.heads.differences import Differences
from mlsp.models.heads.kernel import KernelHead, directions, similarities, solved
from mlsp.models.heads.kernel_module import in_steps
from mlsp.models.heads.square_roots import standardised_roots

# Photos, and worse photos of pairs, that the principal components are found in: more would say the same.
_RATED_IN_COMPONENTS = 6000
_PAIRS_IN_COMPONENTS = 2500
# Worse photos of pairs, for each support among the rated photos, that photos are compared with too.
_PAIRS_IN_SUPPORT = 0.2
# Of the mean diagonal: pairs repeat photos, and 32-bit features leave rounding.
_JITTER = 1e-6


def fit_kernel_with_pairs(
    head: KernelHead,
    features: Float32Array,
    mos: Float64Array,
    pairs: Differences,
    *,
    weights: Float64Array,
    support: NDArray[np.intp],
    in_8_bits: bool = False,
) -> KernelHead:
    """Fit a kernel head by least squares to ratings and, of pairs, to the margins by which their scores differ.

    A pair adds no offset of its own: what is learned of a photo and its worse copy does not move photos that people rated.

    Args:
        head: with its settings; its `support` is not used.
        features: (photos, C), narrow.
        mos: (photos,).
        pairs: of photos, with the same channels.
        weights: (photos,) of squared errors.
        support: indices of the rated photos that photos are compared with.
        in_8_bits: round axes and support before the fit, so that a module of it in 8 bits scores the same.

    Returns:
        The head, fitted. One fifth as many worse photos of pairs are among its support.

    Raises:
        SettingsError: shapes do not agree, a number is not finite, or the penalty is too small.
    """
    if weights.shape != mos.shape or len(features) != len(mos):
        raise SettingsError(
            f"expected a rating and a weight for each of {len(features)} photos, got {mos.shape} and {weights.shape}"
        )
    rng = np.random.default_rng(head.seed)
    rated = _drawn(rng, len(features), _RATED_IN_COMPONENTS)
    roots = standardised_roots(features[rated].astype(np.float32), mos[rated], head.level_channels)
    worse = pairs.worse[_drawn(rng, len(pairs.worse), _PAIRS_IN_COMPONENTS)]
    shift, scale = roots.mean.astype(np.float32), roots.scale.astype(np.float32)
    together = np.concatenate([roots.values, (_roots(worse) - shift) * scale])
    axes = directions(together, head.components, head.seed)
    norm = np.sqrt(((roots.values @ axes).astype(np.float64) ** 2).sum(axis=1).mean())
    head.scale_ = roots.scale
    head.axes_ = _rounded((axes / np.float32(norm)).astype(np.float32), in_8_bits)
    head.mean_ = roots.mean * roots.scale
    head.n_features_in_ = len(scale)

    photos = head.project(features)
    better, worse = head.project(pairs.better), head.project(pairs.worse)
    added = _drawn(rng, len(worse), round(len(support) * _PAIRS_IN_SUPPORT))
    head.support_ = _rounded(np.concatenate([photos[support], worse[added]]), in_8_bits)
    head.intercept_ = float(np.average(mos, weights=weights))
    normal = head.penalty * np.concatenate(
        [part for _, part in similarities(head.support_, head.support_, head.steepness)]
    )
    right = np.zeros(len(head.support_))
    for rows, similarity in similarities(photos, head.support_, head.steepness):
        weighted = similarity * weights[rows, None]
        normal += weighted.T @ similarity
        right += weighted.T @ (mos[rows] - head.intercept_)
    pair_weights = np.broadcast_to(pairs.weight, len(better))
    for (rows, of_better), (_, of_worse) in zip(
        similarities(better, head.support_, head.steepness),
        similarities(worse, head.support_, head.steepness),
        strict=True,
    ):
        difference = of_better - of_worse
        weighted = difference * pair_weights[rows, None]
        normal += weighted.T @ difference
        right += weighted.T @ pairs.margins[rows]
    normal[np.diag_indices_from(normal)] += _JITTER * np.trace(normal) / len(normal)
    head.coef_ = solved(normal, right)
    return head


def _rounded(array: Float32Array, in_8_bits: bool) -> Float32Array:
    if not in_8_bits:
        return array
    whole, step = in_steps(array)
    return whole * step


def _drawn(rng: np.random.Generator, count: int, most: int) -> NDArray[np.intp]:
    return np.sort(rng.permutation(count)[:most])


def _roots(features: Float32Array) -> Float32Array:
    return np.sqrt(np.maximum(features.astype(np.float32), 0))
