"""One row of the score cache: a photo's scores by one model, packed bit for bit."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from mlsp.scoring.cache.damage import DamagedRowError

# A row is a checksum; the number of heads, width and height; a float64 a head; the heads' names as JSON.
_CHECKSUM = struct.Struct("<I")
_HEADER = struct.Struct("<BII")


@dataclass(frozen=True, slots=True)
class CachedScores:
    """What is remembered of a photo.

    Attributes:
        values: one score a head, by the head's name; at most 255.
        width: of the upright photo, in pixels.
        height: likewise.
    """

    values: Mapping[str, float]
    width: int
    height: int


def pack(content: bytes, model_key: str, value: CachedScores) -> bytes:
    """Write a row.

    Args:
        content: SHA-256 of the photo's file.
        model_key: the model's.
        value: the row's.

    Returns:
        A checksum and a header of 13 bytes together, 8 bytes a head, and the heads' names.
    """
    values = struct.pack(f"<{len(value.values)}d", *value.values.values())
    names = json.dumps(list(value.values), separators=(",", ":")).encode()
    body = _HEADER.pack(len(value.values), value.width, value.height) + values + names
    return _CHECKSUM.pack(_checksum(content, model_key, body)) + body


def unpack(content: bytes, model_key: str, row: object) -> CachedScores:
    """Read a row; its checksum covers its key too, so that no damage can give a photo the scores of another.

    Args:
        content: SHA-256 of the photo's file.
        model_key: the model's.
        row: what `pack` wrote.

    Returns:
        The scores, bit for bit.

    Raises:
        DamagedRowError: the row is not as it was written.
    """
    if not isinstance(row, bytes) or len(row) < _CHECKSUM.size + _HEADER.size:
        raise DamagedRowError("a row is cut off")
    body = row[_CHECKSUM.size :]
    if _CHECKSUM.unpack_from(row) != (_checksum(content, model_key, body),):
        raise DamagedRowError("a row does not match its checksum")
    count, width, height = _HEADER.unpack_from(body)
    values = struct.unpack_from(f"<{count}d", body, _HEADER.size)
    names = _names(body[_HEADER.size + 8 * count :])
    return CachedScores(dict(zip(names, values, strict=True)), width, height)


def _checksum(content: bytes, model_key: str, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(model_key.encode(), zlib.crc32(content)))


@lru_cache(maxsize=64)
def _names(packed: bytes) -> tuple[str, ...]:
    return tuple(json.loads(packed))
