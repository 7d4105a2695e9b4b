"""Features to the bytes a store holds, and back: float32, float16, or 8 bits with a scale."""

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

StoredDtype = Literal["float16", "float32", "uint8_level", "uint8_channel"]
STORED_DTYPES: tuple[StoredDtype, ...] = ("float16", "float32", "uint8_level", "uint8_channel")
StoredArray: TypeAlias = NDArray[Any]

_CODES = {"float16": "<f2", "float32": "<f4", "uint8_level": "u1", "uint8_channel": "u1"}
_LARGEST_CODE = np.float32(255)


@dataclass(frozen=True, slots=True)
class Part:
    """One array of a store: `narrow`, `wide`, or the scales of one of them.

    Attributes:
        name: of the data set.
        shape: of one view, without photo and view.
        dtype: of the numbers, little-endian.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def view_bytes(self) -> int:
        """Bytes of one view."""
        return int(np.prod(self.shape)) * self.dtype.itemsize


def grid_name(grid: int) -> str:
    """The paper's word for a grid.

    Examples:
        >>> grid_name(5)
        'wide'
    """
    return {1: "narrow", 5: "wide"}[grid]


class GridCodec:
    """Encodes and decodes the features of one grid.

    `float16` is the paper's form. A number beyond ±65504 is refused, not stored as infinity: store such features as `float32`.
    `uint8_level` keeps for each view and level its least value and the step to the next code, and rounds to the nearest of 256
    codes: no value moves by more than half a step, 1/510 of the range of its level. `uint8_channel` does so for each channel,
    over the cells of its grid: nearer to the truth, with two float16 a channel more; for grid 5 only.

    Args:
        grid: cells G of each side.
        level_channels: channels of each level, in order.
        dtype: how the numbers are kept.

    Raises:
        SettingsError: `dtype` is unknown, or `uint8_channel` is asked for a grid of one cell.
    """

    def __init__(self, grid: int, level_channels: Sequence[int], dtype: StoredDtype) -> None:
        if dtype not in STORED_DTYPES:
            raise SettingsError(unknown_name("dtype of stored features", dtype, STORED_DTYPES))
        if dtype == "uint8_channel" and grid == 1:
            raise SettingsError(
                "dtype 'uint8_channel' needs more than one cell a channel, got grid 1: use 'uint8_level'"
            )
        self.grid = grid
        self.dtype = dtype
        self.channels = sum(level_channels)
        self._level_channels = np.asarray(level_channels)
        self._level_starts = np.concatenate(([0], np.cumsum(level_channels)[:-1])).astype(np.intp)
        name = grid_name(grid)
        codes = Part(name, (grid, grid, self.channels), np.dtype(_CODES[dtype]))
        if dtype == "uint8_level":
            scales = Part(f"{name}_scales", (len(level_channels), 2), np.dtype("<f4"))
        else:
            scales = Part(f"{name}_scales", (self.channels, 2), np.dtype("<f2"))
        self.parts: tuple[Part, ...] = (codes, scales) if dtype.startswith("uint8") else (codes,)

    def encode(self, features: Float32Array) -> dict[str, StoredArray]:
        """Features to what is stored.

        Args:
            features: (V, G, G, C), finite.

        Returns:
            For the name of each part its array, (V, …).

        Raises:
            FeatureValueError: a value is not finite, or too large for float16.
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
                    f"features reach {np.abs(features).max():.6g}, float16 holds up to 65504: "
                    "store them with dtype 'float32'"
                )
            return {self.parts[0].name: halves}
        return self._quantised(features)

    def decode(self, stored: Mapping[str, StoredArray], out: Float32Array) -> None:
        """What is stored to features.

        Args:
            stored: for the name of each part its array, (V, …).
            out: (V, G, G, C), is overwritten.
        """
        codes = stored[self.parts[0].name]
        if self.dtype == "float16":
            widen_halves(codes, out)
        else:
            np.copyto(out, codes)
        if len(self.parts) > 1:
            least, step = self._per_channel(stored[self.parts[1].name])
            out *= step[:, None, None, :]
            out += least[:, None, None, :]

    def _quantised(self, features: Float32Array) -> dict[str, StoredArray]:
        codes, scales = self.parts[0], self.parts[1]
        low, high = features.min(axis=(1, 2)), features.max(axis=(1, 2))
        if self.dtype == "uint8_level":
            low = np.minimum.reduceat(low, self._level_starts, axis=1)
            high = np.maximum.reduceat(high, self._level_starts, axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            # Rounded down and up, so that the codes 0 and 255 enclose all values.
            least = -_at_least(-low.astype(np.float64), scales.dtype)
            step = _at_least((high - least.astype(np.float64)) / 255, scales.dtype)
        kept = np.stack((least, step), axis=-1)
        if not np.isfinite(kept).all():
            raise FeatureValueError(
                f"features reach {np.abs(features).max():.6g}, the scales of {self.dtype!r} hold up to "
                f"{np.finfo(scales.dtype).max:.6g}: store them with dtype 'float32'"
            )
        offsets, divisors = self._per_channel(kept)
        divisors = np.where(divisors > 0, divisors, np.float32(1))[:, None, None, :]
        rounded = np.rint((features - offsets[:, None, None, :]) / divisors)
        quantised = np.clip(rounded, 0, _LARGEST_CODE).astype(np.uint8)
        return {codes.name: quantised, scales.name: kept}

    def _per_channel(self, scales: StoredArray) -> tuple[Float32Array, Float32Array]:
        wide = scales.astype(np.float32, copy=False)
        if self.dtype == "uint8_level":
            wide = np.repeat(wide, self._level_channels, axis=1)
        return wide[..., 0], wide[..., 1]


def _at_least(values: NDArray[np.float64], dtype: np.dtype[Any]) -> StoredArray:
    """Round up to a smaller dtype."""
    rounded = values.astype(dtype)
    return np.where(rounded < values, np.nextafter(rounded, dtype.type(np.inf)), rounded)


def widen_halves(halves: StoredArray, out: Float32Array) -> None:
    """Turn float16 into the same numbers as float32, about seven times as fast as numpy.

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
    """Features of a photo to what is stored of it.

    Args:
        codecs: of the store.
        features: for each grid (V, G, G, C).
        photo_id: named where something is wrong.

    Returns:
        For the name of each part its array, (V, …).

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
    """CRC-32 of each view over all parts, before compression.

    Args:
        parts: in the order of the store.
        stored: for the name of each part its array, (V, …).

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
