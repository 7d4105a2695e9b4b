"""Rating tables from CSV and parquet files."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from mlsp.base.errors import RatingsError, missing_column
from mlsp.base.tables import read_table, reading_table
from mlsp.photos.listing import PHOTO_COLUMNS, TABLE_SUFFIXES
from mlsp.ratings.table import Rating, RatingTable, check_scale, fault_of, mean_of_votes

MOS_COLUMNS = ("mos", "MOS", "mean", "rating")
SPLIT_COLUMNS = ("split", "set")
# The names that published tables give to the three parts.
_SPLIT_NAMES = {
    "": None,
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
_VOTES = re.compile(r"votes_(-?\d+(?:\.\d+)?)")
_NUMBER = re.compile(r"\d+")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Indices of a row's cells: `votes` in the order of the bins, `extra` by name."""

    photo: int
    mos: int | None
    votes: tuple[int, ...]
    bins: tuple[float, ...] | None
    split: int | None
    group: int | None
    extra: dict[str, int]


def read_ratings(
    path: Path,
    *,
    photos: Path | None = None,
    lowest: float | None = None,
    highest: float | None = None,
    group: str = "group",
) -> RatingTable:
    """Read a table of ratings.

    Columns: `photo`, `image` or `image_name`, a path relative to the photos' folder; `mos`, `MOS`, `mean` or `rating`, or votes in
    `votes_1`, `votes_2`, … or in columns named by numbers, or both; optional `split` or `set` (train or training, validation, test);
    optional `group`. Further columns are kept as texts.

    Args:
        path: ends in `.csv` (with a header) or `.parquet`.
        photos: folder of the photos; None: the table's. They may be missing.
        lowest: end of the scale; None: the first bin of the votes, or the lowest rating rounded down, which is logged.
        highest: other end; None: the last bin, or the highest rating rounded up, which is logged.
        group: name of the column that puts photos into groups, such as a theme.

    Returns:
        In the table's order.

    Raises:
        RatingsError: there is no such table, it lacks columns, or a row cannot be used; it names the line.
        MissingExtraError: a `.parquet` table without pyarrow.
    """
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise RatingsError(
            f"table {path} has an unknown ending, expected {' or '.join(TABLE_SUFFIXES)}"
        )
    with reading_table(path, RatingsError):
        names, rows = _read(path)
    if not rows:
        raise RatingsError(f"table {path} has no rows: give a table with a row for each photo")
    columns = _find_columns(path, names, group)
    folder = path.parent if photos is None else photos
    ratings = [(where, _rating(where, cells, columns, folder)) for where, cells in rows]
    low, high = _scale(path, columns.bins, [r.mos for _, r in ratings], lowest, highest)
    for where, rating in ratings:
        fault = fault_of(rating, low, high, columns.bins)
        if fault:
            raise RatingsError(f"{where}: {rating.photo_id} {fault}: correct the table")
    return RatingTable(
        path.name,
        low,
        high,
        tuple(rating for _, rating in ratings),
        columns.bins,
        {name: tuple(cells[column] for _, cells in rows) for name, column in columns.extra.items()},
    )


