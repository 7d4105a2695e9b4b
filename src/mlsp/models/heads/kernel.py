"""A head that compares a photo with the rated ones: kernel ridge regression on narrow features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from sklearn.utils.extmath import randomized_svd
from torch import Tensor, nn

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import SettingsError
from mlsp.models.heads.square_roots import standardised_roots

_ROWS_AT_ONCE = 4096
# Of the largest eigenvalue: keeps the Cholesky factors of kernels with repeated photos from failing.
_JITTER = 1e-9
# Added to squared distances. Between a photo and itself float32 leaves about 1e-7, whose square root would show in the score.
_LEAST_SQUARE = 1e-4


@dataclass(frozen=True, slots=True)
class KernelSettings:
    """How a kernel head is fitted.

    Attributes:
        components: principal components that photos are compared in; fewer where there are fewer photos or channels.
        support: rated photos that a photo is compared with; with more, so many are drawn, and all are still learned from
            (Nyström).
        steepness: how fast likeness exp(-steepness · distance) falls; the root mean square of a rated photo's distance from their
            mean is 1.
        penalty: added to the diagonal of the kernel: how little a single rating is believed.
        seed: of the components and of the draw.

    Raises:
        SettingsError: a value is out of range.
    """

    components: int = 512
    support: int = 10_000
    steepness: float = 0.3
    penalty: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if self.components < 1 or self.support < 2:
            raise SettingsError(
                f"a kernel head needs at least 1 component and 2 photos, got {self.components} and {self.support}"
            )
        # Written so that NaN fails as well.
        if not (self.steepness > 0 and self.penalty > 0):
            raise SettingsError(
                f"steepness and penalty must be above 0, got {self.steepness:g} and {self.penalty:g}"
            )


class KernelHead(nn.Module):
    """A weighted sum of a photo's likenesses to rated photos: exp(-steepness · Euclidean distance) in principal components.

    Args:
        projection: (C, D) from square roots of features to components.
        offset: (D,) taken off then.
        support: (S, D) components of the rated photos.
        weight: (S,) of their likenesses.
        bias: of the score.
        steepness: of the likeness.
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

    def among(self, channels: NDArray[np.intp], count: int) -> KernelHead:
        """This head on features of which its own are a part.

        Args:
            channels: where its own are.
            count: C of the features.
        """
        projection = np.zeros((count, self.projection.shape[1]), np.float32)
        projection[channels] = self.projection.numpy()
        return KernelHead(
            projection,
            self.offset.numpy(),
            self.support.numpy(),
            self.weight.double().numpy(),
            float(self.bias),
            steepness=self.steepness,
        )

    def forward(self, features: Tensor) -> Tensor:
        """Score features: (N, 1, 1, C) -> (N,)."""
        roots = features[:, 0, 0, :].clamp(min=0).sqrt()
        photos = roots @ self.projection - self.offset
        norms = (photos * photos).sum(dim=1, keepdim=True)
        # Not torch.cdist, which ONNX lacks.
        squares = norms + self.support_norms - 2 * photos @ self.support.T
        likeness = torch.exp(-self.steepness * (squares.clamp(min=0) + _LEAST_SQUARE).sqrt())
        return likeness @ self.weight + self.bias


@dataclass(frozen=True, slots=True)
class KernelComponents:
    """Rated photos in principal components; heads of any steepness and penalty are fitted on them.

    Attributes:
        photos: (photos, D).
        projection: (C, D) from square roots of features.
        offset: (D,) taken off then.
    """

    photos: Float32Array
    projection: Float32Array
    offset: Float32Array

    def fit(self, mos: Float64Array, settings: KernelSettings) -> KernelHead:
        """Fit a head; see `fit_kernel`."""
        drawn = np.arange(len(self.photos))
        if len(drawn) > settings.support:
            rng = np.random.default_rng(settings.seed)
            drawn = np.sort(rng.choice(len(drawn), settings.support, replace=False))
        bias = float(mos.mean())
        return KernelHead(
            self.projection,
            self.offset,
            self.photos[drawn],
            _weights(self.photos, drawn, mos - bias, settings),
            bias,
            steepness=settings.steepness,
        )


