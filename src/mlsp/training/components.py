"""Principal components of each level: a head learns on fewer and even numbers, and is then turned into one that reads the channels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from mlsp.base.arrays import Float16Array, Float32Array, Float64Array
from mlsp.base.errors import SettingsError

# Of a level's first component: directions with less are rounding, and would be amplified.
_MIN_VARIANCE = 1e-6


@dataclass(frozen=True, slots=True)
class LevelComponents:
    """Axes from the channels of each level to its first principal components, each scaled to variance 1 over the cells.

    Nothing is subtracted: borders of convolutions are padded with zeros, which must stay zeros.

    Attributes:
        slices: channels of each level.
        axes: (channels of the level, its components) of each.
    """

    slices: tuple[slice, ...]
    axes: tuple[Float32Array, ...]

    @classmethod
    def fit(
        cls,
        features: Iterable[Float16Array | Float32Array],
        slices: Sequence[slice],
        count: int,
    ) -> Self:
        """Find the components of some photos.

        Args:
            features: batches (N, V, G, G, C).
            slices: channels of each level.
            count: components of each level; fewer where it has fewer channels, or hardly varies in some directions.

        Raises:
            SettingsError: a level has the same features in all cells.
        """
        widths = [part.stop - part.start for part in slices]
        sums = [np.zeros(width) for width in widths]
        products = [np.zeros((width, width)) for width in widths]
        cells = 0
        near: Float32Array | None = None
        for batch in features:
            rows = batch.reshape(-1, batch.shape[-1]).astype(np.float32)
            # Products of large means would leave more rounding in float32 than some directions vary.
            near = rows.mean(axis=0) if near is None else near
            rows -= near
            cells += len(rows)
            for part, total, product in zip(slices, sums, products, strict=True):
                values = rows[:, part]
                total += values.sum(axis=0, dtype=np.float64)
                product += values.T @ values
        axes = [
            _whitening(product / cells - np.outer(total, total) / cells**2, count)
            for total, product in zip(sums, products, strict=True)
        ]
        return cls(tuple(slices), tuple(axes))

    @property
    def counts(self) -> tuple[int, ...]:
        """Components of each level."""
        return tuple(axes.shape[1] for axes in self.axes)

    def of(self, features: Float32Array) -> Float16Array:
        """Compute components: (..., C) -> (..., sum of counts)."""
        pairs = zip(self.slices, self.axes, strict=True)
        parts = [features[..., part] @ axes for part, axes in pairs]
        return np.concatenate(parts, axis=-1).astype(np.float16)

    def in_channels(
        self, learned: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Turn the weights of a head on components into those of the same head on channels, with the same outputs.

        Args:
            learned: its arrays by name.
            wanted: arrays of the head on the channels of the levels, by the same names, for their shapes.

        Raises:
            SettingsError: more than the inputs of layers differs.
        """
        before = sum(self.counts)
        after = sum(len(axes) for axes in self.axes)
        turned = {}
        for name, array in learned.items():
            shape = (array.shape[0], after, *array.shape[2:]) if array.ndim > 1 else array.shape
            if array.shape == wanted[name].shape:
                turned[name] = array
            elif array.shape[1:2] == (before,) and wanted[name].shape == shape:
                turned[name] = self._turned(array)
            else:
                raise SettingsError(
                    "components go with heads whose widths do not follow from the channels, such as single_3fc and pool_3fc:"
                    f" {name} would change from {tuple(array.shape)} to {tuple(wanted[name].shape)}"
                )
        return turned

    def _turned(self, weight: Tensor) -> Tensor:
        """(outputs, components, ...) -> (outputs, channels, ...)."""
        parts = torch.split(weight, list(self.counts), dim=1)
        return torch.cat(
            [
                torch.einsum("od...,cd->oc...", part, torch.from_numpy(axes))
                for part, axes in zip(parts, self.axes, strict=True)
            ],
            dim=1,
        )


def _whitening(covariance: Float64Array, count: int) -> Float32Array:
    """(C, C) -> (C, components) to the first components, of variance 1."""
    variances, axes = np.linalg.eigh(covariance)
    first = np.argsort(variances)[::-1][:count]
    if variances[first[0]] <= 0:
        raise SettingsError("a level has the same features in all photos: it has no components")
    kept = first[variances[first] > _MIN_VARIANCE * variances[first[0]]]
    whitening: Float32Array = (axes[:, kept] / np.sqrt(variances[kept])).astype(np.float32)
    return whitening
