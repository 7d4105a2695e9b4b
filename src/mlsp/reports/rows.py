"""Results as rows of one table, which every report writes."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from mlsp.base.errors import SettingsError

if TYPE_CHECKING:
    from mlsp.scoring.results import Score, ScoreResult

Cell: TypeAlias = str | float | int


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A photo's row.

    Attributes:
        photo: its path, as the operating system gave it: bytes that are not UTF-8 are lone surrogates.
        overall: mean of the percentiles, 0…100.
        scores: in the heads' order.
        width: of the upright photo, in pixels.
        height: likewise.
        model: name of the model that scored it.
    """

    photo: str
    overall: float
    scores: tuple[Score, ...]
    width: int
    height: int
    model: str

    def cells(self) -> tuple[Cell, ...]:
        """Return the values in the order of `columns`, unrounded."""
        scores = (cell for score in self.scores for cell in (score.value, score.percentile))
        return (self.photo, self.overall, *scores, self.width, self.height, self.model)

    def rounded_cells(self) -> tuple[str, ...]:
        """Return the values as text: scores with 4 decimals, percentiles and overall with 1, what is not a number empty."""
        scores = (
            cell
            for score in self.scores
            for cell in (rounded(score.value, 4), rounded(score.percentile, 1))
        )
        overall = rounded(self.overall, 1)
        return (self.photo, overall, *scores, str(self.width), str(self.height), self.model)


def columns(heads: Sequence[str]) -> tuple[str, ...]:
    """Name the columns of a report.

    Args:
        heads: names of the model's heads, in the model's order.

    Returns:
        One name a cell of a row.

    Raises:
        SettingsError: a head's name makes a column of which there is one already.

    Examples:
        >>> columns(["quality"])
        ('photo', 'overall', 'quality', 'quality_percentile', 'width', 'height', 'model')
    """
    scores = (column for head in heads for column in (head, f"{head}_percentile"))
    names = ("photo", "overall", *scores, "width", "height", "model")
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(
                f"heads {list(heads)} make two report columns {name!r}: rename a head"
            )
    return names


def rows(
    scored: Iterable[ScoreResult], *, model_name: str, heads: Sequence[str]
) -> Iterator[ReportRow]:
    """Turn results into rows.

    Args:
        scored: results, in the order that the report shall have.
        model_name: of the model that scored them.
        heads: names of the model's heads, in the model's order.

    Yields:
        A row for each result.
    """
    for result in scored:
        yield ReportRow(
            os.fspath(result.source),
            result.overall,
            tuple(result.scores[head] for head in heads),
            result.width,
            result.height,
            model_name,
        )


def rounded(value: float, decimals: int) -> str:
    """Write a number for people; what is not a number is empty, and there is no "-0.0".

    Examples:
        >>> rounded(0.75, 1), rounded(float("nan"), 1)
        ('0.8', '')
    """
    return f"{value:z.{decimals}f}" if math.isfinite(value) else ""
