"""Rows of ratings and comparisons: given, replaced, and following a photo's content."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence

from mlsp.base.digests import sha256_bytes
from mlsp.culling.marks import NO_MARKS, Marks
from mlsp.personal.user_ratings.changes import Row, note_rating
from mlsp.personal.user_ratings.records import NewRating


def rate_row(connection: sqlite3.Connection, new: NewRating) -> int | None:
    """Store a rating and its change; return the change's number, None where nothing changes."""
    content = sha256_bytes(new.content_sha256)
    marks, shown = new.marks, new.shown
    before = _row(connection, content)
    if shown is not None and shown != marks_of(before):
        # Undoing leads back to it.
        before = (stored_path(new.photo), shown.stars, shown.flag, time.time(), shown.label)
        put_row(connection, content, before)
    if marks == marks_of(before):
        return None
    if marks == NO_MARKS and not new.keep_empty:
        connection.execute("DELETE FROM ratings WHERE content = ?", (content,))
    else:
        row = (stored_path(new.photo), marks.stars, marks.flag, time.time(), marks.label)
        put_row(connection, content, row)
    text = _rating_text(new.photo, marks_of(before), marks)
    return note_rating(connection, text, content, before)


def put_row(connection: sqlite3.Connection, content: bytes, row: Row) -> None:
    """Put a row in place of an earlier one."""
    connection.execute(
        "INSERT OR REPLACE INTO ratings (content, photo, stars, flag, rated_at, label) VALUES (?, ?, ?, ?, ?, ?)",
        (content, *row),
    )


def last_better(connection: sqlite3.Connection, contents: tuple[bytes, bytes]) -> bytes | None:
    """Return the better of two photos by the last comparison of them; None where they were not compared."""
    row = connection.execute(
        "SELECT better FROM comparisons WHERE ? IN (better, worse) AND ? IN (better, worse) ORDER BY id DESC LIMIT 1",
        contents,
    ).fetchone()
    return None if row is None else row[0]


def marks_of(row: Row | None) -> Marks:
    """Return the marks of a row; none where there is none."""
    return NO_MARKS if row is None else Marks(row[1], row[2], row[4])


def follow_contents(
    connection: sqlite3.Connection, moved: Sequence[tuple[str | bytes, bytes, bytes]]
) -> int:
    """Give photos' contents what belongs to their earlier ones: ratings, which these keep, comparisons, and changes to undo.

    Args:
        connection: to the file of ratings, in a transaction.
        moved: photos: path as it is stored, SHA-256 of the earlier content, and of the one now, of which a newer rating stays.

    Returns:
        How many ratings were given.
    """
    given = connection.executemany(
        "INSERT OR REPLACE INTO ratings (content, photo, stars, flag, rated_at, label)"
        " SELECT :new, :photo, stars, flag, rated_at, label FROM ratings AS earlier WHERE content = :old AND NOT EXISTS"
        " (SELECT * FROM ratings AS later WHERE later.content = :new AND later.rated_at >= earlier.rated_at)",
        [{"photo": photo, "old": old, "new": new} for photo, old, new in moved],
    ).rowcount
    # One look at each table, however many photos there are.
    connection.execute("CREATE TEMP TABLE moved (old BLOB PRIMARY KEY, new BLOB NOT NULL)")
    connection.executemany(
        "INSERT OR REPLACE INTO moved VALUES (?, ?)", [(old, new) for _, old, new in moved]
    )
    for statement in (
        "UPDATE changes SET content = (SELECT new FROM moved WHERE old = content) WHERE content IN (SELECT old FROM moved)",
        "UPDATE comparisons SET better = (SELECT new FROM moved WHERE old = better) WHERE better IN (SELECT old FROM moved)",
        "UPDATE comparisons SET worse = (SELECT new FROM moved WHERE old = worse) WHERE worse IN (SELECT old FROM moved)",
        "DROP TABLE moved",
    ):
        connection.execute(statement)
    return max(given, 0)


def stored_path(photo: str) -> str | bytes:
    """Return a path as SQLite stores it: as text where it is valid text, so that people can read the file, else as bytes."""
    try:
        photo.encode()
    except UnicodeEncodeError:
        return os.fsencode(photo)
    return photo


def shown_name(photo: str) -> str:
    """Return the name of a photo for messages; undecodable parts are replaced."""
    return os.path.basename(photo).encode("utf-8", "replace").decode()


def _row(connection: sqlite3.Connection, content: bytes) -> Row | None:
    row: Row | None = connection.execute(
        "SELECT photo, stars, flag, rated_at, label FROM ratings WHERE content = ?", (content,)
    ).fetchone()
    return row


def _rating_text(photo: str, before: Marks, after: Marks) -> str:
    """Return a change in words."""
    parts = []
    if after.stars != before.stars:
        stars = after.stars
        parts.append("no stars" if stars is None else f"{stars} star{'s' if stars > 1 else ''}")
    if after.flag != before.flag:
        parts.append("no flag" if after.flag is None else after.flag)
    if after.label != before.label:
        parts.append("no label" if after.label is None else after.label)
    return f"{', '.join(parts)} for {shown_name(photo)}"
