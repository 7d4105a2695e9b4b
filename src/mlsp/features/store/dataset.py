"""A feature store as a data set for torch's `DataLoader`, which makes tensors of numpy arrays; no torch is needed here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import SettingsError
from mlsp.features.spec import Grid
from mlsp.features.store.store import FeatureStore

Item = Float32Array | tuple[Float32Array, Any]


class StoreDataset:
    """Rows of a feature store; made by `FeatureStore.torch_dataset`, where arguments and items are described."""

    def __init__(
        self,
        path: Path,
        rows: NDArray[np.intp],
        targets: Sequence[float] | NDArray[Any] | None,
        grid: Grid,
        *,
        verify: bool,
    ) -> None:
        if targets is not None and len(targets) != len(rows):
            raise SettingsError(f"targets must be one per row, got {len(targets)} for {len(rows)}")
        self._path = path.absolute()
        self._rows = rows
        self._targets = None if targets is None else np.asarray(targets, dtype=np.float32)
        self._grid = grid
        self._verify = verify
        self._store: FeatureStore | None = None
        self._process = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Item:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[Item]:
        """Read the items of a batch together: `DataLoader` prefers this."""
        features = self._opened().read_batch(self._rows[indices], grid=self._grid)
        if self._targets is None:
            return list(features)
        return list(zip(features, self._targets[indices], strict=True))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_store": None}

    def _opened(self) -> FeatureStore:
        # An HDF5 file must not be shared with a forked process.
        if self._store is None or self._process != os.getpid():
            self._store = FeatureStore.open(self._path, verify=self._verify)
            self._process = os.getpid()
        return self._store
