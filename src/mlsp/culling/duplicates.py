"""Files of one content, and which of them is the original."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path


def find_originals(photos: Sequence[Path], contents: Sequence[str]) -> list[int]:
    """Find the original of each photo.

    Args:
        photos: their files.
        contents: SHA-256 of each; empty where it is not known.

    Returns:
        Index of each photo's original: its own, or that of a file of the same content. Of several the original is a file before
        a link to it, then the one with the shortest path, then the first.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for index, content in enumerate(contents):
        if content:
            groups[content].append(index)
    originals = list(range(len(photos)))
    for group in groups.values():
        if len(group) > 1:
            original = min(group, key=lambda index: _distance(photos[index]))
            for index in group:
                originals[index] = original
    return originals


def name_beside(photo: Path, other: Path, *, stem: bool = False) -> str:
    """Return what one photo is called where another is spoken of: its name, or its path where both names are equal.

    Args:
        photo: the one to name.
        other: the one beside it.
        stem: leave out the name's ending.

    Examples:
        >>> name_beside(Path("card/1.jpg"), Path("backup/2.jpg")), name_beside(Path("1.jpg"), Path("backup/1.jpg"))
        ('1.jpg', '1.jpg')
        >>> name_beside(Path("card/1.jpg"), Path("backup/1.jpg"), stem=True)
        'card/1'
    """
    named = photo.with_suffix("") if stem else photo
    same = other.with_suffix("") if stem else other
    return os.fspath(named) if named.name == same.name else named.name


def _distance(photo: Path) -> tuple[bool, int]:
    # The folder may be a link as well.
    return os.path.realpath(photo) != os.path.abspath(photo), len(os.fspath(photo))
