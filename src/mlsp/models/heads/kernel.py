"""Kernel ridge regression on narrow features: a head that compares a photo with the rated ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from sklearn.utils.extmath import randomized_svd
from torch import Tensor, nn

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import SettingsError
from mlsp.models.heads.estimators import RootsRegressor
from mlsp.models.heads.square_roots import standardised_roots

_ROWS_AT_ONCE = 4096
# Of the largest eigenvalue: keeps the Cholesky factors of kernels with repeated photos from failing.
_JITTER = 1e-9
# Added to squared distances. Between a photo and itself float32 leaves about 1e-7, whose square root would show in the score.
_MIN_SQUARE = 1e-4


class KernelModule(nn.Module):
    """A fitted kernel head as a torch module: (N, 1, 1, C) -> (N,).

    Args:
        projection: (C, D) from square roots of features to components.
        offset: (D,) taken off then.
        support: (S, D) components of the rated photos.
        weight: (S,) of their similarities.
        bias: of the score.
        steepness: of the similarity.
    """

    projection: Tensor
    offset: Tensor
    support: Tensor
    support_norms: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(
        self,
        projection: Float32Array,
        offset: Float32Array,
        support: Float32Array,
        weight: Float64Array,
        bias: float,
        *,
        steepness: float,
    ) -> None:
        super().__init__()
        self.steepness = steepness
        for name, array in (
            ("projection", projection),
            ("offset", offset),
            ("support", support),
            ("support_norms", (support.astype(np.float64) ** 2).sum(axis=1)),
            ("weight", weight),
            ("bias", np.asarray(bias)),
        ):
            self.register_buffer(name, torch.from_numpy(np.array(array, dtype=np.float32)))

    def forward(self, features: Tensor) -> Tensor:
        """Score features: (N, 1, 1, C) -> (N,)."""
        roots = features[:, 0, 0, :].clamp(min=0).sqrt()
        photos = roots @ self.projection - self.offset
        norms = (photos * photos).sum(dim=1, keepdim=True)
        # Not torch.cdist, which ONNX lacks.
        squares = norms + self.support_norms - 2 * photos @ self.support.T
        similarity = torch.exp(-self.steepness * (squares.clamp(min=0) + _MIN_SQUARE).sqrt())
        return similarity @ self.weight + self.bias


class KernelHead(RootsRegressor):
    """Kernel ridge regression on narrow features; a scikit-learn estimator.

    A score is a weighted sum of a photo's similarities to rated photos, exp(-steepness · Euclidean distance) in the principal
    components of the square roots of the features.

    Args:
        steepness: how fast similarity falls with distance, above 0; the root mean square of a rated photo's distance from their
            mean is 1.
        penalty: added to the diagonal of the kernel, above 0: the larger, the less a single rating counts.
        components: principal components that photos are compared in; fewer where there are fewer photos or channels.
        support: maximum of rated photos that a photo is compared with; of more, so many are drawn, and all are still learned from
            (Nyström).
        level_channels: channels of each level, adding up to C; levels are then weighted equally, whatever their number of
            channels. None weights all channels equally.
        seed: of the components and of the draw.

    Attributes:
        projection_: (C, D) from square roots of features to components.
        offset_: (D,) subtracted then.
        support_: (S, D) components of the rated photos that photos are compared with.
        coef_: (S,) weights of their similarities.
        intercept_: mean rating.
        n_features_in_: C.

    Examples:
        >>> features, ratings = np.array([[0.0, 4.0], [1.0, 1.0], [4.0, 0.0]]), np.array([1.0, 3.0, 1.0])
        >>> KernelHead(penalty=1e-6).fit(features, ratings).predict(features).round(2)
        array([1., 3., 1.])
    """

    projection_: Float32Array
    offset_: Float32Array
    support_: Float32Array
    coef_: Float64Array
    intercept_: float

    def __init__(
        self,
        steepness: float = 0.3,
        penalty: float = 0.01,
        components: int = 512,
        support: int = 10_000,
        level_channels: Sequence[int] | None = None,
        seed: int = 0,
    ) -> None:
        self.steepness = steepness
        self.penalty = penalty
        self.components = components
        self.support = support
        self.level_channels = level_channels
        self.seed = seed

    def _fit(self, features: Float32Array, ratings: Float64Array) -> Self:
        self._check()
        found = _components(
            features, ratings, self.level_channels, components=self.components, seed=self.seed
        )
        return self._fit_in(found, ratings)

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
        drawn = np.arange(len(found.photos))
        if len(drawn) > self.support:
            rng = np.random.default_rng(self.seed)
            drawn = np.sort(rng.choice(len(drawn), self.support, replace=False))
        self.n_features_in_ = len(found.projection)
        self.projection_, self.offset_ = found.projection, found.offset
        self.support_ = found.photos[drawn]
        self.intercept_ = float(ratings.mean())
        deviations = ratings - self.intercept_
        self.coef_ = _weights(found.photos, drawn, deviations, self.steepness, self.penalty)
        return self

    def _score(self, roots: Float32Array) -> Float64Array:
        # In float64, so that a photo's score does not depend on the photos beside it.
        photos = roots.astype(np.float64) @ self.projection_ - self.offset_
        parts = _similarities(photos, self.support_, self.steepness)
        return np.concatenate([part @ self.coef_ + self.intercept_ for _, part in parts])

    def module(self, channels: NDArray[np.intp] | None = None, count: int = 0) -> KernelModule:
        """Return the fitted head as a torch module, for a model.

        Args:
            channels: (C,) indices of its channels among all that the model has; None where it reads all.
            count: number of all channels.
        """
        projection = self.projection_
        if channels is not None:
            projection = np.zeros((count, projection.shape[1]), np.float32)
            projection[channels] = self.projection_
        return KernelModule(
            projection,
            self.offset_,
            self.support_,
            self.coef_,
            self.intercept_,
            steepness=self.steepness,
        )


@dataclass(frozen=True, slots=True)
class _Components:
    """Rated photos in principal components.

    Attributes:
        photos: (photos, D).
        projection: (C, D) from square roots of features.
        offset: (D,) subtracted then.
    """

    photos: Float32Array
    projection: Float32Array
    offset: Float32Array


def _components(
    features: Float32Array,
    mos: Float64Array,
    level_channels: Sequence[int] | None,
    *,
    components: int,
    seed: int,
) -> _Components:
    """Find the principal components in which photos are compared.

    Components are scaled by the inverse square root of their deviations, halfway between unscaled and all equal.

    Raises:
        SettingsError: shapes do not agree, a number is not finite, or all photos have the same features.
    """
    roots = standardised_roots(features, mos, level_channels)
    count = min(components, *roots.values.shape)
    _, singular, directions = randomized_svd(roots.values, count, n_iter=3, random_state=seed)
    # Directions in which photos hardly differ are rounding, and would be amplified.
    kept = singular > 1e-6 * singular[0] if singular[0] > 0 else np.zeros(count, dtype=bool)
    if not kept.any():
        raise SettingsError("all photos have the same features: there is nothing to learn from")
    projection = directions[kept].T / np.sqrt(singular[kept])
    photos = roots.values @ projection
    norm = np.sqrt((photos.astype(np.float64) ** 2).sum(axis=1).mean())
    projection = projection / norm * roots.scale[:, None]
    return _Components(
        (photos / norm).astype(np.float32),
        projection.astype(np.float32),
        (roots.mean @ projection).astype(np.float32),
    )


def fit_kernels(
    features: Float32Array, mos: Float64Array, heads: Iterable[KernelHead]
) -> Iterator[KernelHead]:
    """Fit kernel heads that differ in steepness and penalty. Their components are the same, and found once.

    Args:
        features: (photos, C), narrow.
        mos: (photos,).
        heads: to fit; components, support, level_channels and seed are those of the first.

    Yields:
        The heads, fitted, in their order.

    Raises:
        SettingsError: see `KernelHead.fit`; all photos have the same features, or a penalty is too small.
    """
    found: _Components | None = None
    for head in heads:
        found = found or _components(
            features, mos, head.level_channels, components=head.components, seed=head.seed
        )
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
    inner = np.concatenate([rows for _, rows in _similarities(support, support, steepness)])
    if len(drawn) == len(photos):
        inner[np.diag_indices_from(inner)] += penalty
        return _solved(inner, deviations)
    normal = penalty * inner
    right = np.zeros(len(drawn))
    for rows, similarity in _similarities(photos, support, steepness):
        normal += similarity.T @ similarity
        right += similarity.T @ deviations[rows]
    normal[np.diag_indices_from(normal)] += _JITTER * np.trace(normal)
    return _solved(normal, right)


def _similarities(
    photos: Float32Array | Float64Array, support: Float32Array, steepness: float
) -> Iterator[tuple[slice, Float64Array]]:
    """Rows of the kernel, some thousand at a time."""
    norms = (support.astype(np.float64) ** 2).sum(axis=1)
    for start in range(0, len(photos), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        part = photos[rows]
        own = (part.astype(np.float64) ** 2).sum(axis=1)
        squares = own[:, None] + norms - 2 * (part @ support.T).astype(np.float64)
        yield rows, np.exp(-steepness * np.sqrt(np.maximum(squares, 0) + _MIN_SQUARE))


def _solved(matrix: Float64Array, right: Float64Array) -> Float64Array:
    try:
        factor = cho_factor(matrix, overwrite_a=True, check_finite=False)
    except LinAlgError as error:
        raise SettingsError(
            "the kernel of these photos cannot be inverted: raise the penalty"
        ) from error
    solution: Float64Array = cho_solve(factor, right, check_finite=False)
    return solution
