"""Which claims of the paper hold, by made-up results; and folds, in which each photo is a test photo once."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlsp.base.errors import SettingsError
from mlsp.paper import CLAIMS, EXPERIMENTS, Outcome, PairResult, Result, check_claims
from mlsp.paper.folds import fold_splits
from mlsp.ratings.splits import SplitSettings
from mlsp.ratings.table import Rating, RatingTable

PHOTOS = 120
ROWS = {row.label: row for row in EXPERIMENTS["claims"].rows(None, lambda _name: 11)}


def result(noise: float, seed: int, photos: range = range(PHOTOS)) -> Result:
    """Scores that differ from ratings by noise."""
    mos = np.random.default_rng(0).normal(size=PHOTOS)
    scores = mos + noise * np.random.default_rng(seed).normal(size=PHOTOS)
    return Result(
        "made up",
        math.nan,
        {},
        tuple(f"{number}.jpg" for number in photos),
        tuple(mos[list(photos)].tolist()),
        tuple(scores[list(photos)].tolist()),
        0,
    )


def outcomes(**results: Result) -> list[Outcome]:
    """Of all rows; those that have a result are given by their head and whether they are wide."""
    labels = {"three": "Single-3FC", "one": "Single-1FC", "multi": "Multi-3FC"}
    given = {labels[name]: one for name, one in results.items()}
    return [Outcome(row, given.get(row.label)) for row in ROWS.values()]


def pair(tested: tuple[PairResult, ...], better: str, worse: str) -> PairResult:
    (found,) = (one for one in tested if (one.better, one.worse) == (better, worse))
    return found


def test_every_pair_has_its_rows_and_every_row_its_own_design() -> None:
    labels = {label for claim in CLAIMS for both in claim.pairs for label in both}
    assert labels <= set(ROWS)
    assert set(ROWS) - labels == {"Single-3FC (+do)"}
    assert len({replace(row, label="") for row in ROWS.values()}) == len(ROWS)


def test_what_is_clearly_better_and_clearly_worse() -> None:
    tested = check_claims(outcomes(three=result(0.2, 1), one=result(1.5, 2)))
    found = pair(tested, "Single-3FC", "Single-1FC")
    assert found.verdict == "holds"
    assert found.photos == PHOTOS
    assert found.difference == pytest.approx(found.first - found.second)
    assert 0 < found.low < found.difference < found.high
    turned = check_claims(outcomes(three=result(1.5, 1), one=result(0.2, 2)))
    assert pair(turned, "Single-3FC", "Single-1FC").verdict == "contrary"


def test_as_good_is_no_worse_than_by_two_hundredths() -> None:
    def verdict(three: Result, multi: Result) -> str:
        tested = check_claims(outcomes(three=three, multi=multi))
        return pair(tested, "Single-3FC", "Multi-3FC").verdict

    same = result(0.2, 1)
    assert verdict(same, same) == "holds"
    assert verdict(result(0.2, 1), result(0.5, 2)) == "holds"
    assert verdict(result(1.5, 1), result(0.2, 2)) == "contrary"
    # Both are bad, in ways of their own: 120 photos do not tell which is better.
    assert verdict(result(1.5, 1), result(1.5, 2)) == "open"


def test_only_photos_of_both_rows_count() -> None:
    tested = check_claims(
        outcomes(three=result(0.2, 1, range(40)), one=result(1.5, 2, range(20, PHOTOS)))
    )
    assert pair(tested, "Single-3FC", "Single-1FC").photos == 20
    few = check_claims(
        outcomes(three=result(0.2, 1, range(40)), one=result(1.5, 2, range(35, PHOTOS)))
    )
    found = pair(few, "Single-3FC", "Single-1FC")
    assert (found.verdict, math.isnan(found.difference)) == ("not tested: 5 photos in both", True)
    lacking = pair(few, "Ridge", "Ridge (5)")
    assert lacking.verdict == "not tested: no result of Ridge and Ridge (5)"


def test_whole_groups_are_drawn_where_they_are_given() -> None:
    rows = outcomes(three=result(0.5, 1), one=result(0.7, 2))
    # Four groups tell far less than 120 photos.
    groups = {f"{number}.jpg": f"g{number % 4}" for number in range(PHOTOS)}
    alone, grouped = (
        pair(check_claims(rows, given), "Single-3FC", "Single-1FC") for given in (None, groups)
    )
    assert alone.difference == grouped.difference
    assert (alone.low, alone.high) != (grouped.low, grouped.high)


def table(groups: list[str]) -> RatingTable:
    ratings = tuple(
        Rating(Path(f"{number}.jpg"), f"{number}.jpg", 1 + number % 9, group=group)
        for number, group in enumerate(groups)
    )
    return RatingTable("made up", 1, 10, ratings)


@pytest.mark.parametrize("by", ["random", "group"])
def test_each_photo_is_tested_once_and_groups_stay_together(by: str) -> None:
    groups = [f"g{number // 4}" if number < 80 else "" for number in range(103)]
    splits = fold_splits(table(groups), SplitSettings(by, 0.1), 4)  # type: ignore[arg-type]
    tests = np.concatenate([split.test for split in splits])
    assert sorted(tests.tolist()) == list(range(103))
    assert max(len(split.test) for split in splits) - min(len(split.test) for split in splits) <= 4
    names = [group or f"alone {number}" for number, group in enumerate(groups)]
    for split in splits:
        parts = (split.train, split.validation, split.test)
        assert sorted(np.concatenate(parts).tolist()) == list(range(103))
        assert 7 <= len(split.validation) <= 10
        if by == "group":
            train, validation, test = ({names[row] for row in part} for part in parts)
            assert not train & validation
            assert not (train | validation) & test
    again = fold_splits(table(groups), SplitSettings(by, 0.1), 4)  # type: ignore[arg-type]
    other = fold_splits(table(groups), SplitSettings(by, 0.1, seed=1), 4)  # type: ignore[arg-type]
    np.testing.assert_array_equal(splits[0].test, again[0].test)
    assert splits[0].test.tolist() != other[0].test.tolist()


def test_too_few_groups_for_the_folds() -> None:
    with pytest.raises(SettingsError) as caught:
        fold_splits(table(["a", "a", "b", "b"]), SplitSettings("group"), 2)
    assert str(caught.value) == (
        "made up has 2 groups, and 2 folds were asked for: expected at least 2 folds, and 3 groups"
    )
