"""Kernel ridge regression on narrow features: a head that compares a photo with the rated ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from sklearn.base import clone
from sklearn.utils.extmath import randomized_svd

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import SettingsError
from mlsp.models.heads.estimators import RootsRegressor
from mlsp.models.heads.kernel_metric import KernelMetric
from mlsp.models.heads.kernel_module import KernelModule
from mlsp.models.heads.kernel_networks import KernelNetworks, TrainingSet
from mlsp.models.heads.square_roots import standardised_roots
from mlsp.models.kernel_form import distances
from mlsp.models.network_form import NetworkForm
from mlsp.models.signed_roots import signed_roots

_ROWS_AT_ONCE = 4096
_PROJECTED_AT_ONCE = 2000
# Of the largest eigenvalue: keeps the Cholesky factors of kernels with repeated photos from failing.
_JITTER = 1e-9
# Of the largest singular value. Where photos are repeated, float32 leaves up to a hundred thousandth in directions in which they do
# not differ; divided by its root, it would outweigh all else in the distance to a photo that was not learned from.
_MIN_SINGULAR = 1e-4
# Of the mean rating.
_ROUNDING = 1e-9


class KernelHead(RootsRegressor):
    """Kernel ridge regression on narrow features; a scikit-learn estimator.

    A score is a weighted sum of a photo's similarities to rated photos, exp(-steepness · Euclidean distance) in the principal
    components of the signed square roots of the features, each divided by the square root of its deviation: halfway between components
    as they are and all of one deviation.

    Args:
        steepness: how fast similarity falls with distance, above 0; the root mean square of a rated photo's distance from their
            mean is 1.
        penalty: added to the diagonal of the kernel, above 0: the larger, the less a single rating counts.
        components: principal components that photos are compared in; n photos have at most n - 1, and C channels C.
        support: maximum of rated photos that a photo is compared with; of more, so many are drawn, and all are still learned from
            (Nyström).
        level_channels: channels of each level, adding up to C; levels are then weighted equally, whatever their number of
            channels. None weights all channels equally.
        seed: of the components and of the draws.
        metric: compare photos by what changes the score, learned by a head of before; None compares them in principal components.
        networks: small networks that learn in the same components, and share the score; None is the kernel alone.

    Attributes:
        scale_: (C,) of the signed square roots of features.
        mean_: (C,) of the scaled roots.
        axes_: (C, D) from scaled roots to components.
        support_: (S, D) components of the rated photos that photos are compared with.
        coef_: (S,) weights of their similarities.
        networks_: what they add to the score.
        intercept_: mean rating.
        n_features_in_: C.

    Examples:
        >>> features, ratings = np.array([[0.0, 4.0], [1.0, 1.0], [4.0, 0.0]]), np.array([1.0, 3.0, 1.0])
        >>> KernelHead(penalty=1e-6).fit(features, ratings).predict(features).round(2)
        array([1., 3., 1.])
    """

    scale_: Float64Array
    mean_: Float64Array
    axes_: Float32Array
    support_: Float32Array
    coef_: Float64Array
    networks_: tuple[NetworkForm, ...]
    intercept_: float

    def __init__(
        self,
        steepness: float = 0.3,
        penalty: float = 0.01,
        components: int = 512,
        support: int = 10_000,
        level_channels: Sequence[int] | None = None,
        seed: int = 0,
        metric: KernelMetric | None = None,
        networks: KernelNetworks | None = None,
    ) -> None:
        self.steepness = steepness
        self.penalty = penalty
        self.components = components
        self.support = support
        self.level_channels = level_channels
        self.seed = seed
        self.metric = metric
        self.networks = networks

    def _fit(self, features: Float32Array, ratings: Float64Array) -> Self:
        self._check()
        return self._fit_in(_components(features, ratings, self), ratings)

    @property
    def searched(self) -> int:
        """Principal components to be found: those that photos are compared in, or that a metric is learned in."""
        return self.components if self.metric is None else self.metric.searched

    def _check(self) -> None:
        if self.components < 1 or self.support < 2:
            raise SettingsError(
                f"a kernel head needs at least 1 component and 2 photos, got {self.components} and {self.support}"
            )
        # Written so that NaN fails as well.
        if not (self.steepness > 0 and self.penalty > 0):
            raise SettingsError(
                f"steepness and penalty must be above 0, got {self.steepness:g} and {self.penalty:g}"
            )

    def _fit_in(self, found: _Components, ratings: Float64Array) -> Self:
        if self.metric is not None:
            found = found.turned(self._metric_axes(self.metric, found, ratings))
        drawn = np.arange(len(found.photos))
        if len(drawn) > self.support:
            rng = np.random.default_rng(self.seed)
            drawn = np.sort(rng.choice(len(drawn), self.support, replace=False))
        self.n_features_in_ = len(found.axes)
        self.scale_, self.mean_, self.axes_ = found.scale, found.mean, found.axes
        self.support_ = found.photos[drawn]
        self.intercept_ = float(ratings.mean())
        deviations = ratings - self.intercept_
        coefficients = _weights(found.photos, drawn, deviations, self.steepness, self.penalty)
        return self.add_networks(coefficients, TrainingSet.of_ratings(found.photos, deviations))

    def add_networks(self, coefficients: Float64Array, training: TrainingSet) -> Self:
        """Fit the networks if there are to be any, and give them and the kernel their shares of the score.

        Args:
            coefficients: (S,) of the kernel's similarities, where it has the whole score.
            training: what it learned from.

        Returns:
            The head itself.
        """
        self.networks_, self.coef_ = (), coefficients
        # Of ratings that are all alike there is nothing to learn: networks would keep what they begin with.
        is_alike = np.abs(training.deviations).max() <= _ROUNDING * abs(self.intercept_)
        if self.networks is not None and not is_alike:
            self.networks_ = self.networks.fit(training, self.seed)
            self.coef_ = coefficients * (1 - self.networks.share)
        return self

    def _metric_axes(
        self, metric: KernelMetric, found: _Components, ratings: Float64Array
    ) -> Float32Array:
        drawn = np.random.default_rng(self.seed).permutation(len(ratings))[: metric.photos]
        some = replace(found, photos=found.photos[drawn])
        provisional = clone(self).set_params(metric=None, networks=None, support=metric.support)
        return metric.axes(provisional._fit_in(some, ratings[drawn]), some.photos)

    def project(self, features: NDArray[np.floating]) -> Float32Array:
        """Return the components of photos, some thousand at a time: features may be stored in 16 bits, and many.

        Args:
            features: narrow, (photos, C).

        Returns:
            (photos, D).
        """
        # Once for no photos, too.
        starts = range(0, max(1, len(features)), _PROJECTED_AT_ONCE)
        parts = (features[at : at + _PROJECTED_AT_ONCE].astype(np.float32) for at in starts)
        return np.concatenate(
            [self._components_of(signed_roots(part)).astype(np.float32) for part in parts]
        )

    def _components_of(self, roots: Float32Array) -> Float64Array:
        # In float64, so that a photo's score does not depend on the photos beside it.
        components: Float64Array = (roots * self.scale_ - self.mean_) @ self.axes_
        return components

    def _score(self, roots: Float32Array) -> Float64Array:
        photos = self._components_of(roots)
        parts = similarities(photos, self.support_, self.steepness)
        scores = np.concatenate([part @ self.coef_ + self.intercept_ for _, part in parts])
        return sum((network.scores(photos) for network in self.networks_), start=scores)

    def module(
        self, channels: NDArray[np.intp] | None = None, count: int = 0, *, in_8_bits: bool = False
    ) -> KernelModule:
        """Return the fitted head as a torch module, for a model.

        Args:
            channels: (C,) indices of its channels among all that the model has; None where it reads all.
            count: number of all channels.
            in_8_bits: store axes and support in 8 bits.
        """
        scale, mean, axes = self.scale_, self.mean_, self.axes_
        if channels is not None:
            scale, mean = np.zeros(count), np.zeros(count)
            axes = np.zeros((count, axes.shape[1]), np.float32)
            scale[channels], mean[channels] = self.scale_, self.mean_
            axes[channels] = self.axes_
        return KernelModule(
            scale,
            mean,
            axes,
            self.support_,
            self.coef_,
            self.intercept_,
            steepness=self.steepness,
            networks=self.networks_,
            in_8_bits=in_8_bits,
        )


@dataclass(frozen=True, slots=True)
class _Components:
    """Rated photos in principal components.

    Attributes:
        photos: (photos, D).
        scale: (C,) of the signed square roots of features.
        mean: (C,) of the scaled roots.
        axes: (C, D) from scaled roots, less their mean.
    """

    photos: Float32Array
    scale: Float64Array
    mean: Float64Array
    axes: Float32Array

    def turned(self, axes: Float32Array) -> _Components:
        """Return the same photos in other directions: (D, new D) axes."""
        return replace(self, photos=self.photos @ axes, axes=self.axes @ axes)


def _components(features: Float32Array, mos: Float64Array, head: KernelHead) -> _Components:
    """Find the principal components in which a head compares photos, or learns its metric.

    Components are scaled by the inverse square root of their deviations, halfway between unscaled and all equal.

    Raises:
        SettingsError: shapes do not agree, a number is not finite, or all photos have the same features.
    """
    roots = standardised_roots(features, mos, head.level_channels)
    axes = directions(roots.values, head.searched, head.seed)
    photos = roots.values @ axes
    norm = np.sqrt((photos.astype(np.float64) ** 2).sum(axis=1).mean())
    axes = (axes / norm).astype(np.float32)
    return _Components(
        (photos / norm).astype(np.float32),
        roots.scale,
        roots.mean * roots.scale,
        axes,
    )


def directions(values: Float32Array, components: int, seed: int) -> Float32Array:
    """Find the principal directions of standardised photos, scaled halfway between unscaled and all equal.

    Args:
        values: (photos, C); the mean of those that they were standardised by is 0.
        components: D, fewer where there are fewer channels or photos, or photos are repeated.
        seed: of the search.

    Returns:
        (C, D).

    Raises:
        SettingsError: all photos are the same.
    """
    photos, channels = values.shape
    # Without their mean, photos differ in one direction less than there are photos; one more would be rounding.
    count = max(1, min(components, photos - 1, channels))
    _, singular, found = randomized_svd(values, count, n_iter=3, random_state=seed)
    if not singular[0] > 0:
        raise SettingsError("all photos have the same features: there is nothing to learn from")
    kept = singular > _MIN_SINGULAR * singular[0]
    scaled: Float32Array = found[kept].T / np.sqrt(singular[kept])
    return scaled


def fit_kernels(
    features: Float32Array, mos: Float64Array, heads: Iterable[KernelHead]
) -> Iterator[KernelHead]:
    """Fit kernel heads that differ in steepness and penalty. Their components are the same, and found once.

    Args:
        features: (photos, C), narrow.
        mos: (photos,).
        heads: to fit; the principal components that are found are those of the first.

    Yields:
        The heads, fitted, in their order.

    Raises:
        SettingsError: see `KernelHead.fit`; all photos have the same features, or a penalty is too small.
    """
    found: _Components | None = None
    for head in heads:
        found = found or _components(features, mos, head)
        yield head._fit_in(found, mos)


def _weights(
    photos: Float32Array,
    drawn: np.ndarray,
    deviations: Float64Array,
    steepness: float,
    penalty: float,
) -> Float64Array:
    """Solve for the weights of the drawn photos' similarities."""
    support = photos[drawn]
    inner = np.concatenate([rows for _, rows in similarities(support, support, steepness)])
    if len(drawn) == len(photos):
        inner[np.diag_indices_from(inner)] += penalty
        return solved(inner, deviations)
    normal = penalty * inner
    right = np.zeros(len(drawn))
    for rows, similarity in similarities(photos, support, steepness):
        normal += similarity.T @ similarity
        right += similarity.T @ deviations[rows]
    normal[np.diag_indices_from(normal)] += _JITTER * np.trace(normal)
    return solved(normal, right)


def similarities(
    photos: Float32Array | Float64Array, support: Float32Array, steepness: float
) -> Iterator[tuple[slice, Float64Array]]:
    """Yield rows of the kernel, some thousand at a time: their slice and (rows, S)."""
    for start in range(0, len(photos), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        yield rows, np.exp(-steepness * distances(photos[rows], support))


def solved(matrix: Float64Array, right: Float64Array) -> Float64Array:
    """Solve a positive definite system; raises SettingsError where it is not."""
    try:
        factor = cho_factor(matrix, overwrite_a=True, check_finite=False)
    except LinAlgError as error:
        raise SettingsError(
            "the kernel of these photos cannot be inverted: raise the penalty"
        ) from error
    solution: Float64Array = cho_solve(factor, right, check_finite=False)
    return solution
