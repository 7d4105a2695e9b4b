"""Kernel heads that learn from pairs of photos beside ratings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import SettingsError
from mlsp.models.heads.kernel import KernelHead, directions, similarities, solved
from mlsp.models.heads.kernel_module import in_steps
from mlsp.models.heads.kernel_networks import TrainingSet
from mlsp.models.heads.square_roots import StandardisedRoots, standardised_roots
from mlsp.models.signed_roots import signed_roots

# Photos, and worse photos of pairs, that the principal components are found in: more would say the same.
_RATED_IN_COMPONENTS = 6000
_PAIRS_IN_COMPONENTS = 2500
# Worse photos of pairs, for each support among the rated photos, that photos are compared with too.
_PAIRS_IN_SUPPORT = 0.2
# Of the mean diagonal: pairs repeat photos, and 32-bit features leave rounding.
_JITTER = 1e-6


@dataclass(frozen=True, slots=True)
class Differences:
    """Pairs of photos of which one is known to be better by a margin; what they are rated need not be known.

    Attributes:
        better: narrow features (pairs, C).
        worse: features of the other photos, (pairs, C).
        margins: by how much the scores should differ, (pairs,), on the scale of the ratings; 0 for photos that are equally good.
        weight: of a pair's squared error, against 1 of a rated photo; one number for all, or (pairs,).

    Raises:
        SettingsError: shapes do not agree, or a number is not finite.
    """

    better: Float32Array
    worse: Float32Array
    margins: Float64Array
    weight: float | Float64Array = 1.0

    def __post_init__(self) -> None:
        better, worse, margins = self.better, self.worse, self.margins
        if better.ndim != 2 or better.shape != worse.shape or margins.shape != (len(better),):
            raise SettingsError(
                f"expected pairs of features of one shape (pairs, channels) and a margin each, got {better.shape}, {worse.shape} and"
                f" {margins.shape}"
            )
        if not all(np.isfinite(array).all() for array in (better, worse, margins)):
            raise SettingsError("features and margins of pairs must be finite numbers")


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
    head.intercept_ = float(np.average(mos, weights=weights))
    axes = _principal_axes(head, features, mos, pairs, rng)
    metric = head.metric
    if metric is not None:
        head.axes_ = axes
        drawn = _drawn(rng, len(features), metric.photos)
        # Those that are drawn count for those left out too.
        drawn_weights = weights[drawn] * len(features) / len(drawn)
        some = _part(pairs, _drawn(rng, len(pairs.better), metric.photos))
        training = _training_set(head, features[drawn], mos[drawn], drawn_weights, some)
        head.support_ = _support(training, _drawn(rng, len(drawn), metric.support), rng)
        head.coef_ = _coefficients(head, training)
        axes = axes @ metric.axes(head, training.photos)
    head.axes_ = _rounded(axes, in_8_bits)
    training = _training_set(head, features, mos, weights, pairs)
    head.support_ = _rounded(_support(training, support, rng), in_8_bits)
    return head.add_networks(_coefficients(head, training), training)


def _principal_axes(
    head: KernelHead,
    features: Float32Array,
    mos: Float64Array,
    pairs: Differences,
    rng: np.random.Generator,
) -> Float32Array:
    """Find the components of rated photos and worse ones of pairs together, and set what comes before them."""
    rated = _drawn(rng, len(features), _RATED_IN_COMPONENTS)
    roots = standardised_roots(features[rated].astype(np.float32), mos[rated], head.level_channels)
    worse = pairs.worse[_drawn(rng, len(pairs.worse), _PAIRS_IN_COMPONENTS)]
    together = np.concatenate([roots.values, _standardised(worse, roots)])
    axes = directions(together, head.searched, head.seed)
    norm = np.sqrt(((roots.values @ axes).astype(np.float64) ** 2).sum(axis=1).mean())
    head.scale_, head.mean_ = roots.scale, roots.mean * roots.scale
    head.n_features_in_ = len(roots.scale)
    return (axes / np.float32(norm)).astype(np.float32)


def _training_set(
    head: KernelHead,
    features: Float32Array,
    mos: Float64Array,
    weights: Float64Array,
    pairs: Differences,
) -> TrainingSet:
    """Project photos and pairs as the head does."""
    return TrainingSet(
        head.project(features),
        mos - head.intercept_,
        weights,
        head.project(pairs.better),
        head.project(pairs.worse),
        pairs.margins,
        np.broadcast_to(pairs.weight, len(pairs.better)),
    )


def _support(
    training: TrainingSet, photos: NDArray[np.intp], rng: np.random.Generator
) -> Float32Array:
    """Return the rated photos of these indices, and a fifth as many worse ones of pairs."""
    added = _drawn(rng, len(training.worse), round(len(photos) * _PAIRS_IN_SUPPORT))
    return np.concatenate([training.photos[photos], training.worse[added]])


def _coefficients(head: KernelHead, training: TrainingSet) -> Float64Array:
    """Return the weights of the similarities to the head's support that make the sum of squares least."""
    support, steepness = head.support_, head.steepness
    normal = head.penalty * np.concatenate(
        [part for _, part in similarities(support, support, steepness)]
    )
    right = np.zeros(len(support))
    for at, similarity in similarities(training.photos, support, steepness):
        # A product of an array with itself is half the work.
        roots = np.sqrt(training.weights[at])
        weighted = similarity * roots[:, None]
        normal += weighted.T @ weighted
        right += weighted.T @ (roots * training.deviations[at])
    for (at, of_better), (_, of_worse) in zip(
        similarities(training.better, support, steepness),
        similarities(training.worse, support, steepness),
        strict=True,
    ):
        roots = np.sqrt(training.pair_weights[at])
        weighted = (of_better - of_worse) * roots[:, None]
        normal += weighted.T @ weighted
        right += weighted.T @ (roots * training.margins[at])
    normal[np.diag_indices_from(normal)] += _JITTER * np.trace(normal) / len(normal)
    return solved(normal, right)


def _part(pairs: Differences, chosen: NDArray[np.intp]) -> Differences:
    """Return some of the pairs; each then counts for those left out too."""
    share = len(chosen) / max(1, len(pairs.better))
    weight = np.broadcast_to(pairs.weight, len(pairs.better))[chosen] / share
    return Differences(pairs.better[chosen], pairs.worse[chosen], pairs.margins[chosen], weight)


def _rounded(array: Float32Array, in_8_bits: bool) -> Float32Array:
    if not in_8_bits:
        return array
    whole, step = in_steps(array)
    return whole * step


def _drawn(rng: np.random.Generator, count: int, most: int) -> NDArray[np.intp]:
    return np.sort(rng.permutation(count)[:most])


def _standardised(features: Float32Array, roots: StandardisedRoots) -> Float32Array:
    values = signed_roots(features.astype(np.float32))
    return (values - roots.mean.astype(np.float32)) * roots.scale.astype(np.float32)
