"""One row of the feature cache: a photo's features, in 16 bits a number."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np

from mlsp.base.arrays import Float16Array
from mlsp.scoring.cache.damage import DamagedRowError

# A row is a checksum; width and height of the photo; views, grid cells of a side and channels; the numbers.
_CHECKSUM = struct.Struct("<I")
_HEADER = struct.Struct("<IIIII")


@dataclass(frozen=True, slots=True)
class CachedFeatures:
    """What is remembered of a photo.

    Attributes:
        values: (V, G, G, C), a view each.
        width: of the upright photo, in pixels.
        height: likewise.
    """

    values: Float16Array
    width: int
    height: int


def pack_features(content: bytes, model_key: str, value: CachedFeatures) -> bytes:
    """Write a row.

    Args:
        content: SHA-256 of the photo's file.
        model_key: the network's.
        value: the row's.

    Returns:
        24 bytes and two a number.
    """
    views, grid, _, channels = value.values.shape
    body = _HEADER.pack(value.width, value.height, views, grid, channels)
    body += value.values.astype("<f2", copy=False).tobytes()
    return _CHECKSUM.pack(_checksum(content, model_key, body)) + body


def unpack_features(content: bytes, model_key: str, row: object) -> CachedFeatures:
    """Read a row; its checksum covers its key too, so that no damage can give a photo the features of another.

    Args:
        content: SHA-256 of the photo's file.
        model_key: the network's.
        row: what `pack_features` wrote.

    Returns:
        The features, bit for bit.

    Raises:
        DamagedRowError: the row is not as it was written.
    """
    if not isinstance(row, bytes) or len(row) < _CHECKSUM.size + _HEADER.size:
        raise DamagedRowError("a row is cut off")
    body = row[_CHECKSUM.size :]
    if _CHECKSUM.unpack_from(row) != (_checksum(content, model_key, body),):
        raise DamagedRowError("a row does not match its checksum")
    width, height, views, grid, channels = _HEADER.unpack_from(body)
    values = np.frombuffer(body, "<f2", offset=_HEADER.size).reshape(views, grid, grid, channels)
    return CachedFeatures(values, width, height)


def _checksum(content: bytes, model_key: str, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(model_key.encode(), zlib.crc32(content)))
