"""One row of the score cache: a photo's scores by one model, packed bit for bit."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

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


class DamagedRowError(Exception):
    """A row is not as it was written."""


def pack(content: bytes, model_key: str, scores: CachedScores) -> bytes:
    """Write a row.

    Args:
        content: SHA-256 of the photo's file.
        model_key: the model's.
        scores: the row's.

    Returns:
        A checksum and a header of 13 bytes together, 8 bytes a head, and the heads' names.
    """
    values = struct.pack(f"<{len(scores.values)}d", *scores.values.values())
    names = json.dumps(list(scores.values), separators=(",", ":")).encode()
    body = _HEADER.pack(len(scores.values), scores.width, scores.height) + values + names
    return _CHECKSUM.pack(_checksum(content, model_key, body)) + body


def unpack(content: bytes, model_key: str, value: object) -> CachedScores:
    """Read a row; its checksum covers its key too, so that no damage can give a photo the scores of another.

    Args:
        content: SHA-256 of the photo's file.
        model_key: the model's.
        value: what `pack` wrote.

    Returns:
        The scores, bit for bit.

    Raises:
        DamagedRowError: the row is not as it was written.
    """
    if not isinstance(value, bytes) or len(value) < _CHECKSUM.size + _HEADER.size:
        raise DamagedRowError("a row is cut off")
    body = value[_CHECKSUM.size :]
    if _CHECKSUM.unpack_from(value) != (_checksum(content, model_key, body),):
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
