"""Results as a table: named columns and rows of cells, which every table format writes."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mlsp.base.errors import SettingsError

if TYPE_CHECKING:
    from mlsp.scoring.results import ScoreResult

Cell: TypeAlias = str | float | int


def rounded(value: float, decimals: int) -> str:
    """Return a number as text for people: empty if it is not finite, and never "-0.0".

    Examples:
        >>> rounded(0.75, 1), rounded(float("nan"), 1)
        ('0.8', '')
    """
    return f"{value:z.{decimals}f}" if math.isfinite(value) else ""


def json_number(value: float, decimals: int) -> float | None:
    """Return a rounded number for JSON: None if it is not finite."""
    return round(value, decimals) if math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: its heading.
        type: type of its cells in Arrow.
        text: cell -> text, as CSV and the terminal show it.
        is_name: whether its cells are names of files.
    """

    name: str
    type: Literal["string", "int32", "int64", "double"] = "string"
    text: Callable[[Any], str] = str
    is_name: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to be written.

    Attributes:
        columns: in order. The first names the photo: its path as the operating system gave it, where bytes that are not UTF-8 are
            lone surrogates.
        rows: one cell per column, unrounded; read once.
        metadata: for formats that have a place for it.
    """

    columns: Sequence[Column]
    rows: Iterable[tuple[Cell, ...]]
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Headings of the columns."""
        return tuple(column.name for column in self.columns)

    def texts(self) -> Iterator[tuple[str, ...]]:
        """Yield the rows as text."""
        for row in self.rows:
            yield tuple(column.text(cell) for column, cell in zip(self.columns, row, strict=True))


# A name may have one, but no camera's or editor's does; what has no such sign at all is no longer text for people.
_BETWEEN_FILES = "|"
_PERCENT = partial(rounded, decimals=1)
_SCORE = partial(rounded, decimals=4)


def report_columns(heads: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns of a report.

    Args:
        heads: names of the model's heads, in the model's order.

    Returns:
        Photo; overall, the mean of the percentiles, 0…100; each head's score and its percentile; width and height of the upright
        photo in pixels; the names of all files of its shot, itself first, with `|` between them; the model's name.

    Raises:
        SettingsError: a head's name makes a column that there is already.
    """
    scores = (
        column
        for head in heads
        for column in (
            Column(head, "double", _SCORE),
            Column(f"{head}_percentile", "double", _PERCENT),
        )
    )
    found = (
        Column("photo", is_name=True),
        Column("overall", "double", _PERCENT),
        *scores,
        Column("width", "int32"),
        Column("height", "int32"),
        Column("files", is_name=True),
        Column("model"),
    )
    names = [column.name for column in found]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(
                f"heads {list(heads)} make two report columns {name!r}: rename a head"
            )
    return found


def columns(heads: Sequence[str]) -> tuple[str, ...]:
    """Return the names of `report_columns`; see there for arguments and errors.

    Examples:
        >>> columns(["quality"])
        ('photo', 'overall', 'quality', 'quality_percentile', 'width', 'height', 'files', 'model')
    """
    return tuple(column.name for column in report_columns(heads))


def report_row(result: ScoreResult, *, model_name: str, heads: Sequence[str]) -> tuple[Cell, ...]:
    """Return a result's cells, in the order of `report_columns`."""
    scores = (result.scores[head] for head in heads)
    cells = (cell for score in scores for cell in (score.value, score.percentile))
    photo = os.fspath(result.source)
    files = _BETWEEN_FILES.join(file.name for file in result.files or (result.source,))
    return (photo, result.overall, *cells, result.width, result.height, files, model_name)


def report_table(scored: Iterable[ScoreResult], *, model_name: str, heads: Sequence[str]) -> Table:
    """Return results as a table.

    Args:
        scored: results, in the order of the report.
        model_name: name of the model that scored them.
        heads: names of the model's heads, in the model's order.

    Raises:
        SettingsError: see `report_columns`.
    """
    rows = (report_row(result, model_name=model_name, heads=heads) for result in scored)
    return Table(report_columns(heads), rows, {"mlsp.model": model_name})