def _read(path: Path) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Return the names of the columns, and of each row where it is and its cells as texts."""
    names, rows = read_table(path, "A .parquet table of ratings")
    texts = []
    for position, cells in rows:
        where = f"table {path} {position}"
        if len(cells) != len(names):
            raise RatingsError(
                f"{where}: has {len(cells)} cells, expected {len(names)} as in the header: correct the table"
            )
        texts.append((where, ["" if cell is None else str(cell) for cell in cells]))
    return names, texts


def _find_columns(path: Path, names: Sequence[str], group_column: str) -> _Columns:
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise RatingsError(f"table {path} has column {twice[0]!r} more than once: rename one")
    photo, mos, split, group = (
        _first(path, known, names)
        for known in (PHOTO_COLUMNS, MOS_COLUMNS, SPLIT_COLUMNS, (group_column,))
    )
    if group is None and group_column != "group":
        raise RatingsError(missing_column(f"table {path}", group_column, names, "--group"))
    votes = _vote_columns(names)
    if photo is None or (mos is None and not votes):
        wanted = PHOTO_COLUMNS if photo is None else MOS_COLUMNS
        # Of names that differ by their case.
        meant = [(name, known) for name in names for known in wanted if name.lower() == known]
        hint = f": did you mean {meant[0][1]!r} by {meant[0][0]!r}? Rename it" if meant else ""
        lacking = (
            f"one of {', '.join(map(repr, PHOTO_COLUMNS))} with the photos' paths"
            if photo is None
            else f"one of {', '.join(map(repr, MOS_COLUMNS))}, or votes in 'votes_1', 'votes_2' and so on"
        )
        raise RatingsError(
            f"table {path} has the columns {', '.join(map(repr, names)) or 'none'}, expected {lacking}{hint}"
        )
    used = {photo, mos, split, group, *votes.values()}
    extra = {name: at for at, name in enumerate(names) if name and at not in used}
    bins = tuple(sorted(votes)) or None
    return _Columns(
        photo, mos, tuple(votes[value] for value in bins or ()), bins, split, group, extra
    )


def _first(path: Path, known: Sequence[str], names: Sequence[str]) -> int | None:
    """Return the index of the first known column that a table has, and warn where it has further ones."""
    found = [name for name in known if name in names]
    if len(found) > 1:
        _log.warning(
            "%s has the columns %s, which mean the same: taking %r",
            path,
            ", ".join(map(repr, found)),
            found[0],
        )
    return names.index(found[0]) if found else None


def _vote_columns(names: Sequence[str]) -> dict[float, int]:
    for pattern in (_VOTES, _NUMBER):
        found = {
            float(match[match.lastindex or 0]): at
            for at, name in enumerate(names)
            if (match := pattern.fullmatch(name))
        }
        # A single one is some other column, such as the number of a row.
        if len(found) > 1:
            return found
    return {}


def _rating(where: str, cells: Sequence[str], columns: _Columns, folder: Path) -> Rating:
    name = cells[columns.photo]
    if not name:
        raise RatingsError(f"{where}: names no photo, expected a path: complete the table")
    votes = tuple(_number(where, "votes", cells[at]) for at in columns.votes) or None
    if columns.mos is not None:
        mos = _number(where, "a rating", cells[columns.mos])
    else:
        mos = mean_of_votes(votes or (), columns.bins or ())
    split = None if columns.split is None else cells[columns.split].strip().lower()
    if split is not None and split not in _SPLIT_NAMES:
        raise RatingsError(
            f"{where}: expected the split train, validation or test, got {split!r}: correct the table"
        )
    return Rating(
        folder / name,
        PurePath(name).as_posix(),
        mos,
        None if split is None else _SPLIT_NAMES[split],
        "" if columns.group is None else cells[columns.group],
        votes,
    )


def _number(where: str, what: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise RatingsError(f"{where}: expected {what}, got {text!r}: correct the table")
    return number


def _scale(
    path: Path,
    bins: Sequence[float] | None,
    mos: Sequence[float],
    lowest: float | None,
    highest: float | None,
) -> tuple[float, float]:
    low, high = (bins[0], bins[-1]) if bins else (math.floor(min(mos)), math.ceil(max(mos)))
    given = lowest is not None and highest is not None
    low, high = (low if lowest is None else lowest), (high if highest is None else highest)
    if not bins and not given and low == high:
        raise RatingsError(
            f"table {path}: all ratings are {low:g}, which tell no scale: give --lowest and --highest"
        )
    if not bins and not given:
        _log.warning(
            "%s: no scale was given: taking %g to %g, from the lowest and the highest rating",
            path,
            low,
            high,
        )
    check_scale(f"table {path}", low, high)
    return float(low), float(high)
