"""The SQLite file of a cache: its layout, how it is opened, the checksums of its rows, and what damage is."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import struct
import time
import zlib
from pathlib import Path

from mlsp.base.sqlite import (
    BUSY_SECONDS,
    DatabaseFormat,
    connect,
    is_new,
    lay_out,
    pragma,
    primary_code,
)

_APPLICATION_ID = 0x4D4C5350  # "MLSP"
_VERSION = 1
_CHECKSUM = struct.Struct("<I")


class DamagedRowError(Exception):
    """A row is not as it was written."""


class ForeignFileError(Exception):
    """The file is a database of another program or of a newer version."""


def open_cache_file(path: Path, table: str) -> sqlite3.Connection:
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
    connection = connect(path)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        if is_new(connection):
            _use_write_ahead_log(connection)
            lay_out(connection, _format(table))
        _check_ours(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _format(table: str) -> DatabaseFormat:
    return DatabaseFormat(
        _APPLICATION_ID,
        _VERSION,
        (
            # AUTOINCREMENT: the number of a deleted model is never given to another one, whose scores would get mixed up with it.
            "CREATE TABLE models (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, used INTEGER NOT NULL)",
            f"CREATE TABLE {table} (model INTEGER NOT NULL, content BLOB NOT NULL, value BLOB NOT NULL,"
            " PRIMARY KEY (model, content)) WITHOUT ROWID",
        ),
    )


def _check_ours(connection: sqlite3.Connection) -> None:
    if pragma(connection, "application_id") != _APPLICATION_ID:
        raise ForeignFileError("it is a database of another program")
    version = pragma(connection, "user_version")
    if version > _VERSION:
        raise ForeignFileError(
            f"it is of a newer version of mlsp (schema {version}, this one knows {_VERSION})"
        )


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch the journal; SQLite does not wait here for other processes that do the same, so this does."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def is_damage(error: Exception) -> bool:
    """Return whether the file's content is at fault, rather than the disk, a lock or a permission."""
    if isinstance(error, DamagedRowError):
        return True
    if not isinstance(error, sqlite3.DatabaseError):
        return False
    # ERROR: a table of ours is missing. No code: a text is not UTF-8.
    damage = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, None)
    return primary_code(error) in damage


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


def with_checksum(content: bytes, model_key: str, body: bytes) -> bytes:
    """Write a row: what is cached, and before it the checksum, of its keys too: no damage can give a photo the values of another.

    Args:
        content: SHA-256 of the photo's file.
        model_key: key of what computed it.
        body: what is cached.
    """
    return _CHECKSUM.pack(_checksum(content, model_key, body)) + body


def checked(content: bytes, model_key: str, row: object, min_bytes: int = 0) -> bytes:
    """Return what follows the checksum of a row.

    Args:
        content: SHA-256 of the photo's file.
        model_key: key of what computed it.
        row: as it is stored.
        min_bytes: that it has at least.

    Raises:
        DamagedRowError: it is not as it was written.
    """
    if not isinstance(row, bytes) or len(row) < _CHECKSUM.size + min_bytes:
        raise DamagedRowError("a row is cut off")
    body = row[_CHECKSUM.size :]
    if _CHECKSUM.unpack_from(row) != (_checksum(content, model_key, body),):
        raise DamagedRowError("a row does not match its checksum")
    return body


def _checksum(content: bytes, model_key: str, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(model_key.encode(), zlib.crc32(content)))
