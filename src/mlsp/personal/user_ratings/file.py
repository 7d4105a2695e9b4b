"""The SQLite file of user ratings: its layout, how it is opened, and its errors."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from mlsp.base.errors import RatingsError
from mlsp.base.sqlite import DatabaseFormat, connect, lay_out, pragma, primary_code, transaction

_FOUND = "CREATE TABLE found (photo TEXT PRIMARY KEY, stars INTEGER, flag TEXT, label TEXT) WITHOUT ROWID"
_FORMAT = DatabaseFormat(
    0x4D4C5352,  # "MLSR"
    3,
    (
        "CREATE TABLE ratings (content BLOB PRIMARY KEY, photo TEXT NOT NULL, stars INTEGER, flag TEXT, rated_at REAL NOT NULL,"
        " label TEXT) WITHOUT ROWID",
        "CREATE TABLE comparisons (id INTEGER PRIMARY KEY AUTOINCREMENT, better BLOB NOT NULL, worse BLOB NOT NULL,"
        " better_photo TEXT NOT NULL, worse_photo TEXT NOT NULL, compared_at REAL NOT NULL)",
        # A rating: its content, and the row of `ratings` that it replaced, all NULL for none. Or a comparison's number. Ratings that
        # were given together have the number of the first of them as batch.
        "CREATE TABLE changes (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL, content BLOB, photo TEXT, stars INTEGER,"
        " flag TEXT, rated_at REAL, comparison INTEGER, label TEXT, batch INTEGER)",
        _FOUND,
    ),
)
# From a schema to the next.
_UPDATES = {
    1: (
        "ALTER TABLE ratings ADD COLUMN label TEXT",
        "ALTER TABLE changes ADD COLUMN label TEXT",
        _FOUND,
    ),
    2: ("ALTER TABLE changes ADD COLUMN batch INTEGER",),
}
# As the file begins: https://www.sqlite.org/fileformat.html
_MAGIC = b"SQLite format 3\0"
_APPLICATION_ID_OFFSET = 68
_HEADER_BYTES = 100


def open_ratings_file(path: Path) -> sqlite3.Connection:
    """Open a file of ratings; a new one is laid out.

    Args:
        path: the file; absolute.

    Returns:
        A connection for several threads of which one at a time uses it, without transactions of its own.

    Raises:
        RatingsError: it is damaged, of another program or a newer version, or cannot be opened; it is left as it is.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_header(path)
    except OSError as error:
        is_file = isinstance(error, FileExistsError)
        reason = f"{path.parent} is a file, not a folder" if is_file else error.strerror
        raise RatingsError(
            f"the ratings {path} cannot be opened: {reason}. Name another file with --ratings"
        ) from error
    with translated(path):
        connection = connect(path)
        try:
            lay_out(connection, _FORMAT)
            _check(connection, path)
            _update(connection)
        except BaseException:
            connection.close()
            raise
    return connection


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise SQLite's errors as RatingsError."""
    try:
        yield
    except sqlite3.Error as error:
        if primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise RatingsError(_damaged(path, str(error))) from error
        raise RatingsError(
            f"the ratings {path} cannot be used: {error}. Nothing was changed: free some space, or close what else uses the file,"
            " or name another with --ratings"
        ) from error


def _check_header(path: Path) -> None:
    """Refuse a foreign file before SQLite touches it."""
    if not path.exists() or os.path.exists(f"{path}-journal"):
        # After a kill in the middle of a write the file is what SQLite makes of it and its journal.
        return
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if not header:
        return
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        raise RatingsError(_damaged(path, "it is no SQLite database"))
    found = int.from_bytes(header[_APPLICATION_ID_OFFSET:][:4], "big")
    if found != _FORMAT.application_id:
        raise RatingsError(_foreign(path))


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if pragma(connection, "application_id") != _FORMAT.application_id:
        raise RatingsError(_foreign(path))
    version = pragma(connection, "user_version")
    if version > _FORMAT.version:
        raise RatingsError(
            f"the ratings {path} are of a newer version of mlsp (schema {version}, this one knows {_FORMAT.version}):"
            " update mlsp, or name another file with --ratings"
        )
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        # The first line only names the database.
        raise RatingsError(_damaged(path, str(found).splitlines()[-1]))


def _update(connection: sqlite3.Connection) -> None:
    """Bring a file of an older version to this one; what it has stays."""
    if pragma(connection, "user_version") == _FORMAT.version:
        return
    with transaction(connection):
        # Another process may have done it while this one waited.
        for version in range(pragma(connection, "user_version"), _FORMAT.version):
            for statement in _UPDATES[version]:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_FORMAT.version}")


def _foreign(path: Path) -> str:
    return f"{path} is a database of another program and was left as it is: name another file with --ratings"


def _damaged(path: Path, reason: str) -> str:
    return (
        f"the ratings {path} are damaged ({reason}) and were left as they are: put a copy of yours in their place, or name another"
        " file with --ratings"
    )
