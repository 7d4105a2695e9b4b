"""Encoding of features as stored bytes, and back: float32, float16, or 8 bits with a scale per level."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import FeatureValueError, SettingsError, unknown_name
from mlsp.features.spec import Grid

StoredDtype = Literal["float16", "float32", "uint8_level"]
STORED_DTYPES: tuple[StoredDtype, ...] = ("float16", "float32", "uint8_level")
StoredArray: TypeAlias = NDArray[Any]

# uint8_channel is only read: version 0.1 could write it.
_CODES = {"float16": "<f2", "float32": "<f4", "uint8_level": "u1", "uint8_channel": "u1"}
# Stored as codes on a scale of their own.
_QUANTISED = ("uint8_level", "uint8_channel")
_MAX_CODE = np.float32(255)


@dataclass(frozen=True, slots=True)
class Part:
    """One array of a store: `narrow`, `wide`, or the scales of one of them.

    Attributes:
        name: of the HDF5 data set.
        shape: of one view, without the axes of photos and views.
        dtype: of the numbers, little-endian.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def view_bytes(self) -> int:
        """Size of one view in bytes."""
        return int(np.prod(self.shape)) * self.dtype.itemsize


def grid_name(grid: int) -> str:
    """Return the paper's word for a grid: narrow or wide.

    Examples:
        >>> grid_name(5)
        'wide'
    """
    return {1: "narrow", 5: "wide"}[grid]


