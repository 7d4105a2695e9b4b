"""Rows of the paper's tables, and their results."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from mlsp.features.spec import Grid
from mlsp.models.heads import HEADS
from mlsp.photos.crops import ViewsName

Way = Literal["head", "closed_form", "finetuned", "cited", "majority", "size"]
METRICS = ("srcc", "plcc", "accuracy")


@dataclass(frozen=True, slots=True)
class PaperNumbers:
    """Numbers that the paper reports on AVA's test photos; None where it reports none.

    Attributes:
        srcc: Spearman's correlation.
        plcc: Pearson's.
        accuracy: 0…1, of MOS > 5.
        decimals: that the paper prints of the accuracy in per cent.
    """

    srcc: float | None = None
    plcc: float | None = None
    accuracy: float | None = None
    decimals: int = 2


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table.

    Attributes:
        label: as in the paper.
        way: `head`, trained on stored features; `closed_form`, solved on them; `finetuned`, which `mlsp finetune` does; `cited`, others'
            numbers as the paper has them; `majority` and `size`, baselines.
        paper: its numbers.
        head: key of `mlsp.models.heads.HEADS`, or of `mlsp.training.CLOSED_FORMS`; empty for the rest.
        backbone: name of the network; empty where there is none.
        views: of the features.
        resize: of the photos, None for their own size.
        last_levels: so many of the levels, from the last; None for all.
        more_dropout: see `HeadSpec`.
        recipe: see `TrainSettings`.
    """

    label: str
    way: Way
    paper: PaperNumbers = PaperNumbers()
    head: str = ""
    backbone: str = ""
    views: ViewsName = "corners8"
    resize: tuple[int, int] | None = None
    last_levels: int | None = None
    more_dropout: bool = False
    recipe: str = "paper"

    @property
    def grid(self) -> Grid:
        """Of the features that it needs; heads in closed form read narrow ones."""
        return HEADS[self.head].grid if self.head in HEADS else 1


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its bootstrap interval; NaN where it is not defined.

    Attributes:
        value: on all test photos.
        low: end of the interval.
        high: other end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Result:
    """Result of a row.

    Attributes:
        how: settings in a line.
        validation_srcc: of the photos that chose the best epoch; NaN for baselines.
        numbers: by `METRICS`; those that a baseline does not have are left out.
        photo_ids: test photos.
        mos: their ratings.
        scores: and what the head gives; empty for baselines.
        seconds: that it took.
    """

    how: str
    validation_srcc: float
    numbers: dict[str, Estimate]
    photo_ids: tuple[str, ...]
    mos: tuple[float, ...]
    scores: tuple[float, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row with its result.

    Attributes:
        row: of the table.
        result: None where it did not run.
        reason: why not; empty where there is nothing to run, or it ran.
    """

    row: Row
    result: Result | None = None
    reason: str = ""


def result_record(result: Result) -> dict[str, Any]:
    """Return a result as JSON can hold it, which has no NaN."""
    return {
        "how": result.how,
        "validation_srcc": _finite(result.validation_srcc),
        "numbers": {
            name: [_finite(value) for value in (one.value, one.low, one.high)]
            for name, one in result.numbers.items()
        },
        "photo_ids": list(result.photo_ids),
        "mos": list(result.mos),
        "scores": list(result.scores),
        "seconds": result.seconds,
    }


def read_result(record: dict[str, Any]) -> Result:
    """Read what `result_record` made.

    Raises:
        KeyError: a field is missing.
        TypeError: a field is of another type.
    """
    return Result(
        record["how"],
        _number(record["validation_srcc"]),
        {
            name: Estimate(*(_number(value) for value in values))
            for name, values in record["numbers"].items()
        },
        tuple(record["photo_ids"]),
        tuple(record["mos"]),
        tuple(record["scores"]),
        record["seconds"],
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value
