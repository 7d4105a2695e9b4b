"""Tables of scores, as `mlsp score` and `mlsp predict` write them: CSV, JSON lines or parquet."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlsp.base.errors import SettingsError
from mlsp.base.json_text import parse_object
from mlsp.base.tables import read_table, reading_table
from mlsp.photos.listing import PHOTO_COLUMNS

TABLE_SUFFIXES = (".csv", ".jsonl", ".parquet")
# Columns of `mlsp score` and `mlsp predict` that are no scores.
_LABEL_COLUMNS = frozenset({"kind", "faults"})
_OTHER_COLUMNS = _LABEL_COLUMNS | {
    *(*PHOTO_COLUMNS, "overall", "width", "height", "files", "model", "error")
}
# Of a column before it.
_OTHER_ENDING = re.compile(r"_percentile(?:_all)?|_votes_-?[\d.]+(?:e[+-]\d+)?")

_Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """A table of scores, as read.

    Attributes:
        photo_column: name of the column with the photos' names.
        heads: names of those with scores.
        rows: cells by the column's name.
    """

    photo_column: str
    heads: list[str]
    rows: Sequence[_Row]


def read_score_table(path: Path) -> ScoreTable:
    """Read a table: Parquet or JSON lines by its ending, else CSV.

    Raises:
        SettingsError: it cannot be read, or has no column with photos.
        MissingExtraError: it is parquet, and pyarrow is not installed.
    """
    read = _read_jsonl if path.suffix.lower() == ".jsonl" else _read_cells
    with reading_table(path, SettingsError):
        columns, rows = read(path)
    photo = next((name for name in PHOTO_COLUMNS if name in columns), None)
    if photo is None:
        raise SettingsError(
            f"table {path} has the columns {', '.join(map(repr, columns)) or 'none'}, expected one of "
            f"{', '.join(map(repr, PHOTO_COLUMNS))} with the photos' names as in the ratings, and one for each head"
        )
    # Of labels: only a table of ours, which has these columns, has their probabilities.
    has_labels = not _LABEL_COLUMNS.isdisjoint(columns)
    heads = [
        name
        for name in columns
        if name not in _OTHER_COLUMNS
        and not (has_labels and name.endswith("_probability"))
        and not any(
            _OTHER_ENDING.fullmatch(name.removeprefix(before))
            for before in columns[: columns.index(name)]
        )
    ]
    return ScoreTable(photo, heads, rows)


def number_of(cell: object) -> float | None:
    """Return a cell's number; None unless it is finite."""
    if not isinstance(cell, (str, int, float)):
        return None
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _read_cells(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    names, rows = read_table(path, "A .parquet table of scores")
    # A row that was cut off lacks its last cells.
    return names, [
        dict.fromkeys(names, "") | dict(zip(names, cells, strict=False)) for _, cells in rows
    ]


def _read_jsonl(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    columns: dict[str, None] = {}
    rows = []
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                row = parse_object(line)
            except ValueError as error:
                raise SettingsError(
                    f"line {number} of table {path} cannot be read: {error}: was it written to its end?"
                ) from error
            columns |= dict.fromkeys(row)
            rows.append(row)
    return list(columns), [dict.fromkeys(columns) | row for row in rows]
