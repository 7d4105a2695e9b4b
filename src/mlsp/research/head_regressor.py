"""`HeadRegressor`: `mlsp.HeadTrainer` as a scikit-learn estimator."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import SettingsError
from mlsp.features.spec import Grid
from mlsp.models.model import Model
from mlsp.research.array_file import ARRAYS, rate_arrays, split_arrays, write_arrays
from mlsp.research.feature_set import FeatureSet, Part
from mlsp.training import EpochRecord, HeadTrainer, TrainedHead, TrainingCallbacks
from mlsp.training.rated_features import MIN_TRAIN, MIN_VALIDATION
from mlsp.training.settings import Device, Precision

_ROWS_AT_ONCE = 256


class HeadRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A head that is trained as `mlsp train` does it; a scikit-learn estimator.

    It learns from a `FeatureSet`, whose validation photos choose the best epoch; or from arrays, of which a share is put aside for
    that.

    Args:
        head: see `mlsp.HeadTrainer`, and so are the arguments up to `memory_bytes`.
        recipe: by default `small`: the paper's is for hundreds of thousands of photos.
        levels: see above; arrays have a single level.
        more_dropout: see above.
        distribution: see above; not from arrays, which have no votes.
        first: see above.
        column: see above.
        seed: see above; also of the photos that are put aside.
        epochs: see above.
        batch: see above.
        components: see above.
        precision: see above.
        device: see above.
        memory_bytes: see above.
        validation_share: of the photos of arrays that choose the best epoch: 0 to below 1, and two photos at least.
        lowest: end of the scale of arrays' ratings; None for the lowest rating.
        highest: other end; None for the highest rating.

    Attributes:
        trained_: the trained head, with its agreement on validation and test photos.
        history_: epoch by epoch; empty for a head in closed form.
        n_features_in_: channels C; 25 · C of wide arrays.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> X = rng.gamma(2.0, size=(60, 8))
        >>> HeadRegressor("ridge").fit(X, X[:, 0] ** 0.5).score(X, X[:, 0] ** 0.5) > 0.99
        True
    """

    trained_: TrainedHead
    history_: list[EpochRecord]
    n_features_in_: int

    def __init__(
        self,
        head: str = "single_3fc",
        recipe: str = "small",
        *,
        levels: str = "all",
        more_dropout: bool = False,
        distribution: bool = False,
        first: int | None = None,
        column: int | None = None,
        seed: int = 0,
        epochs: int | None = None,
        batch: int | None = None,
        components: int | None = None,
        precision: Precision = "float32",
        device: Device = "auto",
        memory_bytes: int | None = None,
        validation_share: float = 0.1,
        lowest: float | None = None,
        highest: float | None = None,
    ) -> None:
        self.head = head
        self.recipe = recipe
        self.levels = levels
        self.more_dropout = more_dropout
        self.distribution = distribution
        self.first = first
        self.column = column
        self.seed = seed
        self.epochs = epochs
        self.batch = batch
        self.components = components
        self.precision = precision
        self.device = device
        self.memory_bytes = memory_bytes
        self.validation_share = validation_share
        self.lowest = lowest
        self.highest = highest

    def fit(
        self,
        X: FeatureSet | ArrayLike,  # noqa: N803 - scikit-learn's name
        y: ArrayLike | None = None,
        *,
        callbacks: TrainingCallbacks | None = None,
    ) -> Self:
        """Train the head.

        Args:
            X: features with ratings and split; or narrow features (photos, C), for a head on wide ones (photos, 5, 5, C) or the same
                as (photos, 25 · C), of 12 photos or more.
            y: (photos,) ratings of arrays; None for a set, which has them.
            callbacks: are called as the training goes on.

        Returns:
            The regressor itself.

        Raises:
            ValueError: shapes do not agree, or a number is not finite; settings that do not go together are a `SettingsError`, which
                is one.
            MlspError: see `mlsp.HeadTrainer.fit`.
        """
        if isinstance(X, FeatureSet):
            if y is not None:
                raise SettingsError("a FeatureSet has its ratings: leave out y")
            trained = self._trainer().fit_split(X.store, X.ratings, X.split, callbacks=callbacks)
            self.n_features_in_ = X.store.layout.channels
        else:
            features, mos = validate_data(
                self,
                _flat(X, self._trainer().grid),
                y,
                dtype=np.float32,
                y_numeric=True,
                ensure_min_samples=2,
            )
            trained = self._fit_arrays(features, mos.astype(np.float64), callbacks)
        self.trained_, self.history_ = trained, list(trained.history)
        return self

    def predict(self, X: FeatureSet | ArrayLike, part: Part = "test") -> Float64Array:  # noqa: N803
        """Score photos.

        Args:
            X: a set of features like those that were learned from; or arrays as for `fit`.
            part: of the set; not for arrays.

        Returns:
            (photos,) scores on the ratings' scale, of a set means over the stored views.
        """
        check_is_fitted(self)
        if isinstance(X, FeatureSet):
            return self.trained_.predict(X.store, X.rows(part))
        grid = self.trained_.grid
        flat = validate_data(self, _flat(X, grid), reset=False, dtype=np.float32)
        features = self._in_cells(flat, grid)
        starts = range(0, len(features), _ROWS_AT_ONCE)
        with torch.no_grad():
            # Copied: torch warns of arrays that are read-only.
            pieces = (torch.tensor(features[at : at + _ROWS_AT_ONCE]) for at in starts)
            scores = torch.cat([self.trained_.module(piece) for piece in pieces])
        return np.asarray(scores.double().numpy())

    def predict_votes(self, X: FeatureSet, part: Part = "test") -> Float64Array:  # noqa: N803
        """Predict the distribution of people's votes.

        Args:
            X: see `predict`.
            part: see `predict`.

        Returns:
            (photos, bins) shares, which add up to 1.

        Raises:
            SettingsError: the head did not learn a distribution, or X is no set.
        """
        check_is_fitted(self)
        if not isinstance(X, FeatureSet):
            raise SettingsError(
                f"votes are predicted of a mlsp.research.FeatureSet, got {type(X).__name__}"
            )
        return self.trained_.predict_votes(X.store, X.rows(part))

    def save(self, folder: Path | str, **options: Any) -> Model:
        """Write a model that scores photos.

        Args:
            folder: of the model.
            options: see `mlsp.training.TrainedHead.save`.

        Raises:
            SettingsError: the head learned from arrays: of which network they are is not known.
        """
        check_is_fitted(self)
        if self.trained_.feature_spec.backbone == ARRAYS:
            raise SettingsError(
                "a head that learned from arrays has no network to score photos with: fit it on a FeatureSet"
            )
        return self.trained_.save(folder, **options)

    def _fit_arrays(
        self, features: Float32Array, mos: Float64Array, callbacks: TrainingCallbacks | None
    ) -> TrainedHead:
        trainer = self._trainer()
        if self.distribution:
            raise SettingsError(
                "arrays have no votes: fit the head on a mlsp.research.FeatureSet whose ratings have them"
            )
        cells = self._in_cells(features, trainer.grid)
        # Not in the constructor, by scikit-learn's rules.
        if not 0 <= self.validation_share < 1:
            raise SettingsError(
                f"validation_share is {self.validation_share:g}, expected 0 to below 1"
            )
        least = MIN_TRAIN + MIN_VALIDATION
        if len(mos) < least:
            raise SettingsError(f"got n_samples = {len(mos)} photos, expected at least {least}")
        ratings = rate_arrays(mos, self.lowest, self.highest)
        validation = min(
            max(round(self.validation_share * len(mos)), MIN_VALIDATION), len(mos) - MIN_TRAIN
        )
        split = split_arrays(mos, validation, self.seed)
        with (
            tempfile.TemporaryDirectory() as folder,
            write_arrays(Path(folder) / "arrays.h5", cells) as store,
        ):
            return trainer.fit_split(store, ratings, split, callbacks=callbacks)

    def _in_cells(self, features: Float32Array, grid: Grid) -> Float32Array:
        """Return the features that a head on a grid reads: (photos, G · G · C) -> (photos, G, G, C)."""
        if features.shape[1] % grid**2:
            raise SettingsError(
                f"head {self.head!r} reads wide features: expected (photos, 5, 5, channels) or the same as (photos, 25 · channels), got"
                f" {features.shape[1]} numbers a photo"
            )
        return features.reshape(len(features), grid, grid, -1)

    def _trainer(self) -> HeadTrainer:
        of_arrays = ("validation_share", "lowest", "highest")
        chosen = self.get_params(deep=False)
        return HeadTrainer(**{name: chosen[name] for name in chosen if name not in of_arrays})


def _flat(X: ArrayLike, grid: Grid) -> ArrayLike:  # noqa: N803 - scikit-learn's name
    """Return features (photos, 5, 5, C) for a head on wide ones as scikit-learn has features, (photos, 25 · C); others as they are."""
    if grid > 1 and isinstance(X, np.ndarray) and X.ndim == 4 and X.shape[1:3] == (grid, grid):
        return X.reshape(len(X), -1)
    return X
