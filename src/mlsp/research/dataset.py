"""Features of rated photos as a torch data set."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from mlsp.base.arrays import Float16Array, Float32Array
from mlsp.base.errors import SettingsError, unknown_name
from mlsp.training.batches import Batch, FeatureBatches, Rows

View = Literal["random", "all"] | int


class RatedDataset(Dataset[tuple[Tensor, Tensor]]):
    """Features and ratings of photos, read from the file when they are asked for; made by `FeatureSet.torch`.

    Args:
        features: of the photos, not held in memory.
        rows: (N,) of the rating table.
        mos: (N,) their ratings.
        view: see `FeatureSet.torch`.
        seed: of the views that are drawn.

    Raises:
        SettingsError: the view is unknown, or the file does not have it.
    """

    def __init__(
        self,
        features: FeatureBatches,
        rows: Rows,
        mos: NDArray[np.float32],
        *,
        view: View = "random",
        seed: int = 0,
    ) -> None:
        if not isinstance(view, int) and view not in ("random", "all"):
            raise SettingsError(unknown_name("view", view, ("random", "all")))
        if isinstance(view, int) and not 0 <= view < features.views:
            raise SettingsError(
                f"view {view} is out of range: the features have {features.views} per photo"
            )
        self._features, self._rows, self._mos = features, rows, torch.from_numpy(mos)
        self._view, self._seed = view, seed
        # How often each photo was read, in memory that workers share: what is drawn depends on nothing else, so that every epoch has
        # other views, and the same ones for any number of workers.
        self._readings = torch.zeros(len(rows), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        seed = f", seed {self._seed}" if self._view == "random" else ""
        return f"RatedDataset({len(self)} photos, view {self._view}{seed})"

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.__getitems__([range(len(self))[index]])[0]

    def __getitems__(self, indices: list[int]) -> list[tuple[Tensor, Tensor]]:
        """Read the items of a batch together: `DataLoader` prefers this."""
        batch = Batch(self._rows[indices], self._views(indices))
        (array,) = self._features.read([batch])
        features = torch.from_numpy(squeezed(array))
        if self._view != "all":
            features = features[:, 0]
        return list(zip(features, self._mos[indices], strict=True))

    def _views(self, indices: list[int]) -> Rows | None:
        if self._view == "all":
            return None
        if self._view != "random":
            return np.full(len(indices), self._view, dtype=np.intp)
        drawn = np.empty(len(indices), dtype=np.intp)
        for position, index in enumerate(indices):
            rng = np.random.default_rng([self._seed, index, int(self._readings[index])])
            self._readings[index] += 1
            drawn[position] = rng.integers(self._features.views)
        return drawn


def squeezed(
    features: Float16Array | Float32Array,
) -> Float16Array | Float32Array:
    """Leave out the grid of narrow features: (N, V, 1, 1, C) -> (N, V, C); wide ones stay as they are."""
    return features[:, :, 0, 0] if features.shape[2] == 1 else features
