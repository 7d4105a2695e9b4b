"""Rows of the paper's tables, and their results."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace
from typing import Any, Literal

from mlsp.features.spec import Grid
from mlsp.models.heads import HEADS
from mlsp.photos.crops import ViewsName

Kind = Literal["head", "closed_form", "finetuned", "cited", "majority", "size"]
METRICS = ("srcc", "plcc", "accuracy")
# As the paper computes, whatever the processor would choose.
_PRECISION = ("--precision", "float32")


@dataclass(frozen=True, slots=True)
class PaperNumbers:
    """Numbers that the paper reports on AVA's test photos; None where it reports none.

    Attributes:
        srcc: Spearman's correlation.
        plcc: Pearson's.
        accuracy: 0…1, of MOS > 5.
        decimals: that the paper prints of the accuracy in per cent.
        emd: the earth mover's distance between distributions of votes.
    """

    srcc: float | None = None
    plcc: float | None = None
    accuracy: float | None = None
    decimals: int = 2
    emd: float | None = None

    @property
    def ratio(self) -> float | None:
        """SRCC over accuracy, which tells whether a method knows the whole range of ratings (section 4.3)."""
        return None if self.srcc is None or self.accuracy is None else self.srcc / self.accuracy


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table.

    Attributes:
        label: as in the paper.
        kind: `head`, trained on stored features; `closed_form`, solved on them; `finetuned`, which `mlsp finetune` does; `cited`, others'
            numbers as the paper has them; `majority` and `size`, baselines.
        paper: its numbers.
        head: key of `mlsp.models.heads.HEADS`, or of `mlsp.training.CLOSED_FORMS`; empty for the rest.
        backbone: name of the network; empty where there is none.
        views: of the features.
        resize: of the photos, None for their own size.
        last_levels: so many of the levels, from the last; None for all.
        more_dropout: see `HeadSpec`.
        recipe: see `TrainSettings`.
        distribution: learn the votes, as NIMA does.
        levels: see `mlsp.training.HeadTrainer`; those of `last_levels` where the row has these.
        first: X of its 3FC; None for the paper's.
        column: channels of each column of Pool-3FC; None for the paper's.
    """

    label: str
    kind: Kind
    paper: PaperNumbers = PaperNumbers()
    head: str = ""
    backbone: str = ""
    views: ViewsName = "corners8"
    resize: tuple[int, int] | None = None
    last_levels: int | None = None
    more_dropout: bool = False
    recipe: str = "paper"
    distribution: bool = False
    levels: str = "all"
    first: int | None = None
    column: int | None = None

    @property
    def design(self) -> Row:
        """The same without what its table says of it."""
        return replace(self, label="", paper=PaperNumbers())

    @property
    def grid(self) -> Grid:
        """Of the features that it needs; heads in closed form read narrow ones."""
        return HEADS[self.head].grid if self.head in HEADS else 1

    @property
    def size(self) -> str:
        """Of the photos as `--resize` takes it; empty for their own."""
        return "" if self.resize is None else f"{self.resize[0]}x{self.resize[1]}"

    def extract_options(self, grid: str) -> list[str]:
        """Return the options of `mlsp extract` for the row.

        Args:
            grid: as `--grid` takes it; more than the row's own where others read the same file.
        """
        options = ["--backbone", self.backbone, "--grid", grid, "--views", self.views]
        if self.size:
            options += ["--resize", self.size]
        return [*options, *_PRECISION]

    def finetune_options(self) -> list[str]:
        """Return the options of `mlsp finetune` for the row."""
        options = ["--backbone", self.backbone, "--head", self.head]
        if self.size:
            options += ["--resize", self.size]
        if self.last_levels is not None:
            options += ["--levels", f"last{self.last_levels}"]
        for is_on, option in (
            (self.more_dropout, "--more-dropout"),
            (self.distribution, "--distribution"),
            (self.views == "whole", "--no-augment"),
        ):
            options += [option] * is_on
        return [*options, *_PRECISION]


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
        numbers: by `METRICS`, and `emd` where votes are predicted; those that a row does not have are left out.
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
        result: None where it did not run; of several seeds that of the first.
        reason: why not.
        repeats: results of all seeds, where there are several.
    """

    row: Row
    result: Result | None = None
    reason: str = ""
    repeats: tuple[Result, ...] = ()

    @property
    def note(self) -> str:
        """How it came out, and why it has no SRCC; or why it did not run."""
        if self.result is None:
            return self.reason
        srcc = self.result.numbers.get("srcc")
        if srcc is not None and math.isnan(srcc.value):
            return f"{self.result.how}; no SRCC, as all test photos have the same value"
        return self.result.how

    def spread(self, metric: str) -> tuple[float, float] | None:
        """Return the mean and the standard deviation of a metric over the seeds; None of a row without repeats."""
        values = [one.numbers[metric].value for one in self.repeats if metric in one.numbers]
        if len(values) < 2:
            return None
        return statistics.fmean(values), statistics.stdev(values)


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
