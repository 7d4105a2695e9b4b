"""Digests of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mlsp.base.errors import SettingsError
from mlsp.base.regular_file import open_regular


def file_digest(file: Path, algorithm: str) -> str:
    """Compute a file's digest by an algorithm of `hashlib`, in hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    with open_regular(file) as content:
        return hashlib.file_digest(
            content, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()


def file_sha256(file: Path) -> str:
    """Compute a file's SHA-256, in hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    return file_digest(file, "sha256")


def sha256_bytes(digits: str) -> bytes:
    """Return the 32 bytes of a SHA-256 that is given in hexadecimal.

    Raises:
        SettingsError: it has not 64 hexadecimal digits.
    """
    try:
        digest = bytes.fromhex(digits)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise SettingsError(f"expected a SHA-256 of 64 hexadecimal digits, got {digits!r}")
    return digest
