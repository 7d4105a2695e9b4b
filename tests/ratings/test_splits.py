"""Splits of rating tables: given, random and by group; nothing that is tested was learned from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsp.base.errors import RatingsError, SettingsError
from mlsp.paper.folds import fold_splits
from mlsp.ratings.datasets import load_ratings
from mlsp.ratings.splits import (
    By,
    Split,
    SplitSettings,
    check_overlap,
    restrict_split,
    split_ratings,
    split_rows,
)
from mlsp.ratings.table import Rating, RatingTable
from refusals import message


def table(splits: Sequence[str | None] = (), groups: Sequence[str] = ()) -> RatingTable:
    count = len(splits) or len(groups)
    ratings = (
        Rating(
            Path(f"{row}.jpg"),
            f"{row}.jpg",
            0.5,
            splits[row] if splits else None,
            groups[row] if groups else "",
        )
        for row in range(count)
    )
    return RatingTable("T", 0, 1, tuple(ratings))


def parts(split: Split) -> list[list[int]]:
    return [split.train.tolist(), split.validation.tolist(), split.test.tolist()]


def whole(split: Split) -> list[int]:
    return sorted(np.concatenate([split.train, split.validation, split.test]).tolist())


def a_split(train: list[int], validation: list[int], test: list[int]) -> Split:
    return Split(*(np.array(rows, dtype=np.intp) for rows in (train, validation, test)))


def test_a_given_split_is_taken_as_it_is() -> None:
    rated = table(["test", "train", "validation", "train"])
    assert parts(split_rows(rated)) == [[1, 3], [2], [0]]
    train, validation, test = split_ratings(rated)
    assert validation is not None
    assert test is not None
    assert [part.photo_ids for part in (train, validation, test)] == [
        tuple(rated.photo_ids[row] for row in rows) for rows in ([1, 3], [2], [0])
    ]


def test_tables_of_a_split_follow_its_settings() -> None:
    rated = table(groups=[""] * 20)
    whole_table = split_ratings(rated, by="random", validation_share=0, test_share=0)
    assert (whole_table.train.photo_ids, whole_table.validation, whole_table.test) == (
        rated.photo_ids,
        None,
        None,
    )
    settings = SplitSettings("random", 0.2, 0.3, seed=4)
    split = split_rows(rated, settings)
    tables = split_ratings(rated, by="random", validation_share=0.2, test_share=0.3, seed=4)
    for rows, part in zip(split.parts, tables, strict=True):
        assert part is not None
        assert part.photo_ids == rated.select(rows).photo_ids


def test_validation_photos_are_taken_out_of_the_given_train_photos() -> None:
    rated = table(["train"] * 40 + ["test"] * 10)
    split = split_rows(rated)
    assert (len(split.train), len(split.validation)) == (38, 2)
    assert split.test.tolist() == list(range(40, 50))
    assert whole(split) == list(range(50))
    assert parts(split_rows(rated)) == parts(split)
    other = split_rows(rated, SplitSettings(seed=1))
    assert other.validation.tolist() != split.validation.tolist()
    none = split_rows(rated, SplitSettings(validation_share=0))
    assert parts(none) == [list(range(40)), [], list(range(40, 50))]


def test_a_split_that_is_not_given() -> None:
    assert message(RatingsError, lambda: split_rows(table(groups=["", ""]))) == (
        "T has no split: add a column split with train, validation and test, or split by random or group"
    )
    assert message(RatingsError, lambda: split_rows(table(["train", None, "test"]))) == (
        "T: 1 of 3 photos have no split: '1.jpg': complete the column"
    )
    assert message(RatingsError, lambda: split_rows(table(["test", "test"]))) == (
        "T names no train photos: nothing is left to learn from"
    )


def test_a_random_split_has_the_shares_and_repeats() -> None:
    rated = table(groups=[""] * 100)
    settings = SplitSettings(by="random", validation_share=0.1, test_share=0.3, seed=5)
    split = split_rows(rated, settings)
    assert [len(part) for part in parts(split)] == [60, 10, 30]
    assert whole(split) == list(range(100))
    assert parts(split_rows(rated, settings)) == parts(split)
    # Drawn, not cut off at an end.
    assert split.test.tolist() not in (list(range(30)), list(range(70, 100)))


def test_a_random_split_needs_photos() -> None:
    assert message(
        RatingsError, lambda: split_rows(table(groups=["", ""]), SplitSettings(by="random"))
    ) == ("T has 2 photos, expected at least one for each part of the split: rate more")


@given(
    st.lists(st.sampled_from(["", "a", "b", "c", "d", "e"]), min_size=8, max_size=60),
    st.integers(0, 5),
)
def test_groups_stay_together(groups: list[str], seed: int) -> None:
    rated = table(groups=groups)
    different = len({group for group in groups if group}) + groups.count("")
    settings = SplitSettings(by="group", seed=seed)
    if not any(groups):
        assert "no photo has a group" in message(RatingsError, lambda: split_rows(rated, settings))
        return
    if different < 3:
        assert message(RatingsError, lambda: split_rows(rated, settings)) == (
            f"T has {different} groups, expected at least 3, one for each part of the split: split by random"
        )
        return
    split = split_rows(rated, settings)
    assert whole(split) == list(range(len(groups)))
    assert all(parts(split))
    named = [{groups[row] for row in part} - {""} for part in parts(split)]
    assert sum(map(len, named)) == len(set.union(*named))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"seed": -1}, "seed .* from 0, got -1"),
        ({"seed": 1.5}, r"seed .*whole number.*got 1\.5"),
        ({"seed": None}, "seed .*got None"),
        ({"by": None}, "None.*'given'"),
        ({"test_share": "0.2"}, r"test_share must be a number, got '0\.2'"),
    ],
)
def test_settings_of_another_type_or_range(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        SplitSettings(**settings)


def test_a_split_by_group_of_photos_without_groups_is_refused() -> None:
    rated = replace(table(groups=[""] * 20), extra={"theme": ("beach",) * 20})
    settings = SplitSettings(by="group")
    for split in (lambda: split_rows(rated, settings), lambda: fold_splits(rated, settings, 3)):
        assert message(RatingsError, split) == (
            "T: no photo has a group: add a column group, name another column ('theme') by --group, or split by random"
        )


def test_a_split_by_group_comes_near_the_shares() -> None:
    rated = table(groups=[f"g{row % 50}" for row in range(1000)])
    split = split_rows(rated, SplitSettings(by="group", validation_share=0.1, test_share=0.2))
    assert [len(part) for part in parts(split)] == [700, 100, 200]


@pytest.mark.parametrize(
    ("by", "validation", "test", "fault"),
    [
        (
            "groups",
            0.1,
            0.1,
            "unknown way to split 'groups': did you mean 'group'? Known: 'given', 'group', 'random'",
        ),
        ("random", -0.1, 0.1, "validation_share is -0.1, expected 0 to below 1"),
        ("random", 0.1, 1.0, "test_share is 1, expected 0 to below 1"),
        (
            "random",
            0.5,
            0.5,
            "validation_share and test_share are 0.5 and 0.5, expected less than 1 together: something must be left to learn from",
        ),
    ],
)
def test_settings_are_checked(by: By, validation: float, test: float, fault: str) -> None:
    found = message(
        SettingsError,
        lambda: SplitSettings(by=by, validation_share=validation, test_share=test),
    )
    assert found == fault


def test_photos_on_both_sides_are_named() -> None:
    rated = table(groups=[""] * 4)
    check_overlap(rated, a_split([0, 1], [2], [3]))
    assert message(RatingsError, lambda: check_overlap(rated, a_split([0, 1], [2], [2, 3, 0]))) == (
        "T: 2 of 3 test photos are learned from too: '2.jpg', '0.jpg': take them out of the test, or give them one group and split by group"
    )


def test_equal_files_are_named() -> None:
    rated = table(groups=[""] * 4)
    split = a_split([0, 1], [2], [3])
    check_overlap(rated, split, contents=["a", "a", "b", "c"])
    assert message(
        RatingsError, lambda: check_overlap(rated, split, contents=["a", "c", "b", "c"])
    ) == (
        "T: 1 of 1 test photos are the same files as photos that are learned from: '3.jpg (1.jpg)':"
        " take them out of the test, or give them one group and split by group"
    )


def test_photos_that_look_alike_are_named_with_the_nearest() -> None:
    rated = table(groups=[""] * 5)
    split = a_split([0, 1], [2], [3, 4])
    # 4 is near none that is learned from, though its group has one: by way of 3.
    hashes = np.array([0x1F, 0, 0xFFFF_0000, 1, 0x7E01], dtype=np.uint64)
    check_overlap(rated, split)
    assert message(RatingsError, lambda: check_overlap(rated, split, hashes=hashes)) == (
        "T: 1 of 2 test photos look like photos that are learned from: '3.jpg (1.jpg)':"
        " take them out of the test, or give them one group and split by group"
    )


def test_only_ten_are_named() -> None:
    rated = table(groups=[""] * 24)
    split = a_split(list(range(12)), [], list(range(12, 24)))
    found = message(
        RatingsError, lambda: check_overlap(rated, split, hashes=np.zeros(24, dtype=np.uint64))
    )
    named = ", ".join(f"'{row}.jpg (0.jpg)'" for row in range(12, 22))
    assert found == (
        f"T: 12 of 12 test photos look like photos that are learned from: {named} and 2 more:"
        " take them out of the test, or give them one group and split by group"
    )


def test_hashes_are_one_a_photo() -> None:
    rated = table(groups=[""] * 3)
    for given_hashes in ({"contents": ["a"]}, {"hashes": np.zeros(1, dtype=np.uint64)}):
        found = message(
            SettingsError,
            lambda given_hashes=given_hashes: check_overlap(  # type: ignore[misc]
                rated, a_split([0], [1], [2]), **given_hashes
            ),
        )
        (name,) = given_hashes
        assert re.search(f"^{name}: got 1, .*: 3$", found)


def test_a_split_of_some_photos_numbers_them_anew() -> None:
    split = a_split([0, 3, 4], [1], [2, 5])
    assert parts(restrict_split(split, np.array([5, 4, 1, 0]))) == [[1, 3], [2], [0]]


def test_themes_of_the_reference_photos_stay_together(reference_data: Path) -> None:
    rated = load_ratings(reference_data / "data" / "oasis" / "ratings.csv", group="theme")
    split = split_rows(rated, SplitSettings(by="group"))
    themes = [{rated.ratings[row].group for row in part} for part in parts(split)]
    assert sum(map(len, themes)) == len(set.union(*themes)) == len({r.group for r in rated})
    assert len(split.test) == pytest.approx(0.2 * len(rated), abs=2)
