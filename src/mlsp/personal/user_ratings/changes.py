"""The last changes, each with what it replaced, for `undo`.

A step is one change, or those of ratings that were given together: these stand one after another, and have the number of the first as
batch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

# More than anyone undoes; the log must not outgrow the ratings.
KEPT_CHANGES = 1_000

# Of `ratings`, behind its content: photo, stars, flag, rated_at, label
Row: TypeAlias = tuple[Any, ...]
_NO_ROW: Row = (None,) * 5


@dataclass(frozen=True, slots=True)
class StoredChange:
    """A row of `changes`: a rating's content and the row that it replaced, or a comparison's number."""

    number: int
    text: str
    content: bytes
    before: Row | None
    comparison: int | None


def note_rating(
    connection: sqlite3.Connection, text: str, content: bytes, before: Row | None
) -> int | None:
    """Note a rating and the row that it replaced; return the change's number."""
    return connection.execute(
        "INSERT INTO changes (text, content, photo, stars, flag, rated_at, label) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (text, content, *(before or _NO_ROW)),
    ).lastrowid


def note_comparison(connection: sqlite3.Connection, text: str, comparison: int | None) -> None:
    """Note a comparison, by its number."""
    connection.execute("INSERT INTO changes (text, comparison) VALUES (?, ?)", (text, comparison))


def make_one_step(connection: sqlite3.Connection, text: str, numbers: Sequence[int]) -> None:
    """Make changes that were just noted one after another one step."""
    connection.executemany(
        "UPDATE changes SET text = ?, batch = ? WHERE id = ?",
        [(text, numbers[0], number) for number in numbers],
    )


def last_text(connection: sqlite3.Connection) -> str | None:
    """Return the last step in words; None where there is none."""
    row = connection.execute("SELECT text FROM changes ORDER BY id DESC LIMIT 1").fetchone()
    return None if row is None else str(row[0])


def last_step(connection: sqlite3.Connection) -> list[StoredChange]:
    """Return the changes of the last step, the last first."""
    rows = connection.execute(
        "SELECT id, text, content, comparison, photo, stars, flag, rated_at, label FROM changes WHERE id >="
        " (SELECT coalesce(batch, id) FROM changes ORDER BY id DESC LIMIT 1) ORDER BY id DESC"
    ).fetchall()
    return [
        StoredChange(number, text, content, None if before[0] is None else tuple(before), compared)
        for number, text, content, compared, *before in rows
    ]


def delete_old_steps(connection: sqlite3.Connection) -> None:
    """Keep the last `KEPT_CHANGES` steps."""
    # From the first change of a step to the last of the step before: a step may be thousands of rows.
    connection.execute(
        "WITH RECURSIVE steps (first) AS ("
        " SELECT (SELECT coalesce(batch, id) FROM changes ORDER BY id DESC LIMIT 1) UNION ALL"
        " SELECT (SELECT coalesce(batch, id) FROM changes WHERE id < first ORDER BY id DESC LIMIT 1)"
        " FROM steps WHERE first IS NOT NULL LIMIT ?)"
        " DELETE FROM changes WHERE id < (SELECT first FROM steps LIMIT 1 OFFSET ?)",
        (KEPT_CHANGES, KEPT_CHANGES - 1),
    )
