"""Predictions from stored features as a file: one row per photo, its name, one column per head and one per share of votes, unrounded, and the model's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlsp.reports.formats import write_table, writing
from mlsp.reports.rows import Column, Table

if TYPE_CHECKING:
    from mlsp.scoring.predictor import Predicted


def vote_column(head: str, bin_: float) -> str:
    """Return the name of the column with a head's share of the votes for a rating."""
    return f"{head}_votes_{bin_:g}"


def write_predictions(
    path: Path,
    predicted: Sequence[Predicted],
    *,
    column: Literal["photo", "row"],
    model_name: str,
    heads: Sequence[str],
    bins: Mapping[str, Sequence[float]] | None = None,
) -> None:
    """Write predictions; the file is replaced whole or stays as it was.

    Args:
        path: its ending is one of `mlsp.reports.TABLE_SUFFIXES`.
        predicted: in the order of the file.
        column: whether rows have the photo's name or their number.
        model_name: name of the model; a file of predictions is known by its last column, which has it.
        heads: names of the model's heads, in the model's order.
        bins: ratings whose shares of the votes are there, by the head's name; their columns are called `HEAD_votes_RATING`.

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: .parquet without pyarrow.
    """
    is_name = column == "photo"
    source = Column(column, "string" if is_name else "int64", is_name=is_name)
    bins = bins or {}
    names = [*heads, *(vote_column(head, value) for head in bins for value in bins[head])]
    numbers = [Column(name, "double", "{:.7g}".format) for name in names]
    rows = (
        (
            one.source,
            *(one.scores[head] for head in heads),
            *(share for head in bins for share in one.votes[head]),
            model_name,
        )
        for one in predicted
    )
    with writing(path, "the predictions"):
        write_table(path, Table((source, *numbers, Column("model")), rows))
