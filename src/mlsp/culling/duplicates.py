"""Files of one content, and which of them is the original."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path


def find_originals(
    photos: Sequence[Path], contents: Sequence[str], days: Sequence[date | None]
) -> list[int]:
    """Find the original of each photo.

    Args:
        photos: their files.
        contents: SHA-256 of each; empty where it is not known.
        days: on which each was taken; None where that is not known.

    Returns:
        Index of each photo's original: its own, or that of a file of the same content. Of several the original is a file before
        a link to it, then the one whose folder has the most photos of its day, then the one with the shortest path, then the first.
    """
    # Folders of chosen photos and of some exports have fewer than the folder that the camera filled.
    beside = Counter((photo.parent, day) for photo, day in zip(photos, days, strict=True))

    def order(index: int) -> tuple[bool, int, int]:
        photo = photos[index]
        # The folder may be a link as well.
        is_link = os.path.realpath(photo) != os.path.abspath(photo)
        return is_link, -beside[photo.parent, days[index]], len(os.fspath(photo))

    groups: dict[str, list[int]] = defaultdict(list)
    for index, content in enumerate(contents):
        if content:
            groups[content].append(index)
    originals = list(range(len(photos)))
    for group in groups.values():
        if len(group) > 1:
            original = min(group, key=order)
            for index in group:
                originals[index] = original
    return originals


def name_beside(photo: Path, other: Path, *, stem: bool = False) -> str:
    """Return what one photo is called where another is spoken of: its name, or as much of its path as tells it from the other.

    Args:
        photo: the one to name.
        other: the one beside it.
        stem: leave out the name's ending where that is enough.

    Examples:
        >>> name_beside(Path("card/1.jpg"), Path("backup/2.jpg")), name_beside(Path("1.jpg"), Path("backup/1.jpg"))
        ('1.jpg', '1.jpg')
        >>> name_beside(Path("/shoot/card/1.jpg"), Path("/shoot/backup/1.jpg"), stem=True)
        'card/1'
        >>> name_beside(Path("card/1.jpg"), Path("card/1.png"), stem=True)
        '1.jpg'
    """
    if stem and photo.stem != other.stem:
        return photo.stem
    if photo.name != other.name:
        return photo.name
    # With as many folders as tell them apart.
    parts = photo.parts
    length = next((n for n in range(2, len(parts)) if parts[-n:] != other.parts[-n:]), len(parts))
    told = Path(*parts[-length:])
    return os.fspath(told.with_suffix("") if stem else told)