class GridCodec:
    """Encoder and decoder of the features of one grid.

    `float16` is the paper's form. A number beyond ±65504 is refused, never stored as infinity: store such features as `float32`.
    `uint8_level` keeps the minimum of each view and level and the step between codes, and rounds to the nearest of 256 codes:
    no value moves by more than half a step, 1/510 of the range of its level.

    Args:
        grid: cells G per side.
        level_channels: channels of each level, in order.
        dtype: how numbers are stored.

    Raises:
        SettingsError: `dtype` is unknown.
    """

    def __init__(self, grid: int, level_channels: Sequence[int], dtype: StoredDtype) -> None:
        if dtype not in _CODES:
            raise SettingsError(unknown_name("dtype of stored features", dtype, STORED_DTYPES))
        self.grid = grid
        self.dtype = dtype
        self.channels = sum(level_channels)
        name = grid_name(grid)
        codes = Part(name, (grid, grid, self.channels), np.dtype(_CODES[dtype]))
        self.parts: tuple[Part, ...] = (codes,)
        if dtype in _QUANTISED:
            by_level = dtype == "uint8_level"
            # Channels that share a scale.
            self._groups = np.asarray(level_channels if by_level else [1] * self.channels)
            self._group_starts = np.cumsum(self._groups) - self._groups
            scale_dtype = np.dtype("<f4" if by_level else "<f2")
            self.parts += (Part(f"{name}_scales", (len(self._groups), 2), scale_dtype),)

    def encode(self, features: Float32Array) -> dict[str, StoredArray]:
        """Encode the features of a photo.

        Args:
            features: (V, G, G, C), finite.

        Returns:
            The array of each part, (V, …), by its name.

        Raises:
            FeatureValueError: a value is not finite, or too large for the dtype.
        """
        # A sum is finite only if all are, or if finite ones overflow: the exact test then decides.
        if not np.isfinite(features.sum(dtype=np.float64)) and not np.isfinite(features).all():
            raise FeatureValueError(
                f"features hold {np.count_nonzero(~np.isfinite(features))} values that are not finite numbers"
            )
        if self.dtype == "float32":
            return {self.parts[0].name: features.astype("<f4", copy=False)}
        if self.dtype == "float16":
            with np.errstate(over="ignore"):
                halves = features.astype("<f2")
            if not np.isfinite(halves).all():
                raise FeatureValueError(
                    f"features reach {np.abs(features).max():.6g}, float16 holds up to 65504, "
                    "float32 more"
                )
            return {self.parts[0].name: halves}
        return self._quantised(features)

    def decode(self, stored: Mapping[str, StoredArray], out: Float32Array) -> None:
        """Decode the features of a photo.

        Args:
            stored: the array of each part, (V, …), by its name.
            out: (V, G, G, C), is overwritten.
        """
        codes = stored[self.parts[0].name]
        if self.dtype == "float16":
            widen_halves(codes, out)
        else:
            np.copyto(out, codes)
        if len(self.parts) > 1:
            minimum, step = self._scales_per_channel(stored[self.parts[1].name])
            out *= step
            out += minimum

    def _quantised(self, features: Float32Array) -> dict[str, StoredArray]:
        codes, scales = self.parts
        low = np.minimum.reduceat(features.min(axis=(1, 2)), self._group_starts, axis=1)
        high = np.maximum.reduceat(features.max(axis=(1, 2)), self._group_starts, axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            # Rounded down and up, so that the codes 0 and 255 enclose all values.
            minimum = -_round_up(-low.astype(np.float64), scales.dtype)
            step = _round_up((high - minimum.astype(np.float64)) / 255, scales.dtype)
        kept = np.stack((minimum, step), axis=-1)
        if not np.isfinite(kept).all():
            raise FeatureValueError(
                f"features reach {np.abs(features).max():.6g}, the scales of {self.dtype!r} hold up to "
                f"{np.finfo(scales.dtype).max:.6g}"
            )
        offsets, divisors = self._scales_per_channel(kept)
        rounded = np.rint((features - offsets) / np.where(divisors > 0, divisors, np.float32(1)))
        quantised = np.clip(rounded, 0, _MAX_CODE).astype(np.uint8)
        return {codes.name: quantised, scales.name: kept}

    def _scales_per_channel(self, scales: StoredArray) -> tuple[Float32Array, Float32Array]:
        """Minimum and step of each channel, (V, 1, 1, C) each."""
        wide = np.repeat(scales.astype(np.float32, copy=False), self._groups, axis=1)
        return wide[:, None, None, :, 0], wide[:, None, None, :, 1]


def _round_up(values: NDArray[np.float64], dtype: np.dtype[Any]) -> StoredArray:
    """Convert to a smaller dtype, rounding up."""
    rounded = values.astype(dtype)
    return np.where(rounded < values, np.nextafter(rounded, dtype.type(np.inf)), rounded)


def widen_halves(halves: StoredArray, out: Float32Array) -> None:
    """Convert float16 to the same numbers as float32, about seven times as fast as numpy.

    Args:
        halves: little-endian float16, contiguous, finite.
        out: of the same shape, is overwritten.
    """
    # Sign extension leaves the sign in bit 31 and copies of it in 28 to 30; the exponent then only lacks its larger bias.
    bits = halves.view("<i2").astype("<i4")
    bits <<= 13
    bits &= np.int32(~0x70000000)
    np.multiply(bits.view("<f4"), np.float32(2.0**112), out=out)


def encode_grids(
    codecs: Mapping[Grid, GridCodec], features: Mapping[Grid, Float32Array], photo_id: str
) -> dict[str, StoredArray]:
    """Encode the features of a photo for all grids of a store.

    Args:
        codecs: of the store, by grid.
        features: (V, G, G, C) by grid.
        photo_id: for error messages.

    Returns:
        The array of each part, (V, …), by its name.

    Raises:
        FeatureValueError: see `GridCodec.encode`.
    """
    stored: dict[str, StoredArray] = {}
    for grid, codec in codecs.items():
        try:
            stored |= codec.encode(features[grid])
        except FeatureValueError as error:
            raise FeatureValueError(f"photo {photo_id!r}: {error}") from error
    return stored


def view_checksums(parts: Sequence[Part], stored: Mapping[str, StoredArray]) -> NDArray[np.uint32]:
    """Compute the CRC-32 of each view over all parts, before compression.

    Args:
        parts: in the order of the store.
        stored: the array of each part, (V, …), by its name.

    Returns:
        (V,).
    """
    arrays = [np.ascontiguousarray(stored[part.name]) for part in parts]
    checksums = []
    for view in range(len(arrays[0])):
        checksum = 0
        for array in arrays:
            checksum = zlib.crc32(array[view].data.cast("B"), checksum)
        checksums.append(checksum)
    return np.array(checksums, dtype=np.uint32)
