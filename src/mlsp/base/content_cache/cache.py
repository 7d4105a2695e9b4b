"""Values cached between runs, by the content of a photo and by what computed them.

A SQLite file: the table `models` numbers the keys of what computed them, one more table has a row per (model, content).

Every `put` is a transaction of its own. In write-ahead mode that is one write to the operating system without a disk flush,
so what was put outlives a killed process at once, and no process waits for another's batch. A power cut may lose the last puts,
but does not damage the file.

A cache never stops what it is used for. A damaged file is set aside as `*.damaged` and a new one begun; another program's file, or a newer
version's, is left alone and nothing is cached; when the disk is full or the file read-only, what is in it is still used.
Each of these is logged once, as a warning of `mlsp.base.content_cache`.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Generic, Self, TypeVar

from mlsp.base.closing import Closing
from mlsp.base.content_cache.file import (
    DamagedRowError,
    ForeignFileError,
    is_damage,
    open_cache_file,
    set_aside,
)
from mlsp.base.sqlite import transaction

_log = logging.getLogger(__package__)

_SECONDS_PER_DAY = 86_400

Value = TypeVar("Value")


class ContentCache(Closing, Generic[Value]):
    """Caches values in a file; `open` opens one. Several threads may use it, and several processes its file."""

    # Name of the table of values, in the file and in messages.
    table: ClassVar[str]
    # A new model or version of mlsp has a new key; older ones go, so that the file does not grow with every release.
    kept_models: ClassVar[int]
    # A file that has grown to this takes nothing new.
    max_bytes: ClassVar[int | None] = None

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._inode: int | None = None
        self._is_writable = True
        self._model_ids: dict[str, int] = {}

    @staticmethod
    @abstractmethod
    def _pack(content: bytes, model_key: str, value: Value) -> bytes:
        """Write a row."""

    @staticmethod
    @abstractmethod
    def _unpack(content: bytes, model_key: str, row: object) -> Value:
        """Read a row, or raise DamagedRowError."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a cache; a missing file and its folders are made.

        Returns:
            The cache. Where the file cannot be used, a warning is logged and nothing is cached.
        """
        cache = cls(path)
        cache._connect()
        return cache

    def get(self, content_sha256: str, model_key: str) -> Value | None:
        """Look up a value.

        Args:
            content_sha256: of the photo's file, in hexadecimal digits.
            model_key: names the model, and everything else that moves its values.

        Returns:
            What was put, bit for bit; None for what is not cached, and from a closed cache.
        """
        content = bytes.fromhex(content_sha256)
        with self._lock:
            if self._connection is None:
                return None
            try:
                model = self._known_model(model_key)
                if model is None:
                    return None
                row = self._connection.execute(
                    f"SELECT value FROM {self.table} WHERE model = ? AND content = ?",  # noqa: S608 - a constant
                    (model, content),
                ).fetchone()
                return None if row is None else self._unpack(content, model_key, row[0])
            except (sqlite3.Error, DamagedRowError) as error:
                self._give_up_reading(error)
                return None

    def put(self, content_sha256: str, model_key: str, value: Value) -> None:
        """Cache a value, in place of what was cached; a closed cache does nothing.

        Args:
            content_sha256: of the photo's file, in hexadecimal digits.
            model_key: names the model, and everything else that moves its values.
            value: to cache.
        """
        content = bytes.fromhex(content_sha256)
        row = self._pack(content, model_key, value)
        with self._lock:
            if self._connection is None or not self._is_writable:
                return
            try:
                model = self._known_model(model_key)
                if model is None:
                    model = self._add_model(model_key)
                if self._is_writable and self._has_room():
                    self._connection.execute(
                        f"INSERT OR REPLACE INTO {self.table} VALUES (?, ?, ?)",  # noqa: S608 - a constant
                        (model, content, row),
                    )
            except sqlite3.Error as error:
                self._give_up_writing(error)

    def follow(self, moved: Iterable[tuple[str, str]]) -> None:
        """Cache for photos' contents what is cached for their earlier ones; a closed cache does nothing.

        Args:
            moved: SHA-256 of a content before and after something was changed that is no pixel, in hexadecimal digits.
        """
        with self._lock:
            if self._connection is None or not self._is_writable:
                return
            try:
                models = self._connection.execute("SELECT id, key FROM models").fetchall()
                with transaction(self._connection):
                    for before, after in moved:
                        for model, key in models:
                            self._follow(model, key, bytes.fromhex(before), bytes.fromhex(after))
            except (sqlite3.Error, DamagedRowError) as error:
                self._give_up_writing(error)

    def close(self) -> None:
        """Close the file. Threads that are still scoring may go on to call `get` and `put`."""
        with self._lock:
            self._disconnect()

    def _follow(self, model: int, key: str, before: bytes, after: bytes) -> None:
        connection = self._usable_connection()
        row = connection.execute(
            f"SELECT value FROM {self.table} WHERE model = ? AND content = ?",  # noqa: S608 - a constant
            (model, before),
        ).fetchone()
        if row is not None and self._has_room():
            # A row's checksum covers its content.
            packed = self._pack(after, key, self._unpack(before, key, row[0]))
            connection.execute(
                f"INSERT OR REPLACE INTO {self.table} VALUES (?, ?, ?)",  # noqa: S608 - a constant
                (model, after, packed),
            )

    def _connect(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._inode = self._path.stat().st_ino if self._path.exists() else None
            self._connection = open_cache_file(self._path, self.table)
            self._inode = self._path.stat().st_ino
        except (OSError, sqlite3.Error, ForeignFileError) as error:
            if is_damage(error):
                self._begin_anew(error)
            else:
                _log.warning("%s are not cached in %s: %s", self.table, self._path, error)

    def _disconnect(self) -> None:
        if self._connection is not None:
            # Closing writes the log back into the file, which a full disk or a damaged file refuses; the log then stays.
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None
        self._model_ids = {}

    def _known_model(self, key: str) -> int | None:
        """Return the number of a model, and note once a run that it is in use."""
        if key in self._model_ids:
            return self._model_ids[key]
        connection = self._usable_connection()
        row = connection.execute(
            "SELECT id, CAST(used AS INTEGER) FROM models WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            return None
        self._model_ids[key] = int(row[0])
        now = int(time.time())
        if self._is_writable and now - row[1] > _SECONDS_PER_DAY:
            try:
                connection.execute("UPDATE models SET used = ? WHERE id = ?", (now, row[0]))
            except sqlite3.Error as error:
                # A file that cannot be written can still be read.
                if is_damage(error):
                    raise
                self._give_up_writing(error)
        return int(row[0])

    def _add_model(self, key: str) -> int:
        """Number a new model, and delete those that were not used for longest."""
        connection = self._usable_connection()
        with transaction(connection):
            connection.execute(
                "INSERT INTO models (key, used) VALUES (?, ?) ON CONFLICT DO UPDATE SET used = excluded.used",
                (key, int(time.time())),
            )
            (model,) = connection.execute("SELECT id FROM models WHERE key = ?", (key,)).fetchone()
            connection.execute(
                "DELETE FROM models WHERE id NOT IN (SELECT id FROM models ORDER BY used DESC, id DESC LIMIT ?)",
                (self.kept_models,),
            )
            connection.execute(
                f"DELETE FROM {self.table} WHERE model NOT IN (SELECT id FROM models)"  # noqa: S608 - a constant
            )
        self._model_ids[key] = int(model)
        return int(model)

    def _has_room(self) -> bool:
        """Return whether the file may grow; logs once that it may not."""
        if self.max_bytes is None:
            return True
        connection = self._usable_connection()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        if (pages - free) * size < self.max_bytes:
            return True
        self._is_writable = False
        _log.warning(
            "new %s are not cached in %s: it has reached its limit of %.0f GB; delete the file to begin anew",
            self.table,
            self._path,
            self.max_bytes / 1e9,
        )
        return False

    def _usable_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.ProgrammingError(f"the cache of {self.table} is closed")
        return self._connection

    def _give_up_reading(self, error: Exception) -> None:
        if is_damage(error):
            self._begin_anew(error)
        else:
            self._disconnect()
            _log.warning("%s are no longer cached in %s: %s", self.table, self._path, error)

    def _give_up_writing(self, error: Exception) -> None:
        if is_damage(error):
            self._begin_anew(error)
        else:
            self._is_writable = False
            _log.warning("new %s are not cached in %s: %s", self.table, self._path, error)

    def _begin_anew(self, error: Exception) -> None:
        """Set a damaged file aside and open a new one."""
        self._disconnect()
        try:
            # Where another process was faster, the file at this path is its new one.
            if self._path.exists() and self._path.stat().st_ino == self._inode:
                aside = set_aside(self._path)
                _log.warning(
                    "the cache of %s %s is damaged (%s): it was set aside as %s, and a new one begun",
                    self.table,
                    self._path,
                    error,
                    aside.name,
                )
            self._connection = open_cache_file(self._path, self.table)
            self._is_writable = True
            self._inode = self._path.stat().st_ino
        except (OSError, sqlite3.Error, ForeignFileError) as second:
            self._disconnect()
            _log.warning(
                "the cache of %s %s is damaged (%s) and no new one could be begun (%s): nothing is cached",
                self.table,
                self._path,
                error,
                second,
            )


class NullCache(Closing, Generic[Value]):
    """Caches nothing; for runs without a cache."""

    def get(self, content_sha256: str, model_key: str) -> Value | None:
        """Return None."""
        return None

    def put(self, content_sha256: str, model_key: str, value: Value) -> None:
        """Do nothing."""

    def follow(self, moved: Iterable[tuple[str, str]]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