def kernel_components(
    features: Float32Array,
    mos: Float64Array,
    level_channels: Sequence[int],
    settings: KernelSettings,
) -> KernelComponents:
    """Find the principal components in which photos are compared.

    Levels weigh alike, whatever their number of channels. Components are scaled by the inverse square root of their deviations,
    halfway between as they are and all alike.

    Args:
        features: narrow, (photos, C), not negative.
        mos: (photos,), only looked at.
        level_channels: channels of each level, adding up to C.
        settings: components and seed.

    Raises:
        SettingsError: shapes do not agree, a number is not finite, or all photos have the same features.
    """
    roots = standardised_roots(features, mos, level_channels, even_levels=True)
    count = min(settings.components, *roots.values.shape)
    _, singular, directions = randomized_svd(
        roots.values, count, n_iter=3, random_state=settings.seed
    )
    # Directions in which photos hardly differ are rounding, and would be blown up.
    kept = singular > 1e-6 * singular[0] if singular[0] > 0 else np.zeros(count, dtype=bool)
    if not kept.any():
        raise SettingsError("all photos have the same features: there is nothing to learn from")
    projection = directions[kept].T / np.sqrt(singular[kept])
    photos = roots.values @ projection
    norm = np.sqrt((photos.astype(np.float64) ** 2).sum(axis=1).mean())
    projection = projection / norm * roots.scale[:, None]
    return KernelComponents(
        (photos / norm).astype(np.float32),
        projection.astype(np.float32),
        (roots.mean @ projection).astype(np.float32),
    )


def fit_kernel(
    features: Float32Array,
    mos: Float64Array,
    level_channels: Sequence[int],
    settings: KernelSettings | None = None,
) -> KernelHead:
    """Fit a kernel head in closed form.

    Args:
        features: narrow, (photos, C), not negative.
        mos: (photos,).
        level_channels: channels of each level, adding up to C.
        settings: by default as documented there.

    Returns:
        The head, with the standardisation folded in.

    Raises:
        SettingsError: shapes do not agree, a number is not finite, all photos have the same features, or the penalty is too small.
    """
    settings = settings or KernelSettings()
    return kernel_components(features, mos, level_channels, settings).fit(mos, settings)


def _weights(
    photos: Float32Array,
    drawn: np.ndarray,
    deviations: Float64Array,
    settings: KernelSettings,
) -> Float64Array:
    """Solve for the weights of the drawn photos' likenesses."""
    support = photos[drawn]
    inner = np.concatenate([rows for _, rows in _likenesses(support, support, settings.steepness)])
    if len(drawn) == len(photos):
        inner[np.diag_indices_from(inner)] += settings.penalty
        return _solved(inner, deviations)
    normal = settings.penalty * inner
    right = np.zeros(len(drawn))
    for rows, likeness in _likenesses(photos, support, settings.steepness):
        normal += likeness.T @ likeness
        right += likeness.T @ deviations[rows]
    normal[np.diag_indices_from(normal)] += _JITTER * np.trace(normal)
    return _solved(normal, right)


def _likenesses(
    photos: Float32Array, support: Float32Array, steepness: float
) -> Iterator[tuple[slice, Float64Array]]:
    """Rows of the kernel, some thousand at a time."""
    norms = (support.astype(np.float64) ** 2).sum(axis=1)
    for start in range(0, len(photos), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        part = photos[rows]
        own = (part.astype(np.float64) ** 2).sum(axis=1)
        squares = own[:, None] + norms - 2 * (part @ support.T).astype(np.float64)
        yield rows, np.exp(-steepness * np.sqrt(np.maximum(squares, 0) + _LEAST_SQUARE))


def _solved(matrix: Float64Array, right: Float64Array) -> Float64Array:
    try:
        factor = cho_factor(matrix, overwrite_a=True, check_finite=False)
    except LinAlgError as error:
        raise SettingsError(
            "the kernel of these photos cannot be inverted: raise the penalty"
        ) from error
    solution: Float64Array = cho_solve(factor, right, check_finite=False)
    return solution
