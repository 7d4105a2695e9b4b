from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from children import start_child
from first_edition import first_edition_file
from mlsp.base.errors import RatingsError, SettingsError
from mlsp.culling.marks import Marks
from mlsp.personal.user_ratings import (
    KEPT_CHANGES,
    Change,
    NewRating,
    UserRatings,
    default_user_ratings_path,
)

A, B, C = ("a" * 64, "b" * 64, "c" * 64)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ratings.sqlite"


def said(ratings: UserRatings) -> list[tuple[str, int | None, str | None]]:
    return [(rating.content_sha256, rating.stars, rating.flag) for rating in ratings.ratings()]


def undone(ratings: UserRatings) -> str | None:
    change = ratings.undo()
    return None if change is None else change.text


def test_keeps_ratings_and_comparisons(file: Path) -> None:
    with UserRatings.open(file) as ratings:
        ratings.rate(A, "/p/a.jpg", stars=4, flag=None)
        ratings.rate(B, "/p/b.jpg", stars=None, flag="reject")
        ratings.rate(A, "/p/moved.jpg", stars=5, flag="pick")
        ratings.compare(A, B, better="/p/a.jpg", worse="/p/b.jpg")
    with UserRatings.open(file) as ratings:
        assert said(ratings) == [(B, None, "reject"), (A, 5, "pick")]
        assert [rating.photo for rating in ratings.ratings()] == ["/p/b.jpg", "/p/moved.jpg"]
        (comparison,) = ratings.comparisons()
        assert (comparison.better_sha256, comparison.worse_sha256) == (A, B)
        assert (comparison.better, comparison.worse) == ("/p/a.jpg", "/p/b.jpg")
        assert comparison.compared_at >= ratings.ratings()[-1].rated_at > 1.7e9


def test_neither_stars_nor_flag_is_no_rating(file: Path) -> None:
    with UserRatings.open(file) as ratings:
        ratings.rate(A, "a.jpg", stars=4, flag="pick")
        ratings.rate(A, "a.jpg", stars=None, flag=None)
        assert ratings.ratings() == []


def test_undoes_everything_one_by_one_also_after_opening_again(file: Path) -> None:
    with UserRatings.open(file) as ratings:
        ratings.rate(A, "/p/a.jpg", stars=1, flag=None)
        before = ratings.ratings()
        ratings.rate(A, "/p/a.jpg", stars=5, flag="pick")
        # Says nothing new, so there is nothing of it to undo.
        ratings.rate(A, "/p/a.jpg", stars=5, flag="pick")
        ratings.compare(B, A, better="/p/b.jpg", worse="/p/a.jpg")
        ratings.rate(A, "/p/a.jpg", stars=None, flag=None)
    with UserRatings.open(file) as ratings:
        assert ratings.undo() == Change("no stars, no flag for a.jpg", (A,))
        assert said(ratings) == [(A, 5, "pick")]
        assert ratings.undo() == Change("b.jpg is better than a.jpg", (B, A), is_comparison=True)
        assert ratings.comparisons() == []
        assert undone(ratings) == "5 stars, pick for a.jpg"
        assert ratings.ratings() == before
        assert undone(ratings) == "1 star for a.jpg"
        assert ratings.ratings() == []
        assert ratings.undo() is None


def test_an_answer_that_comes_again_is_kept_once(file: Path) -> None:
    with UserRatings.open(file) as ratings:
        for better, worse in ((A, B), (B, C), (A, B), (B, A), (B, A), (A, B)):
            ratings.compare(better, worse, better=f"{better[0]}.jpg", worse=f"{worse[0]}.jpg")
        kept = [(one.better_sha256, one.worse_sha256) for one in ratings.comparisons()]
        # Another answer about the same two is kept.
        assert kept == [(A, B), (B, C), (B, A), (A, B)]
        assert undone(ratings) == "a.jpg is better than b.jpg"
        assert undone(ratings) == "b.jpg is better than a.jpg"
        assert undone(ratings) == "b.jpg is better than c.jpg"
        assert undone(ratings) == "a.jpg is better than b.jpg"
        assert ratings.undo() is None


