"""UserRatings: rate, compare, undo."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, get_args

from mlsp.base.closing import Closing
from mlsp.base.digests import sha256_bytes
from mlsp.base.errors import RatingsError, SettingsError
from mlsp.base.sqlite import transaction
from mlsp.culling.marks import Flag, Label, Marks
from mlsp.personal.user_ratings.changes import (
    StoredChange,
    delete_old_steps,
    last_step,
    last_text,
    make_one_step,
    note_comparison,
)
from mlsp.personal.user_ratings.file import open_ratings_file, translated
from mlsp.personal.user_ratings.records import Change, Comparison, NewRating, UserRating
from mlsp.personal.user_ratings.rows import (
    follow_contents,
    last_better,
    put_row,
    rate_row,
    shown_name,
    stored_path,
)


def default_user_ratings_path() -> Path:
    """Return the file of ratings: MLSP_RATINGS if it is set, else one in the user's data folder."""
    file = os.environ.get("MLSP_RATINGS")
    if file:
        return Path(file).expanduser()
    from platformdirs import user_data_path

    return user_data_path("mlsp", appauthor=False) / "ratings.sqlite"


class UserRatings(Closing):
    """A file of ratings; `UserRatings.open` opens one. Several threads may use it, and several processes its file."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = connection
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file of ratings; a missing one and its folders are made.

        Raises:
            RatingsError: it is damaged, of another program or a newer version, or cannot be opened; it is left as it is.
        """
        path = path.absolute()
        return cls(path, open_ratings_file(path))

    def rate(
        self,
        content_sha256: str,
        photo: str,
        *,
        stars: int | None,
        flag: Flag | None,
        label: Label | None = None,
        shown: Marks | None = None,
        keep_empty: bool = False,
    ) -> None:
        """Store a rating of a photo, in place of an earlier one.

        Args:
            content_sha256: of the photo's file, in hexadecimal digits.
            photo: its path.
            stars: 1…5, or None.
            flag: `pick`, `reject` or None.
            label: a colour, or None. With neither stars, flag nor label the rating is deleted.
            shown: what the user saw before, where that is not the stored rating: what the photo's files say.
            keep_empty: keep a rating without anything: the user took away what the photo's files say.

        Raises:
            SettingsError: an argument is out of range.
            RatingsError: it cannot be written; nothing has changed then.
        """
        marks = Marks(stars, flag, label)
        self.rate_all([NewRating(content_sha256, photo, marks, shown, keep_empty)])

    def rate_all(self, ratings: Sequence[NewRating]) -> None:
        """Store ratings of several photos, in place of earlier ones; `undo` takes all of them back together.

        Raises:
            SettingsError: one is out of range.
            RatingsError: they cannot be written; nothing has changed then.
        """
        for one in ratings:
            _check(one.marks)
        with self._writing() as connection:
            changes = [rate_row(connection, one) for one in ratings]
            numbers = [number for number in changes if number is not None]
            if len(numbers) > 1:
                make_one_step(connection, f"ratings of {len(numbers)} photos", numbers)
            delete_old_steps(connection)

    def follow(self, moved: Iterable[tuple[Path, str, str]]) -> int:
        """Give photos that `mlsp` has written into what belongs to their earlier content; see `follow_contents`.

        Args:
            moved: photos, each with the SHA-256 of its content before and after.

        Returns:
            How many ratings were given.

        Raises:
            RatingsError: it cannot be written; nothing has changed then.
        """
        with self._writing() as connection:
            return follow_contents(
                connection,
                [
                    (stored_path(str(photo)), sha256_bytes(before), sha256_bytes(after))
                    for photo, before, after in moved
                ],
            )

    def note_found(self, found: Mapping[str, Marks]) -> None:
        """Note what the files of rated photos say, so that a change by another program can be told later.

        Raises:
            RatingsError: it cannot be written; nothing has changed then.
        """
        with self._writing() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO found VALUES (?, ?, ?, ?)",
                [
                    (stored_path(photo), marks.stars, marks.flag, marks.label)
                    for photo, marks in found.items()
                ],
            )

    def found(self) -> dict[str, Marks]:
        """Return what the files of rated photos said when that was last noted, by the photos' paths.

        Raises:
            RatingsError: the file cannot be read.
        """
        rows = self._select("SELECT photo, stars, flag, label FROM found")
        return {os.fsdecode(row[0]): Marks(*row[1:]) for row in rows}

    def compare(self, better_sha256: str, worse_sha256: str, *, better: str, worse: str) -> None:
        """Store which of two photos the user likes better; the last answer about these two, given again, changes nothing.

        A browser sends an answer again where it did not learn that it had arrived.

        Args:
            better_sha256: of the better photo's file, in hexadecimal digits.
            worse_sha256: of the worse photo's file.
            better: path of the better photo.
            worse: path of the worse one.

        Raises:
            SettingsError: both are the same photo.
            RatingsError: it cannot be written; nothing has changed then.
        """
        contents = sha256_bytes(better_sha256), sha256_bytes(worse_sha256)
        if contents[0] == contents[1]:
            raise SettingsError(
                f"cannot compare {shown_name(better)} with {shown_name(worse)}: they are the same file, or copies of it"
            )
        with self._writing() as connection:
            if last_better(connection, contents) == contents[0]:
                return
            row = connection.execute(
                "INSERT INTO comparisons (better, worse, better_photo, worse_photo, compared_at)"
                " VALUES (?, ?, ?, ?, ?)",
                (*contents, stored_path(better), stored_path(worse), time.time()),
            ).lastrowid
            note_comparison(
                connection, f"{shown_name(better)} is better than {shown_name(worse)}", row
            )
            delete_old_steps(connection)

    def last_text(self) -> str | None:
        """Return what `undo` would undo, in words; None where there is nothing.

        Raises:
            RatingsError: the file cannot be read.
        """
        with self._reading() as connection:
            return last_text(connection)

    def undo(self) -> Change | None:
        """Undo the last rating, ratings that were given together, or comparison, up to `mlsp.personal.user_ratings.KEPT_CHANGES` times.

        Returns:
            What was undone; None where there is nothing to undo.

        Raises:
            RatingsError: it cannot be written; nothing has changed then.
        """
        with self._writing() as connection:
            last = last_step(connection)
            if not last:
                return None
            undone = _change(connection, last)
            for change in last:
                if change.comparison is not None:
                    connection.execute("DELETE FROM comparisons WHERE id = ?", (change.comparison,))
                elif change.before is None:
                    connection.execute("DELETE FROM ratings WHERE content = ?", (change.content,))
                else:
                    put_row(connection, change.content, change.before)
                connection.execute("DELETE FROM changes WHERE id = ?", (change.number,))
        return undone

    def ratings(self) -> list[UserRating]:
        """Return all ratings, oldest first.

        Raises:
            RatingsError: the file cannot be read.
        """
        rows = self._select(
            "SELECT content, photo, stars, flag, rated_at, label FROM ratings ORDER BY rated_at, content"
        )
        return [UserRating(row[0].hex(), os.fsdecode(row[1]), *row[2:]) for row in rows]

    def comparisons(self) -> list[Comparison]:
        """Return all comparisons, oldest first.

        Raises:
            RatingsError: the file cannot be read.
        """
        rows = self._select(
            "SELECT better, worse, better_photo, worse_photo, compared_at FROM comparisons ORDER BY id"
        )
        return [
            Comparison(row[0].hex(), row[1].hex(), os.fsdecode(row[2]), os.fsdecode(row[3]), row[4])
            for row in rows
        ]

    def close(self) -> None:
        """Close the file; may be called twice."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _select(self, query: str) -> list[Any]:
        with self._reading() as connection:
            return connection.execute(query).fetchall()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection, transaction(connection):
            yield connection

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, translated(self.path):
            if self._connection is None:
                raise RatingsError(f"the ratings {self.path} are closed: open them again")
            yield self._connection


def _change(connection: sqlite3.Connection, step: Sequence[StoredChange]) -> Change:
    """Return a step, its last change first, as it is told."""
    text, comparison = step[0].text, step[0].comparison
    if comparison is None:
        return Change(text, tuple(one.content.hex() for one in reversed(step)))
    pair = connection.execute(
        "SELECT better, worse FROM comparisons WHERE id = ?", (comparison,)
    ).fetchone()
    return Change(text, tuple(content.hex() for content in pair), is_comparison=True)


def _check(marks: Marks) -> None:
    stars, flag, label = marks.stars, marks.flag, marks.label
    if stars is not None and (type(stars) is not int or not 1 <= stars <= 5):
        raise SettingsError(f"stars must be 1 to 5, or none, got {stars!r}")
    if flag is not None and flag not in get_args(Flag):
        raise SettingsError(f"flag must be 'pick', 'reject' or none, got {flag!r}")
    if label is not None and label not in get_args(Label):
        colours = ", ".join(get_args(Label))
        raise SettingsError(f"label must be one of {colours}, or none, got {label!r}")
