"""The checksum of a row: it covers the row's key too, so that no damage can give a photo the values of another."""

from __future__ import annotations

import struct
import zlib

from mlsp.base.content_cache.file import DamagedRowError

_CHECKSUM = struct.Struct("<I")


def with_checksum(content: bytes, model_key: str, body: bytes) -> bytes:
    """Write a row: what is cached, and before it the checksum.

    Args:
        content: SHA-256 of the photo's file.
        model_key: key of what computed it.
        body: what is cached.
    """
    return _CHECKSUM.pack(_checksum(content, model_key, body)) + body


def checked(content: bytes, model_key: str, row: object, min_bytes: int = 0) -> bytes:
    """Return what follows the checksum of a row.

    Args:
        content: SHA-256 of the photo's file.
        model_key: key of what computed it.
        row: as it is stored.
        min_bytes: that it has at least.

    Raises:
        DamagedRowError: it is not as it was written.
    """
    if not isinstance(row, bytes) or len(row) < _CHECKSUM.size + min_bytes:
        raise DamagedRowError("a row is cut off")
    body = row[_CHECKSUM.size :]
    if _CHECKSUM.unpack_from(row) != (_checksum(content, model_key, body),):
        raise DamagedRowError("a row does not match its checksum")
    return body


def _checksum(content: bytes, model_key: str, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(model_key.encode(), zlib.crc32(content)))
