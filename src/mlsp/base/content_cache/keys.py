"""Keys of cached rows: whatever moves what is cached, even a little, is part of them."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_ROOT = Path(__file__).parents[2]


@cache
def made_by(settings: str, packages: tuple[str, ...], code: tuple[str, ...]) -> str:
    """Return the part of a key that names settings, and all that decodes or computes: versions, and this package's code.

    Args:
        settings: precision of a network, or what else was chosen.
        packages: distributions that decode photos or compute networks; those that are not installed count too, as "-".
        code: modules and packages below `mlsp` that make what is cached, such as `photos` and `culling/close_ups.py`. Their digest is
            part of the key, because the version of a checkout stays the same when it is updated.
    """
    # Metadata of packages are read from files, which takes milliseconds.
    versions = map(_version, ("mlsp", *packages))
    return " ".join([settings, *versions, code_digest(_ROOT, code)])


def code_digest(root: Path, code: tuple[str, ...]) -> str:
    """Return 16 hexadecimal digits that change with the sources of modules and packages.

    Args:
        root: folder that they are in.
        code: their paths below it.
    """
    digest = hashlib.sha256()
    for name in code:
        path = root / name
        # A program that was made of this one may have no sources; its version tells it apart.
        files = path.rglob("*.py") if path.is_dir() else path.parent.glob(path.name)
        for file in sorted(files):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "-"
