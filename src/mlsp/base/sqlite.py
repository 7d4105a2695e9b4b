"""SQLite files of ours: how they are opened, laid out and written to."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# So long a statement waits for another process that writes.
BUSY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class DatabaseFormat:
    """Schema and version of one kind of file.

    Attributes:
        application_id: SQLite's number that tells programs' files apart.
        version: of the schema.
        schema: statements that lay a new file out.
    """

    application_id: int
    version: int
    schema: Sequence[str]


def connect(path: Path) -> sqlite3.Connection:
    """Open a file; SQLite reads it with the first statement.

    Returns:
        A connection that commits each statement outside a `transaction`, for several threads of which one at a time uses it.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    return sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


def is_new(connection: sqlite3.Connection) -> bool:
    """Return whether a file is empty."""
    (count,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return count == 0 and pragma(connection, "application_id") == 0


def lay_out(connection: sqlite3.Connection, database: DatabaseFormat) -> None:
    """Lay a file out if it is new."""
    if not is_new(connection):
        return
    with transaction(connection):
        # Another process may have laid it out while this one waited.
        if is_new(connection):
            for statement in database.schema:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {database.application_id}")
            connection.execute(f"PRAGMA user_version = {database.version}")


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """Return a whole number that SQLite keeps of a file."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def primary_code(error: BaseException) -> int | None:
    """Return the primary result code of an SQLite error; None where the error came from the driver."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what the block does, or nothing of it."""
    # IMMEDIATE: takes the write lock at once, so that it waits for other processes instead of failing halfway.
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk makes SQLite roll back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
