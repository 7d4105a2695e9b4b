"""Feature files of the paper's published code: one HDF5 data set per photo, in one group per view or in none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np

from mlsp.base.arrays import Float32Array
from mlsp.base.closing import Closing
from mlsp.base.errors import FeatureStoreError
from mlsp.features.store.schema import open_hdf5

# "<row>_<column>_<mirrored>" of the corner of each crop, in the order of the views `corners8`: the file has no order.
CORNER_GROUPS: tuple[str, ...] = (
    "0_0_0", "0_0_1", "0_1_0", "0_1_1", "1_0_0", "1_0_1", "1_1_0", "1_1_1",
)  # fmt: skip


class ReleasedFeatures(Closing):
    """A feature file as the published code writes it; use it in `with`.

    The file has neither the network nor the weights nor the sizes of the photos.

    Attributes:
        path: of the file.
        groups: one per view, in the order of the views `corners8`; empty if photos have one view and no group.

    Raises:
        FeatureStoreError: it is missing, or laid out differently.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open_hdf5(path)
        try:
            self.groups = self._groups()
            self._shape = self._view_shape()
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def views(self) -> int:
        """Number of views of each photo."""
        return len(self.groups) or 1

    @property
    def grid(self) -> int:
        """Cells per side: 1 for narrow features, 5 for wide ones."""
        return self._shape[0]

    @property
    def channels(self) -> int:
        """Number of channels, of all levels together."""
        return self._shape[2]

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """File names of the photos that have all views, sorted, as HDF5 lists them."""
        if not self.groups:
            return tuple(self._file)
        first, *others = (self._file[group] for group in self.groups)
        return tuple(name for name in first if all(name in other for other in others))

    def incomplete(self) -> list[str]:
        """Return the file names of photos that lack a view because the extraction was interrupted, sorted."""
        names = {name for group in self.groups for name in self._file[group]}
        return sorted(names - set(self.ids))

    def read(self, photo_id: str) -> Float32Array:
        """Read the features of a photo.

        Returns:
            (V, G, G, C).

        Raises:
            FeatureStoreError: the photo is not there, lacks a view, or has features of another shape or that are no numbers.
        """
        features: Float32Array = self.read_batch([photo_id])[0]
        return features

    def read_batch(self, photo_ids: Sequence[str]) -> Float32Array:
        """Read the features of photos, in any order.

        Returns:
            (N, V, G, G, C).

        Raises:
            FeatureStoreError: a photo is not there, lacks a view, or has features of another shape or that are no numbers.
        """
        batch = np.empty((len(photo_ids), self.views, *self._shape), dtype=np.float32)
        for row, photo_id in enumerate(photo_ids):
            for view, group in enumerate(self.groups or ("/",)):
                dataset = self._file[group].get(photo_id)
                if not isinstance(dataset, h5py.Dataset):
                    where = f"group {group!r} of " if self.groups else ""
                    raise FeatureStoreError(
                        f"{where}feature file {self.path} has no photo {photo_id!r}"
                    )
                if dataset.size != batch[row, view].size:
                    raise FeatureStoreError(
                        f"photo {photo_id!r} of feature file {self.path} has features of shape {dataset.shape}, "
                        f"expected {batch[row, view].size} numbers as the first photo has"
                    )
                try:
                    batch[row, view] = dataset[()].reshape(self._shape)
                except (OSError, TypeError, ValueError) as error:
                    raise FeatureStoreError(
                        f"photo {photo_id!r} of feature file {self.path} cannot be read: {error}"
                    ) from error
        return batch

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _groups(self) -> tuple[str, ...]:
        first = next(iter(self._file.values()), None)
        if first is None:
            raise FeatureStoreError(f"feature file {self.path} is empty")
        if isinstance(first, h5py.Dataset):
            if "format" in self._file.attrs:
                raise FeatureStoreError(
                    f"{self.path} is not of the published code but of mlsp: open it with FeatureStore"
                )
            return ()
        found = set(self._file)
        if found != set(CORNER_GROUPS):
            raise FeatureStoreError(
                f"feature file {self.path} has the groups {sorted(found)}, expected {list(CORNER_GROUPS)}: "
                "the extraction of some views was not finished, or it is of another program"
            )
        return CORNER_GROUPS

    def _view_shape(self) -> tuple[int, int, int]:
        group = self._file[self.groups[0]] if self.groups else self._file
        found = None
        # Of the first photo that has features; what is damaged is found when it is read.
        for dataset in group.values():
            found = getattr(dataset, "shape", None)
            shape = tuple(size for size in found or () if size != 1)
            if len(shape) == 1:
                return (1, 1, shape[0])
            if len(shape) == 3 and shape[:2] == (5, 5):
                return (5, 5, shape[2])
        raise FeatureStoreError(
            f"feature file {self.path} has features of shape {found}, expected (channels,) "
            "or (5, 5, channels)"
        )
