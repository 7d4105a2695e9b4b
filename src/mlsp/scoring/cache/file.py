"""The SQLite file of a cache: its layout, how it is opened, and what damage is."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from mlsp.scoring.cache.damage import DamagedRowError

_APPLICATION_ID = 0x4D4C5350  # "MLSP"
_SCHEMA_VERSION = 1
TableName: TypeAlias = Literal["scores", "features"]
_SCHEMA = (
    # AUTOINCREMENT: the number of a forgotten model is never given to another one, whose scores would get mixed up with it.
    "CREATE TABLE models (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, used INTEGER NOT NULL)",
    "CREATE TABLE {table} (model INTEGER NOT NULL, content BLOB NOT NULL, value BLOB NOT NULL,"
    " PRIMARY KEY (model, content)) WITHOUT ROWID",
)
_BUSY_SECONDS = 10.0


class ForeignFileError(Exception):
    """The file is a database of another program or of a newer version."""


def open_cache_file(path: Path, table: TableName) -> sqlite3.Connection:
    """Open a cache file, and lay it out if it is new.

    Args:
        path: the file; its folder must exist.
        table: name of the table of values.

    Returns:
        A connection that commits each statement, for several threads of which one at a time uses it.

    Raises:
        ForeignFileError: the file is a database of another program or of a newer version; it is left as it is.
        sqlite3.Error: the file is damaged, or cannot be opened; see `is_damage`.
    """
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        if _is_new(connection):
            _use_write_ahead_log(connection)
            with transaction(connection):
                # Another process may have laid it out while this one waited.
                if _is_new(connection):
                    for statement in _SCHEMA:
                        connection.execute(statement.format(table=table))
                    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                    connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        _check_ours(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_ours(connection: sqlite3.Connection) -> None:
    if _pragma(connection, "application_id") != _APPLICATION_ID:
        raise ForeignFileError("it is a database of another program")
    version = _pragma(connection, "user_version")
    if version > _SCHEMA_VERSION:
        raise ForeignFileError(
            f"it is of a newer version of mlsp (schema {version}, this one knows {_SCHEMA_VERSION})"
        )


def _is_new(connection: sqlite3.Connection) -> bool:
    (count,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return count == 0 and _pragma(connection, "application_id") == 0


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch the journal; SQLite does not wait here for other processes that do the same, so this does."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


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


def _code(error: BaseException) -> int | None:
    """Primary result code of an SQLite error; None where the error came from the driver."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def is_damage(error: Exception) -> bool:
    """Whether the file's content is at fault, rather than the disk, a lock or a permission."""
    if isinstance(error, DamagedRowError):
        return True
    if not isinstance(error, sqlite3.DatabaseError):
        return False
    # ERROR: a table of ours is missing. No code: a text is not UTF-8.
    damage = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, None)
    return _code(error) in damage


def set_aside(path: Path) -> Path:
    """Rename a damaged file to `*.damaged`, and its log, which would else be replayed into the next file of that name.

    Args:
        path: the file; must be closed.

    Returns:
        The new name; one that was free.

    Raises:
        OSError: the folder is not writable, or another process holds the file.
    """
    names = itertools.chain([""], (f".{number}" for number in itertools.count(2)))
    aside = next(
        free
        for name in names
        if not (free := path.with_name(f"{path.name}{name}.damaged")).exists()
    )
    for ending in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{ending}", f"{aside}{ending}")
    os.replace(path, aside)
    return aside
