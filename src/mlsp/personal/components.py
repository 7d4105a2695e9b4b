"""Principal components of features, in which a taste is learned, as there are far fewer photos than channels.

signed square roots ─ standardise ─ kernel (photos × photos) ─ eigenvectors ─ components (photos × at most 128)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import RatingsError
from mlsp.base.groups import join_groups
from mlsp.models.signed_roots import signed_roots

# A channel that hardly varies over the photos carries nothing, and standardisation would blow it up.
_MIN_DEVIATION = 1e-4
# The kernel of more photos takes too long to decompose. Components are found on so many drawn at random; all photos are learned from.
_BASIS_PHOTOS = 1500
# Relative to the largest eigenvalue; below is rounding.
_MIN_EIGENVALUE = 1e-6


@dataclass(frozen=True, slots=True)
class Components:
    """Photos in principal components.

    Attributes:
        photos: (photos, D); the mean square of a photo's distance from their mean is about 1.
        projection: (C, D) from signed square roots of features to components.
        offset: (D,) subtracted from them.
        similarity: (photos, photos) correlation of standardised features, -1…1; None where there are too many photos for it.
    """

    photos: Float64Array
    projection: Float64Array
    offset: Float64Array
    similarity: Float64Array | None


def principal_components(features: Float32Array, *, count: int, seed: int) -> Components:
    """Find the principal components of photos.

    Args:
        features: narrow, (photos, C).
        count: maximum number of components.
        seed: of the draw, where there are very many photos.

    Raises:
        RatingsError: all photos have the same features.
    """
    roots = signed_roots(features.astype(np.float32))
    mean = roots.mean(axis=0, dtype=np.float64)
    deviation = roots.std(axis=0, dtype=np.float64)
    scale = np.where(deviation > _MIN_DEVIATION, 1 / np.maximum(deviation, _MIN_DEVIATION), 0)
    scale /= np.sqrt(features.shape[1])
    roots -= mean.astype(np.float32)
    roots *= scale.astype(np.float32)
    basis = roots
    if len(roots) > _BASIS_PHOTOS:
        drawn = np.random.default_rng(seed).choice(len(roots), _BASIS_PHOTOS, replace=False)
        basis = roots[np.sort(drawn)]
    kernel = (basis @ basis.T).astype(np.float64)
    values, vectors = np.linalg.eigh(kernel)
    values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    kept = values > max(_MIN_EIGENVALUE * values[0], 0) if values[0] > 0 else values > 0
    if not kept.any():
        raise RatingsError(
            "all judged photos have the same features: they are copies of one photo, so there is nothing to learn from"
        )
    directions = basis.T @ (vectors[:, kept] / np.sqrt(values[kept])).astype(np.float32)
    photos = (roots @ directions).astype(np.float64)
    projection = directions.astype(np.float64) * scale[:, None]
    similarity = _correlations(kernel) if len(basis) == len(roots) else None
    return Components(photos, projection, mean @ projection, similarity)


def _correlations(kernel: Float64Array) -> Float64Array:
    norms = np.sqrt(np.maximum(np.diagonal(kernel), 1e-12))
    return np.asarray(kernel / norms / norms[:, None])


def similar_groups(similarity: Float64Array, minimum: float) -> NDArray[np.intp]:
    """Join photos that are similar, directly or through others.

    Args:
        similarity: (photos, photos).
        minimum: from which on two photos are similar.

    Returns:
        (photos,) group of each photo: the index of its first photo.
    """
    pairs = np.argwhere(np.triu(similarity >= minimum, 1))
    return join_groups(np.arange(len(similarity)), pairs)
