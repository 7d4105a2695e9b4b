"""Results as a table: named columns and rows of cells, which every table format writes."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mlsp.base.errors import SettingsError
from mlsp.base.text import printable

if TYPE_CHECKING:
    from mlsp.models.records import ClassifierRecord
    from mlsp.photos.camera_data import CameraData
    from mlsp.scoring.results import ScoreResult

Cell: TypeAlias = str | float | int | tuple[str, ...]


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


def camera_facts(about: CameraData) -> dict[str, Any] | None:
    """Return what a page shows of a shot's camera data, for JSON; None where there is none of it."""
    texts = {"model": about.camera, "lens": about.lens}
    facts = {
        **{name: text and printable(text) for name, text in texts.items()},
        "seconds": about.exposure_seconds and float(f"{about.exposure_seconds:.3g}"),
        "aperture": about.aperture and round(about.aperture, 1),
        "iso": about.iso and round(about.iso),
        "focal_length": about.focal_length and round(about.focal_length, 1),
    }
    return facts if any(facts.values()) else None


def label_meanings(classifiers: Iterable[ClassifierRecord]) -> dict[str, str]:
    """Return what labels mean, by their names, for a page."""
    return {label.name: label.meaning for one in classifiers for label in one.labels}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: its heading.
        type: type of its cells in Arrow; `strings` for a list of them.
        text: cell -> text, as CSV and the terminal show it.
        is_name: whether its cells are names of files.
    """

    name: str
    type: Literal["string", "int32", "int64", "double", "strings"] = "string"
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


# Names of a photo's column: in reports, of predictions from an .npz, of data sets that version 0.1 began.
_PHOTO_COLUMNS = ("photo", "row", "id")
# A name may have one, but no camera's or editor's does; what has no such sign at all is no longer text for people.
_BETWEEN_FILES = "|"
_PERCENT = partial(rounded, decimals=1)
_SCORE = partial(rounded, decimals=4)


_PROBABILITY = partial(rounded, decimals=3)


_LABEL_COLUMNS = {"kind": Column("kind"), "faults": Column("faults", "strings", " ".join)}


@dataclass(frozen=True, slots=True)
class ReportModel:
    """The model that made the scores of a report.

    Attributes:
        name: its name.
        heads: names of its heads, in the model's order.
        classifiers: those whose faults and kinds are in the report.
    """

    name: str
    heads: Sequence[str]
    classifiers: Sequence[ClassifierRecord] = ()


def label_columns(classifiers: Sequence[ClassifierRecord]) -> tuple[str, ...]:
    """Return which of `kind` and `faults` a model finds: names of columns, and attributes of results."""
    names = {classifier.name for classifier in classifiers}
    columns = {"kinds": "kind", "faults": "faults"}
    return tuple(column for name, column in columns.items() if name in names)


def report_columns(model: ReportModel, *, every: bool = False) -> tuple[Column, ...]:
    """Return the columns of a report.

    Args:
        model: whose.
        every: also each head's percentile among rated photos of all kinds, and the probability of each fault and kind.

    Returns:
        Photo; overall, the mean of the percentiles, 0…100; each head's score and its percentile; kind and faults, where the model has such
        classifiers; width and height of the upright photo in pixels; the names of all files of its shot, itself first, with `|` between
        them; the model's name.

    Raises:
        SettingsError: a head's name makes a column that there is already.
    """
    scores: list[Column] = []
    for head in model.heads:
        scores += [Column(head, "double", _SCORE), Column(f"{head}_percentile", "double", _PERCENT)]
        if every:
            scores.append(Column(f"{head}_percentile_all", "double", _PERCENT))
    labels = [
        Column(f"{label.name}_probability", "double", _PROBABILITY)
        for classifier in model.classifiers
        for label in classifier.labels
    ]
    found = (
        Column("photo", is_name=True),
        Column("overall", "double", _PERCENT),
        *scores,
        *(_LABEL_COLUMNS[name] for name in label_columns(model.classifiers)),
        *(labels if every else ()),
        Column("width", "int32"),
        Column("height", "int32"),
        Column("files", is_name=True),
        Column("model"),
    )
    columns = [column.name for column in found]
    for name in columns:
        if columns.count(name) > 1:
            raise SettingsError(
                f"heads {list(model.heads)} make two report columns {name!r}: rename a head"
            )
    return found


def columns(heads: Sequence[str], classifiers: Sequence[ClassifierRecord] = ()) -> tuple[str, ...]:
    """Return the names of `report_columns`; see there for arguments and errors.

    Examples:
        >>> columns(["quality"])
        ('photo', 'overall', 'quality', 'quality_percentile', 'width', 'height', 'files', 'model')
    """
    return tuple(column.name for column in report_columns(ReportModel("", heads, classifiers)))


def is_report(names: Sequence[str]) -> bool:
    """Return whether columns of these names are those of a report, of rows of a data set or of predictions, of whatever model.

    Examples:
        >>> is_report(columns(["quality"])), is_report(["photo", "quality"])
        (True, False)
    """
    if not names or names[0] not in _PHOTO_COLUMNS or "model" not in names:
        return False
    return "overall" in names or names[-1] == "model"


def report_row(result: ScoreResult, model: ReportModel, *, every: bool = False) -> tuple[Cell, ...]:
    """Return a result's cells, in the order of `report_columns`."""
    cells: list[Cell] = [os.fspath(result.source), result.overall]
    for head in model.heads:
        score = result.scores[head]
        cells += [score.value, result.percentile(head)]
        if every:
            cells.append(score.percentile_all)
    cells += [
        result.faults if name == "faults" else result.kind or ""
        for name in label_columns(model.classifiers)
    ]
    if every:
        probabilities = {**result.fault_probabilities, **result.kind_probabilities}
        cells += [
            probabilities.get(label.name, math.nan)
            for classifier in model.classifiers
            for label in classifier.labels
        ]
    files = _BETWEEN_FILES.join(file.name for file in result.files or (result.source,))
    return (*cells, result.width, result.height, files, model.name)


def report_table(
    scored: Iterable[ScoreResult], model: ReportModel, *, every: bool = False
) -> Table:
    """Return results as a table, in their order; for arguments and errors see `report_columns`."""
    rows = (report_row(result, model, every=every) for result in scored)
    return Table(report_columns(model, every=every), rows, {"mlsp.model": model.name})