def test_what_can_be_undone_is_bounded(file: Path) -> None:
    with UserRatings.open(file) as ratings:
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.executemany(
                "INSERT INTO changes (text, content) VALUES (?, ?)",
                [("x", bytes(32))] * KEPT_CHANGES,
            )
        ratings.rate(A, "a.jpg", stars=3, flag=None)
        with closing(sqlite3.connect(file)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM changes").fetchone()
        assert count == KEPT_CHANGES
        assert undone(ratings) == "3 stars for a.jpg"


def test_names_that_are_no_text_come_back(file: Path) -> None:
    name = os.fsdecode(b"/p/latin \xe9.png")
    with UserRatings.open(file) as ratings:
        ratings.rate(A, name, stars=2, flag=None)
        ratings.compare(A, B, better=name, worse="/p/é.png")
    with UserRatings.open(file) as ratings:
        assert ratings.ratings()[0].photo == name
        assert ratings.comparisons()[0].better == name
        assert undone(ratings) == "latin ?.png is better than é.png"


@pytest.mark.parametrize(
    ("stars", "flag", "message"),
    [
        (0, None, "stars must be 1 to 5, or none, got 0"),
        (6, None, "stars must be 1 to 5, or none, got 6"),
        (True, None, "stars must be 1 to 5, or none, got True"),
        (3, "maybe", "flag must be 'pick', 'reject' or none, got 'maybe'"),
    ],
)
def test_bad_values_are_refused(
    file: Path, stars: int | None, flag: str | None, message: str
) -> None:
    with UserRatings.open(file) as ratings:
        with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
            ratings.rate(A, "a.jpg", stars=stars, flag=flag)  # type: ignore[arg-type]
        assert ratings.ratings() == []


def test_a_photo_is_not_compared_with_itself(file: Path) -> None:
    message = "cannot compare a.jpg with copy.jpg: they are the same file, or copies of it"
    with UserRatings.open(file) as ratings:
        with pytest.raises(SettingsError, match=f"^{message}$"):
            ratings.compare(A, A, better="/p/a.jpg", worse="/q/copy.jpg")
        with pytest.raises(
            SettingsError, match="^expected a SHA-256 of 64 hexadecimal digits, got 'x'$"
        ):
            ratings.compare("x", A, better="x.jpg", worse="a.jpg")
        assert ratings.comparisons() == []


def test_a_copy_made_while_it_is_open_is_whole(file: Path, tmp_path: Path) -> None:
    with UserRatings.open(file) as ratings:
        ratings.rate(A, "a.jpg", stars=4, flag=None)
        shutil.copy(file, tmp_path / "copy.sqlite")
        assert os.listdir(file.parent) == ["ratings.sqlite"]
    with UserRatings.open(tmp_path / "copy.sqlite") as copy:
        assert said(copy) == [(A, 4, None)]


def _database(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "x.sqlite"
    _database(file, "CREATE TABLE t (x)", "PRAGMA application_id = 7")
    before = file.read_bytes()
    message = f"{file} is a database of another program and was left as it is: name another file with --ratings"
    with pytest.raises(RatingsError, match=f"^{re.escape(message)}$"):
        UserRatings.open(file)
    assert file.read_bytes() == before
    assert os.listdir(tmp_path) == ["x.sqlite"]


def test_a_file_of_a_newer_version_is_left_alone(file: Path) -> None:
    UserRatings.open(file).close()
    _database(file, "PRAGMA user_version = 4")
    before = file.read_bytes()
    message = (
        f"the ratings {file} are of a newer version of mlsp (schema 4, this one knows 3):"
        " update mlsp, or name another file with --ratings"
    )
    with pytest.raises(RatingsError, match=f"^{re.escape(message)}$"):
        UserRatings.open(file)
    assert file.read_bytes() == before


@pytest.mark.parametrize("damage", ["text", "cut", "middle"])
def test_a_damaged_file_is_left_alone(file: Path, damage: str) -> None:
    with UserRatings.open(file) as ratings:
        ratings.rate(A, "/p/a.jpg", stars=3, flag=None)
    content = file.read_bytes()
    content = {
        "text": b"my ratings, by hand\n",
        "cut": content[: len(content) // 2],
        "middle": content[:4096] + b"\xff" * 8192 + content[12288:],
    }[damage]
    file.write_bytes(content)
    message = (
        f"^the ratings {re.escape(str(file))} are damaged \\(.+\\) and were left as they are: put a copy of yours in their place,"
        " or name another file with --ratings$"
    )
    with pytest.raises(RatingsError, match=message):
        UserRatings.open(file)
    assert file.read_bytes() == content


def test_an_empty_file_is_a_new_one(file: Path) -> None:
    file.parent.mkdir()
    file.touch()
    with UserRatings.open(file) as ratings:
        ratings.rate(A, "a.jpg", stars=4, flag=None)
        assert len(ratings.ratings()) == 1


def test_a_place_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "ratings.sqlite"
    message = f"the ratings {path} cannot be opened: {path.parent} is a file, not a folder. Name another file with --ratings"
    with pytest.raises(RatingsError, match=f"^{re.escape(message)}$"):
        UserRatings.open(path)


def test_a_closed_file_says_so(file: Path) -> None:
    ratings = UserRatings.open(file)
    ratings.close()
    ratings.close()
    with pytest.raises(
        RatingsError, match=f"^the ratings {re.escape(str(file))} are closed: open them again$"
    ):
        ratings.rate(A, "a.jpg", stars=4, flag=None)


def test_a_locked_file_loses_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlsp.base.sqlite.BUSY_SECONDS", 0.05)
    with UserRatings.open(file) as ratings:
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(RatingsError, match="database is locked. Nothing was changed: "):
                ratings.rate(A, "a.jpg", stars=4, flag=None)
            other.execute("ROLLBACK")
        ratings.rate(A, "a.jpg", stars=4, flag=None)
        assert said(ratings) == [(A, 4, None)]


def test_ratings_given_together_are_undone_together(file: Path) -> None:
    with UserRatings.open(file) as ratings:
        ratings.rate(A, "/p/a.jpg", stars=2, flag=None)
        together = [
            NewRating(A, "/p/a.jpg", Marks(2, "reject")),
            NewRating(B, "/p/b.jpg", Marks(flag="pick")),
        ]
        ratings.rate_all(together)
        assert said(ratings) == [(A, 2, "reject"), (B, None, "pick")]
        # What is so already is no change.
        ratings.rate_all([together[0], NewRating(B, "/p/b.jpg", Marks(5, "pick"))])
        assert undone(ratings) == "5 stars for b.jpg"
        assert ratings.undo() == Change("ratings of 2 photos", (A, B))
        assert said(ratings) == [(A, 2, None)]
        with pytest.raises(SettingsError, match="stars must be 1 to 5"):
            ratings.rate_all([together[0], NewRating(B, "/p/b.jpg", Marks(9))])
        assert said(ratings) == [(A, 2, None)]


def test_more_ratings_given_together_than_changes_are_kept(file: Path) -> None:
    many = [
        NewRating(f"{number:064x}", f"{number}.jpg", Marks(3)) for number in range(KEPT_CHANGES + 5)
    ]
    with UserRatings.open(file) as ratings:
        ratings.rate_all(many)
        ratings.rate(A, "a.jpg", stars=1, flag=None)
        ratings.undo()
        assert undone(ratings) == f"ratings of {len(many)} photos"
        assert ratings.ratings() == []


def test_several_threads_and_files_at_once(file: Path) -> None:
    def rate(ratings: UserRatings, first: int) -> None:
        for number in range(first, first + 20):
            ratings.rate(f"{number:064x}", f"{number}.jpg", stars=3, flag=None)

    with UserRatings.open(file) as one, UserRatings.open(file) as other:
        threads = [
            threading.Thread(target=rate, args=(ratings, 20 * place))
            for place, ratings in enumerate([one, one, other, other])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(one.ratings()) == len(other.ratings()) == 80


_WRITER = """
import sys
from pathlib import Path
from mlsp.personal.user_ratings import UserRatings

ratings = UserRatings.open(Path(sys.argv[1]))
for number in range(1_000_000):
    ratings.rate(f"{number:064x}", f"{number}.jpg", stars=1 + number % 5, flag=None)
    print(number, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
def test_what_was_kept_outlives_a_kill(file: Path) -> None:
    writer = start_child(
        [sys.executable, "-c", _WRITER, str(file)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    for _ in range(50):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    rest, _ = writer.communicate()
    last = int(([*rest.split("\n")][-2:-1] or ["49"])[0])
    with UserRatings.open(file) as ratings:
        kept = ratings.ratings()
        # The kill may have come between the disk and the word about it.
        assert len(kept) - 1 in (last, last + 1)
        assert [rating.stars for rating in kept] == [1 + n % 5 for n in range(len(kept))]
        assert (
            undone(ratings)
            == f"{kept[-1].stars} star{'s' if kept[-1].stars != 1 else ''} for {kept[-1].photo}"
        )


def test_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLSP_RATINGS", str(tmp_path / "mine.sqlite"))
    assert default_user_ratings_path() == tmp_path / "mine.sqlite"
    monkeypatch.delenv("MLSP_RATINGS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_user_ratings_path().name == "ratings.sqlite"


def test_ratings_of_the_first_edition_are_read_and_undone(tmp_path: Path) -> None:
    with UserRatings.open(first_edition_file("ratings.sqlite", tmp_path)) as ratings:
        assert [(one.photo, one.stars, one.flag) for one in ratings.ratings()] == [
            ("/photos/one.jpg", 4, None),
            ("/photos/two.jpg", None, "reject"),
        ]
        (comparison,) = ratings.comparisons()
        assert (comparison.better, comparison.worse) == ("/photos/one.jpg", "/photos/two.jpg")
        assert ratings.undo() is not None
        assert ratings.comparisons() == []
