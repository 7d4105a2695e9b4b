"""Scikit-learn estimators on narrow features: the base of the heads in closed form."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.models.signed_roots import signed_roots

_ROWS_AT_ONCE = 1024


class RootsRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A regressor that learns from the signed square roots of narrow features."""

    n_features_in_: int

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803 - scikit-learn's name
        """Fit the head.

        Args:
            X: (photos, C) narrow features, at least 2 photos.
            y: (photos,) ratings.

        Returns:
            The head itself.

        Raises:
            ValueError: shapes do not agree, or a number is not finite; settings out of range are a `SettingsError`, which is one.
        """
        features, ratings = validate_data(
            self, X, y, dtype=np.float32, y_numeric=True, ensure_min_samples=2
        )
        return self._fit(features, ratings.astype(np.float64))

    def predict(self, X: ArrayLike) -> Float64Array:  # noqa: N803 - scikit-learn's name
        """Score photos.

        Args:
            X: (photos, C) narrow features.

        Returns:
            (photos,) scores on the ratings' scale.
        """
        check_is_fitted(self)
        features = validate_data(self, X, reset=False, dtype=np.float32)
        starts = range(0, len(features), _ROWS_AT_ONCE)
        roots = (signed_roots(features[at : at + _ROWS_AT_ONCE]) for at in starts)
        return np.concatenate([self._score(part) for part in roots])

    @abstractmethod
    def _fit(self, features: Float32Array, ratings: Float64Array) -> Self:
        """Fit the head to checked arrays."""

    @abstractmethod
    def _score(self, roots: Float32Array) -> Float64Array:
        """(photos, C) signed square roots -> (photos,) scores."""
