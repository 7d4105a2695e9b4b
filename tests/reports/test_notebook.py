from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

import mlsp
from mlsp.base.errors import MissingExtraError, UnreadablePhotoError
from mlsp.base.results import ScoreFailure
from mlsp.reports.notebook import to_dataframe
from mlsp.scoring.results import Score, ScoreResult

RESULTS: list[ScoreResult | ScoreFailure] = [
    ScoreResult(Path("a.jpg"), {"quality": Score(0.123456, 50.0)}, 4000, 3000),
    ScoreFailure(Path("b.jpg"), UnreadablePhotoError("the file is empty")),
    ScoreResult(Path("a.jpg"), {"quality": Score(0.5, math.nan, 40.0)}, 40, 30),
]


def test_one_row_per_photo_with_the_columns_of_a_report() -> None:
    frame = to_dataframe(iter(RESULTS))
    assert list(frame.columns) == [
        "photo",
        "overall",
        "quality",
        "quality_percentile",
        "width",
        "height",
        "error",
    ]
    assert frame["photo"].tolist() == ["a.jpg", "b.jpg", "a.jpg"]
    assert frame["error"].tolist() == [None, "the file is empty", None]
    assert frame.loc[0, "quality"] == 0.123456
    assert frame.loc[2, "overall"] == 40
    assert math.isnan(frame.loc[2, "quality_percentile"])
    assert frame.loc[1].isna().tolist() == [False, True, True, True, True, True, False]
    assert frame["width"].dtype == "Int64"
    assert frame["height"].dropna().tolist() == [3000, 30]
    scored = frame[frame["error"].isna()]
    assert scored.sort_values("overall").index.tolist() == [2, 0]


def test_no_results_and_only_failures() -> None:
    assert to_dataframe([]).empty
    frame = to_dataframe(RESULTS[1:2])
    assert frame.loc[0, "error"] == "the file is empty"
    assert frame["width"].isna().all()


def test_without_pandas_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError) as caught:
        to_dataframe(RESULTS)
    assert caught.value.extra == "research"


def test_it_is_public() -> None:
    assert mlsp.to_dataframe is to_dataframe
