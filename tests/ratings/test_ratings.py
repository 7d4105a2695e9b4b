"""Rating tables: what they refuse, and what they give."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from mlsp.base.errors import RatingsError
from mlsp.base.text import listed
from mlsp.ratings.table import (
    Rating,
    RatingTable,
    fault_of,
    mean_of_votes,
    missing_photos,
    require_photos,
    with_photos,
)
from refusals import message

A = Rating(Path("p/a.jpg"), "a.jpg", 2.0, "train", "one", (1, 2, 1))
B = Rating(Path("p/b.jpg"), "b.jpg", 3.0, "test", "two", (0, 0, 5))
BINS = (1.0, 2.0, 3.0)


def table(*ratings: Rating, bins: tuple[float, ...] | None = BINS) -> RatingTable:
    return RatingTable("T", 1, 3, ratings, bins)


def test_columns_come_in_the_order_of_the_table() -> None:
    rated = table(B, A)
    assert rated.mos.tolist() == [3, 2]
    assert rated.photo_ids == ("b.jpg", "a.jpg")
    assert rated.photos == (Path("p/b.jpg"), Path("p/a.jpg"))
    assert rated.votes.tolist() == [[0, 0, 5], [1, 2, 1]]
    assert len(rated) == 2
    assert [rating.group for rating in rated] == ["two", "one"]


def test_rows_are_selected_with_their_further_columns() -> None:
    whole = RatingTable("T", 1, 3, (A, B), BINS, {"theme": ("dog", "cat")})
    part = whole.select([1])
    assert part == RatingTable("T", 1, 3, (B,), BINS, {"theme": ("cat",)})


def test_a_table_of_means_has_no_votes() -> None:
    means = table(replace(A, votes=None), bins=None)
    assert message(RatingsError, lambda: means.votes) == (
        "T has mean ratings only: give a table with the votes for each value, in columns votes_1, votes_2 and so on"
    )


def test_photos_that_come_twice_are_named() -> None:
    assert message(RatingsError, lambda: table(A, B, A)) == (
        "T rates 'a.jpg' more than once: keep one rating a photo"
    )
    accents = [replace(A, photo_id=name) for name in ("caf\u00e9.jpg", "cafe\u0301.jpg")]
    assert message(RatingsError, lambda: table(*accents)).startswith(
        "T rates 'caf\u00e9.jpg' more than once"
    )


@pytest.mark.parametrize(
    ("rating", "fault"),
    [
        (replace(A, mos=4), "has rating 4, expected 1 to 3"),
        (replace(A, mos=math.nan), "has rating nan, expected 1 to 3"),
        (replace(A, split="training"), "has split 'training', expected train, validation, test"),
        (replace(A, votes=None), "has no votes, but the table has bins"),
        (replace(A, votes=(1, 2)), "has votes for 2 bins, expected 3"),
        (
            replace(A, votes=(0, 0, 0)),
            "has the votes 0, 0, 0, expected numbers from 0, not all of them 0",
        ),
        (
            replace(A, votes=(-1, 2, 1)),
            "has the votes -1, 2, 1, expected numbers from 0, not all of them 0",
        ),
        (
            replace(A, votes=(math.nan, 2, 1)),
            "has the votes nan, 2, 1, expected numbers from 0, not all of them 0",
        ),
        (
            replace(A, votes=(1, math.inf, 1)),
            "has the votes 1, inf, 1, expected numbers from 0, not all of them 0",
        ),
        (replace(A, mos=2.03), "has rating 2.03, but the mean of its votes is 2"),
    ],
)
def test_faults_of_a_rating(rating: Rating, fault: str) -> None:
    assert fault_of(rating, 1, 3, BINS) == fault
    assert message(RatingsError, lambda: table(B, rating)) == f"T: a.jpg {fault}: correct the table"


def test_votes_need_bins() -> None:
    assert fault_of(A, 1, 3, None) == "has votes, but the table has no bins"


def test_a_mean_may_be_rounded() -> None:
    assert fault_of(replace(A, mos=2.019), 1, 3, BINS) is None


@pytest.mark.parametrize("bins", [(1.0,), (2.0, 1.0, 3.0), (1.0, 1.0, 3.0), (1.0, math.nan, 3.0)])
def test_bins_ascend(bins: tuple[float, ...]) -> None:
    assert message(RatingsError, lambda: table(A, bins=bins)) == (
        f"T: the bins are {bins}, expected two or more, ascending"
    )


@pytest.mark.parametrize(("lowest", "highest"), [(3, 3), (3, 1), (1, math.inf), (math.nan, 3)])
def test_the_scale_has_two_ends(lowest: float, highest: float) -> None:
    assert message(RatingsError, lambda: RatingTable("T", lowest, highest, (A,), BINS)) == (
        f"T: the scale is {lowest:g} to {highest:g}, expected two numbers, the lower first"
    )


def test_further_columns_have_one_text_a_photo() -> None:
    assert message(
        RatingsError, lambda: RatingTable("T", 1, 3, (A, B), BINS, {"theme": ("dog",)})
    ) == ("T: column 'theme' has 1 rows, expected one per photo: 2")


def test_missing_photos_are_named(tmp_path: Path) -> None:
    there = tmp_path / "there.jpg"
    there.touch()
    names = [f"{number}.jpg" for number in range(12)]
    ratings = [Rating(tmp_path / name, name, 2.0) for name in names]
    rated = table(Rating(there, "there.jpg", 2.0), *ratings, bins=None)
    assert missing_photos(rated) == tuple(ratings)
    first = ", ".join(f"'{tmp_path / name}'" for name in names[:10])
    assert message(RatingsError, lambda: require_photos(rated)) == (
        f"T: 12 of 13 photos are missing: {first} and 2 more: give the folder that holds the photos"
    )
    assert require_photos(rated.select([0])).photo_ids == ("there.jpg",)


def test_a_photo_whose_accents_are_spelled_in_another_way_is_there(tmp_path: Path) -> None:
    (tmp_path / unicodedata.normalize("NFD", "müde.jpg")).touch()
    rating = Rating(tmp_path / "müde.jpg", "müde.jpg", 2.0)
    rated = table(rating, Rating(tmp_path / "no.jpg", "no.jpg", 2.0), bins=None)
    assert [one.photo_id for one in missing_photos(rated)] == ["no.jpg"]
    assert with_photos(rated).ratings == (rating,)


def test_names_for_messages() -> None:
    assert listed("abcdefghij") == "'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'"
    assert listed("abcdefghijk") == f"{listed('abcdefghij')} and 1 more"


def test_no_votes_have_no_mean() -> None:
    assert math.isnan(mean_of_votes([0, 0], [1, 2]))
