"""Content of a rating table as lines for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from mlsp.base.errors import RatingsError
from mlsp.base.text import listed
from mlsp.ratings.photo_checks import PhotoCheck, faults_of_split
from mlsp.ratings.splits import Split, SplitSettings, split_rows
from mlsp.ratings.table import RatingTable, missing_photos

# More groups than these are counted only.
_GROUPS_SHOWN = 12


def table_lines(table: RatingTable) -> Iterator[str]:
    """Lay out the content of a table as lines.

    Yields:
        Lines.
    """
    mos = table.mos
    yield f"ratings  {table.name}, {len(table)} photos"
    yield f"scale    {table.lowest:g} to {table.highest:g}"
    yield f"mean     {mos.mean():.4g}, from {mos.min():.4g} to {mos.max():.4g}, standard deviation {mos.std():.4g}"
    if table.bins is None:
        yield "votes    none, means only"
    else:
        counts = table.votes.sum(1)
        yield f"votes    {len(table.bins)} values, {counts.min():g} to {counts.max():g} votes per photo"
    groups = Counter(rating.group for rating in table)
    without = groups.pop("", 0)
    names = "" if len(groups) > _GROUPS_SHOWN else "".join(f", {g} {n}" for g, n in groups.items())
    yield f"groups   {len(groups)}{names}" + (f", {without} photos without" if without else "")
    if table.extra:
        yield f"columns  {', '.join(table.extra)}"
    missing = missing_photos(table)
    named = f": {listed(rating.photo_id for rating in missing)}" if missing else ""
    yield f"missing  {len(missing)} photos{named}"


def split_of(table: RatingTable, settings: SplitSettings) -> tuple[Split | None, str]:
    """Split a table, and lay out the parts as a line.

    Returns:
        The split and its line; None and the reason where there is none.
    """
    try:
        split = split_rows(table, settings)
    except RatingsError as error:
        return None, f"split    none: {error}"
    sizes = f"{len(split.train)} train, {len(split.validation)} validation, {len(split.test)} test"
    return split, f"split    {sizes}"


def check_lines(
    table: RatingTable, split: Split | None, checks: Sequence[PhotoCheck]
) -> Iterator[str]:
    """Lay out the faults of the photos as lines.

    Args:
        table: that was checked.
        split: of it; None where there is none.
        checks: one per photo.

    Yields:
        A line for each photo that cannot be read, and one for each way in which test photos were learned from.
    """
    for check in checks:
        if check.error is not None:
            yield f"{check.rating.photo_id}: {check.error}"
    if split is not None:
        yield from faults_of_split(table, split, checks)


def verdict(table: RatingTable, checks: Sequence[PhotoCheck]) -> str:
    """Return in a line how many photos can be read."""
    readable = int(np.sum([check.error is None for check in checks]))
    return f"checked  {readable} of {len(table)} photos can be read"
