"""Digests of files."""

from __future__ import annotations

import hashlib
from pathlib import Path


def file_digest(file: Path, algorithm: str) -> str:
    """Compute a file's digest by an algorithm of `hashlib`, in hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    with file.open("rb") as content:
        return hashlib.file_digest(
            content, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()


def file_sha256(file: Path) -> str:
    """Compute a file's SHA-256, in hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    return file_digest(file, "sha256")
