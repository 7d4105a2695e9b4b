"""Results as a pandas data frame, for notebooks."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlsp.base.arguments import checked
from mlsp.base.errors import MissingExtraError
from mlsp.models.records import ClassifierRecord
from mlsp.reports.rows import ReportModel, columns, report_row

if TYPE_CHECKING:
    from pandas import DataFrame

    from mlsp.base.results import ScoreFailure
    from mlsp.scoring.results import ScoreResult


@checked
def to_dataframe(results: Iterable[ScoreResult | ScoreFailure]) -> DataFrame:
    """Return results as a data frame, one row per photo, in the order of the results.

    Args:
        results: what `Scorer.score` yields, of one model.

    Returns:
        The columns of a CSV report, unrounded, but for `files` and `model`: `photo`, `overall`, each head's score and its percentile, `kind` and
        `faults` (a tuple) where the model finds them, `width` and `height`. The last column, `error`, has the message of a photo that could not
        be scored, whose other columns but
        `photo` are empty; else None.

    Raises:
        MissingExtraError: pandas is not installed.
        SettingsError: a head has the name of another column.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtraError("A data frame", "research") from error
    found = list(results)
    heads = list(dict.fromkeys(head for one in found if one.ok for head in one.scores))
    model = ReportModel("", heads, _classifiers(one for one in found if one.ok))
    names = columns(heads, model.classifiers)[:-2]

    def row(one: ScoreResult) -> dict[str, Any]:
        cells = report_row(one, model)
        return dict(zip(names, cells[:-2], strict=True))

    rows: list[dict[str, Any]] = [
        row(one) if one.ok else {"photo": os.fspath(one.source)} for one in found
    ]
    # Nullable integers, because whole numbers beside missing ones would become floats.
    frame = pd.DataFrame(rows, columns=names).astype({"width": "Int64", "height": "Int64"})
    errors = [None if one.ok else str(one.error) for one in found]
    return frame.assign(error=pd.Series(errors, dtype=object))


def _classifiers(results: Iterable[ScoreResult]) -> list[ClassifierRecord]:
    """Return what classifiers the results' model has, whose labels nobody asks for here."""
    found = list(results)
    has_kinds = any(one.kind_probabilities for one in found)
    has_faults = any(one.fault_probabilities for one in found)
    kinds, faults = (ClassifierRecord(name, "", "", ()) for name in ("kinds", "faults"))
    return [kinds] * has_kinds + [faults] * has_faults
