"""Evaluations as a table for the terminal, and numbers as text for every report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from mlsp.base.text import printable
from mlsp.evaluation.measures import MEASURES, Measure
from mlsp.evaluation.votes import VOTE_MEASURES, VoteMeasure

if TYPE_CHECKING:
    from rich.table import Table

    from mlsp.evaluation import Evaluation, ModelResult
    from mlsp.evaluation.intervals import Interval, PairedDifference

SHARES = frozenset(name for name, measure in MEASURES.items() if measure.is_share)
_FILE_WIDTH = 120
_CELL = len("(+0.123…+0.456)")


def print_evaluation(evaluation: Evaluation, *, stream: TextIO) -> None:
    """Print the numbers as a table, each with its interval."""
    from rich.console import Console

    # A file has no width of its own.
    width = None if stream.isatty() else _FILE_WIDTH
    Console(file=stream, highlight=False, width=width).print(_table(evaluation))


def _table(evaluation: Evaluation) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    percentage = f"{100 * evaluation.confidence:g} %"
    table = Table(
        box=SIMPLE_HEAD,
        title=Text(
            printable(
                f"{evaluation.photo_count:,} photos ({evaluation.split}) of {evaluation.ratings}"
            )
        ),
        title_justify="left",
        caption=Text(
            f"In brackets {percentage} intervals. High is above {evaluation.threshold:g}; calling every photo what most are:"
            f" {percent(evaluation.baseline.value)}{_emd_baseline(evaluation)}"
        ),
        caption_justify="left",
    )
    table.add_column("")
    for model in evaluation.models:
        table.add_column(Text(printable(f"{model.head} of {model.name}")), min_width=_CELL)
    if evaluation.comparison is not None:
        table.add_column("difference", min_width=_CELL)
        table.add_column("p", justify="right")
    # Two models fit into 80 columns with their intervals on lines of their own.
    gap = " " if evaluation.comparison is None else "\n"
    numbers = [measured(model) for model in evaluation.models]
    for name, measure in shown_measures(evaluation).items():
        cells = [gap.join(_cell(each[name], name)) if name in each else "–" for each in numbers]
        if evaluation.comparison is not None:
            difference = evaluation.comparison.get(name)
            cells += (
                ["–", "–"]
                if difference is None
                else [gap.join(_difference_cell(difference, name)), p_value(difference.p_value)]
            )
        table.add_row(measure.label, *map(Text, cells))
    return table


def shown_measures(evaluation: Evaluation) -> dict[str, Measure | VoteMeasure]:
    """Return what is measured of at least one model, by name and in the order of every report."""
    predicts_votes = any(model.votes is not None for model in evaluation.models)
    return {**MEASURES, **(VOTE_MEASURES if predicts_votes else {})}


def vote_baseline(evaluation: Evaluation) -> Mapping[str, Interval]:
    """Return the distances of predicting the mean distribution for every photo, the same for all models; or nothing."""
    found = [model.votes.baseline for model in evaluation.models if model.votes is not None]
    return found[0] if found else {}


def measured(model: ModelResult) -> dict[str, Interval]:
    """Return a model's numbers by name, those of its votes among them."""
    return {**model.numbers, **({} if model.votes is None else model.votes.numbers)}


def _emd_baseline(evaluation: Evaluation) -> str:
    baseline = vote_baseline(evaluation)
    if not baseline:
        return ""
    distances = " and ".join(number(interval.value) for interval in baseline.values())
    return f". EMD of saying the mean distribution of every photo: {distances}"


def _cell(interval: Interval, name: str) -> tuple[str, str]:
    if name in SHARES:
        low, high = (number(100 * end, 1) for end in (interval.low, interval.high))
        return percent(interval.value), f"({low}…{high})"
    return number(interval.value), f"({number(interval.low)}…{number(interval.high)})"


def _difference_cell(difference: PairedDifference, name: str) -> tuple[str, str]:
    value, low, high = (
        signed_as(each, name) for each in (difference.value, difference.low, difference.high)
    )
    return value, f"({low}…{high})"


def number(value: float, decimals: int = 3) -> str:
    """Return a number as text for people.

    Examples:
        >>> number(0.75), number(float("nan")), number(-0.0001)
        ('0.750', '–', '0.000')
    """
    return f"{value:z.{decimals}f}".replace("-", "−") if math.isfinite(value) else "–"


def signed(value: float, decimals: int = 3) -> str:
    """Return a difference as text for people, with its sign."""
    return f"{value:+z.{decimals}f}".replace("-", "−") if math.isfinite(value) else "–"


def signed_as(value: float, name: str) -> str:
    """Return a difference in a measure's own unit: points of a percentage, or the plain number."""
    return signed(100 * value, 1) if name in SHARES else signed(value)


def percent(value: float) -> str:
    """Return a share as a percentage."""
    return f"{100 * value:.1f} %" if math.isfinite(value) else "–"


def p_value(value: float) -> str:
    """Return a p-value as text, which the bootstrap cannot tell below 0.001 with its usual 2,000 draws."""
    return "< 0.001" if value < 0.001 else number(value)
