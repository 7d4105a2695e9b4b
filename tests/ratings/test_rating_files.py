"""Rating tables in CSV and parquet files."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from mlsp.base.errors import RatingsError
from mlsp.photos.files import read_bytes
from mlsp.ratings.datasets import load_ratings
from mlsp.ratings.files import read_ratings
from mlsp.ratings.table import Rating, RatingTable, missing_photos


def write(folder: Path, text: str, name: str = "ratings.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8-sig")
    return path


def message(path: Path, **options: float | str) -> str:
    with pytest.raises(RatingsError) as caught:
        read_ratings(path, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_table_of_means(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        'photo,mos,split,group,theme\nsub/a.jpg,2.5,train,g1,dog\n\n"b, c.jpg",4,test,,cat\n',
    )
    assert read_ratings(path, lowest=1, highest=5) == RatingTable(
        "ratings.csv",
        1,
        5,
        (
            Rating(tmp_path / "sub" / "a.jpg", "sub/a.jpg", 2.5, "train", "g1"),
            Rating(tmp_path / "b, c.jpg", "b, c.jpg", 4, "test", ""),
        ),
        None,
        {"theme": ("dog", "cat")},
    )


@pytest.mark.parametrize("photo", ["photo", "image", "image_name"])
@pytest.mark.parametrize("mos", ["mos", "MOS", "mean", "rating"])
def test_names_of_the_columns(tmp_path: Path, photo: str, mos: str) -> None:
    table = read_ratings(write(tmp_path, f"{mos},{photo}\n2,./a.jpg\n3,b.jpg\n"))
    assert table.photo_ids == ("a.jpg", "b.jpg")
    assert table.mos.tolist() == [2, 3]
    assert table.extra == {}


def test_votes_give_the_mean_and_the_scale(tmp_path: Path) -> None:
    path = write(tmp_path, "votes_3,image,votes_1,votes_2.5\n1,a.jpg,3,0\n0,b.jpg,0,2\n")
    table = read_ratings(path)
    assert (table.lowest, table.highest, table.bins) == (1, 3, (1, 2.5, 3))
    assert table.votes.tolist() == [[3, 0, 1], [0, 2, 0]]
    assert table.mos.tolist() == [1.5, 2.5]


def test_the_released_code_s_table_of_ava(tmp_path: Path) -> None:
    header = "1,2,3,4,5,6,7,8,9,10,MOS,height,image_name,set,width"
    votes = "0,1,5,17,38,36,15,6,5,1"
    path = write(
        tmp_path,
        f"{header}\n{votes},5.637,480,953619.jpg,training,640\n{votes},5.64,1,2.jpg,test,1\n",
    )
    table = read_ratings(path, photos=tmp_path / "images")
    assert table.bins == tuple(range(1, 11))
    assert [rating.split for rating in table] == ["train", "test"]
    assert table.photos[0] == tmp_path / "images" / "953619.jpg"
    assert table.votes[1].tolist() == [0, 1, 5, 17, 38, 36, 15, 6, 5, 1]
    assert table.extra == {"height": ("480", "1"), "width": ("640", "1")}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Training", "train"),
        ("train", "train"),
        ("val", "validation"),
        ("valid", "validation"),
        ("validation", "validation"),
        ("testing", "test"),
        (" test", "test"),
        ("", None),
    ],
)
def test_names_of_the_splits(tmp_path: Path, written: str, meant: str | None) -> None:
    path = write(tmp_path, f"photo,mos,set\na.jpg,1,{written}\n")
    assert read_ratings(path, lowest=0, highest=1).ratings[0].split == meant


def test_the_scale_of_means_is_rounded_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path, "photo,mos\na.jpg,1.8\nb.jpg,8.2\n")
    with caplog.at_level(logging.WARNING):
        table = read_ratings(path)
    assert (table.lowest, table.highest) == (1, 9)
    assert caplog.messages == [
        f"{path}: no scale was given: taking 1 to 9, from the lowest and the highest rating"
    ]
    caplog.clear()
    assert read_ratings(path, lowest=1, highest=10).highest == 10
    assert caplog.messages == []


def test_one_end_of_the_scale_may_be_given(tmp_path: Path) -> None:
    path = write(tmp_path, "photo,mos\na.jpg,1.8\nb.jpg,8.2\n")
    assert read_ratings(path, highest=10).lowest == 1
    votes = write(tmp_path, "photo,1,2\na.jpg,1,1\n", "v.csv")
    assert read_ratings(votes, highest=10).highest == 10


def test_any_column_can_be_the_group(tmp_path: Path) -> None:
    path = write(tmp_path, "photo,mos,theme\na.jpg,1,dog\nb.jpg,0,cat\n")
    table = read_ratings(path, group="theme")
    assert [rating.group for rating in table] == ["dog", "cat"]
    assert table.extra == {}
    assert message(path, group="theem") == (
        f"table {path} has no column 'theem': did you mean 'theme'? Name one of 'photo', 'mos', 'theme' by --group"
    )


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    path = tmp_path / "ratings.parquet"
    columns = {
        "image": ["a.jpg", "b.jpg"],
        "votes_1": [3, 0],
        "votes_2": [1, 4],
        "split": ["train", None],
        "group": ["g", None],
        "width": [640, None],
    }
    pyarrow.parquet.write_table(pa.table(columns), path)
    assert read_ratings(path) == RatingTable(
        "ratings.parquet",
        1,
        2,
        (
            Rating(tmp_path / "a.jpg", "a.jpg", 1.25, "train", "g", (3, 1)),
            Rating(tmp_path / "b.jpg", "b.jpg", 2.0, None, "", (0, 4)),
        ),
        (1, 2),
        {"width": ("640", "")},
    )


def test_a_bad_row_of_parquet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ratings.parquet"
    pyarrow.parquet.write_table(pa.table({"photo": ["a", "b"], "mos": [1.0, None]}), path)
    assert message(path) == f"table {path} row 2: expected a rating, got '': correct the table"


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("b.jpg,good,train", "expected a rating, got 'good': correct the table"),
        ("b.jpg,nan,train", "expected a rating, got 'nan': correct the table"),
        ("b.jpg,,train", "expected a rating, got '': correct the table"),
        ("b.jpg,6,train", "b.jpg has rating 6, expected 1 to 5: correct the table"),
        (
            "b.jpg,2,dev",
            "expected the split train, validation or test, got 'dev': correct the table",
        ),
        (",2,train", "names no photo, expected a path: complete the table"),
        ("b.jpg,2", "has 2 cells, expected 3 as in the header: correct the table"),
        ("b.jpg,2,train,", "has 4 cells, expected 3 as in the header: correct the table"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, row: str, fault: str) -> None:
    path = write(tmp_path, f"photo,mos,split\na.jpg,1,train\n{row}\n")
    assert message(path, lowest=1, highest=5) == f"table {path} line 3: {fault}"


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("a.jpg,1.5,1,x", "expected votes, got 'x': correct the table"),
        (
            "a.jpg,1.5,0,0",
            "a.jpg has the votes 0, 0, expected numbers from 0, not all of them 0: correct the table",
        ),
        (
            "a.jpg,1.6,1,1",
            "a.jpg has rating 1.6, but the mean of its votes is 1.5: correct the table",
        ),
    ],
)
def test_bad_votes_are_named(tmp_path: Path, row: str, fault: str) -> None:
    path = write(tmp_path, f"photo,mos,1,2\n{row}\n")
    assert message(path) == f"table {path} line 2: {fault}"


def test_duplicates_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, "photo,mos\na.jpg,1\nb.jpg,0\n./a.jpg,1\n")
    assert message(path) == ("ratings.csv rates 'a.jpg' more than once: keep one rating a photo")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "file,mos\na,1\n",
            "has the columns 'file', 'mos', expected one of 'photo', 'image', 'image_name' with the photos' paths",
        ),
        (
            "photo,score\na,1\n",
            "has the columns 'photo', 'score', expected one of 'mos', 'MOS', 'mean', 'rating', or votes in 'votes_1',"
            " 'votes_2' and so on",
        ),
        # One column named by a number is no histogram.
        (
            "photo,1\na,1\n",
            "has the columns 'photo', '1', expected one of 'mos', 'MOS', 'mean', 'rating', or votes in 'votes_1',"
            " 'votes_2' and so on",
        ),
        (
            "Photo,mos\na,1\n",
            "has the columns 'Photo', 'mos', expected one of 'photo', 'image', 'image_name' with the photos' paths: did you mean"
            " 'photo' by 'Photo'? Rename it",
        ),
        (
            "photo,Rating\na,1\n",
            "has the columns 'photo', 'Rating', expected one of 'mos', 'MOS', 'mean', 'rating', or votes in 'votes_1', 'votes_2' and"
            " so on: did you mean 'rating' by 'Rating'? Rename it",
        ),
        ("photo,mos,mos\na,1,1\n", "has column 'mos' more than once: rename one"),
        ("photo,mos\n", "has no rows: give a table with a row for each photo"),
        ("", "has no rows: give a table with a row for each photo"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str, fault: str) -> None:
    path = write(tmp_path, text)
    assert message(path) == f"table {path} {fault}"


def test_no_such_table(tmp_path: Path) -> None:
    assert message(tmp_path / "t.csv") == f"there is no table {tmp_path / 't.csv'}"
    assert message(tmp_path / "t.txt") == (
        f"table {tmp_path / 't.txt'} has an unknown ending, expected .csv or .parquet"
    )


def test_a_damaged_parquet_file(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 not really")
    start = re.escape(f"table {tmp_path / 't.parquet'} cannot be read: ")
    with pytest.raises(RatingsError, match=f"^{start}"):
        read_ratings(tmp_path / "t.parquet")


@pytest.mark.skipif(os.name != "posix", reason="file names that are not UTF-8")
def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"photo,mos\nlatin \xe9.jpg,1\nb.jpg,0\n")
    assert os.fsencode(read_ratings(tmp_path / "t.csv").photos[0].name) == b"latin \xe9.jpg"


@pytest.mark.skipif(os.name != "posix", reason="file names that are not UTF-8")
def test_names_that_are_not_utf_8_as_our_tables_have_them(tmp_path: Path) -> None:
    """Backslashes of a name that is there stay."""
    for name in (b"latin \xe9.jpg", b"b\\xe9.jpg"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(name)
    (tmp_path / "t.csv").write_bytes(b"photo,mos\r\nlatin \\xe9.jpg,1\r\nb\\xe9.jpg,0\r\n")
    table = read_ratings(tmp_path / "t.csv")
    assert missing_photos(table) == ()
    assert [read_bytes(photo) for photo in table.photos] == [b"latin \xe9.jpg", b"b\\xe9.jpg"]


def test_rated_reference_photos(reference_data: Path) -> None:
    folder = reference_data / "data"
    oasis = load_ratings(
        folder / "oasis" / "ratings.csv", photos=folder / "oasis" / "images", group="theme"
    )
    assert (len(oasis), oasis.lowest, oasis.highest, oasis.votes.shape) == (446, 1, 7, (446, 7))
    assert 104 <= oasis.votes.sum(1).min() <= oasis.votes.sum(1).max() <= 368
    assert all(photo.is_file() for photo in oasis.photos)
    biq = load_ratings(
        folder / "biq2021" / "ratings.csv",
        photos=folder / "biq2021" / "images",
        lowest=0,
        highest=1,
        group="subset",
    )
    splits = [rating.split for rating in biq]
    assert (splits.count("train"), splits.count("test")) == (900, 300)
    assert {rating.group for rating in biq} == {"ss01", "ss02", "ss03"}
    assert all(photo.is_file() for photo in biq.photos)


def test_ratings_that_are_all_the_same_need_a_scale(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("photo,mos\na.jpg,3\nb.jpg,3\n", "utf-8")
    with pytest.raises(RatingsError) as caught:
        read_ratings(path)
    assert str(caught.value) == (
        f"table {path}: all ratings are 3, which tell no scale: give --lowest and --highest"
    )
    assert not caplog.messages
    assert read_ratings(path, lowest=1, highest=5).mos.tolist() == [3, 3]


def test_of_columns_that_mean_the_same_it_says_which_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("rating,image,photo,mos,split,set\n1,a.jpg,b.jpg,4,test,train\n", "utf-8")
    (rating,) = read_ratings(path, lowest=1, highest=5)
    assert (rating.photo_id, rating.mos, rating.split) == ("b.jpg", 4, "test")
    assert caplog.messages == [
        f"{path} has the columns {columns}, which mean the same: taking {taken}"
        for columns, taken in (
            ("'photo', 'image'", "'photo'"),
            ("'mos', 'rating'", "'mos'"),
            ("'split', 'set'", "'split'"),
        )
    ]
