"""Scores remembered between runs, by what is in a photo and which model scored it.

A small SQLite file: `models` numbers the model keys, `scores` has one row a (model, content). A row of two heads takes about
102 bytes of the file (measured over 20,000 rows), a `get` about 15 µs.

Every `put` is a transaction of its own. In write-ahead mode that is one write to the operating system without a disk flush,
about 50 µs, so what was put outlives a killed process at once, and no process waits for another's batch. A power cut may lose
the last puts, but does not damage the file.

A cache never stops scoring. A damaged file is set aside as `*.damaged` and a new one begun; another program's file, or a newer
version's, is left alone and nothing is remembered; when the disk is full or the file read-only, what is in it is still used.
Each of these is said once, as a warning of the logger `mlsp.score_cache`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from mlsp.score_cache.file import (
    ForeignFileError,
    is_damage,
    open_cache_file,
    set_aside,
    transaction,
)
from mlsp.score_cache.rows import CachedScores, DamagedRowError, pack, unpack

__all__ = ["CachedScores", "NullCache", "ScoreCache", "default_cache_path"]

_log = logging.getLogger(__name__)

# A new model or version of mlsp has a new key; older ones go, so that the file does not grow with every release.
_KEPT_MODELS = 8
_SECONDS_A_DAY = 86_400


def default_cache_path() -> Path:
    """Say where scores are remembered: in MLSP_CACHE_DIR if it is set, else in the user's cache folder."""
    folder = os.environ.get("MLSP_CACHE_DIR")
    if folder:
        return Path(folder).expanduser() / "scores.sqlite"
    from platformdirs import user_cache_path

    return user_cache_path("mlsp", appauthor=False) / "scores.sqlite"


class NullCache:
    """Remembers nothing; for runs without a cache."""

    def get(self, content_sha256: str, model_key: str) -> CachedScores | None:
        """Return None."""
        return None

    def put(self, content_sha256: str, model_key: str, scores: CachedScores) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None


class ScoreCache:
    """Remembers scores in a file; `ScoreCache.open` makes one. Safe for several threads, and several processes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._inode: int | None = None
        self._is_writable = True
        self._model_ids: dict[str, int] = {}

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a cache, and make its file and folders where they are missing.

        Args:
            path: the file.

        Returns:
            The cache. Where the file cannot be used a warning is logged, and the cache remembers nothing.
        """
        cache = cls(path)
        cache._connect()
        return cache

    def get(self, content_sha256: str, model_key: str) -> CachedScores | None:
        """Look scores up.

        Args:
            content_sha256: of the photo's file, in hexadecimal digits.
            model_key: names the model and all that moves its scores.

        Returns:
            What was put, bit for bit; None for what is not known, and from a closed cache.
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
                    "SELECT value FROM scores WHERE model = ? AND content = ?", (model, content)
                ).fetchone()
                return None if row is None else unpack(content, model_key, row[0])
            except (sqlite3.Error, DamagedRowError) as error:
                self._give_up_reading(error)
                return None

    def put(self, content_sha256: str, model_key: str, scores: CachedScores) -> None:
        """Remember scores, in place of what was known; a closed cache ignores them.

        Args:
            content_sha256: of the photo's file, in hexadecimal digits.
            model_key: names the model and all that moves its scores.
            scores: what to remember.
        """
        content = bytes.fromhex(content_sha256)
        value = pack(content, model_key, scores)
        with self._lock:
            if self._connection is None or not self._is_writable:
                return
            try:
                model = self._known_model(model_key)
                if model is None:
                    model = self._add_model(model_key)
                if self._is_writable:
                    self._connection.execute(
                        "INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", (model, content, value)
                    )
            except sqlite3.Error as error:
                self._give_up_writing(error)

    def close(self) -> None:
        """Close the file. Threads that are still scoring may go on to call `get` and `put`."""
        with self._lock:
            self._disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _connect(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._inode = self._path.stat().st_ino if self._path.exists() else None
            self._connection = open_cache_file(self._path)
            self._inode = self._path.stat().st_ino
        except (OSError, sqlite3.Error, ForeignFileError) as error:
            if is_damage(error):
                self._begin_anew(error)
            else:
                _log.warning("scores are not remembered in %s: %s", self._path, error)

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
        if self._is_writable and now - row[1] > _SECONDS_A_DAY:
            try:
                connection.execute("UPDATE models SET used = ? WHERE id = ?", (now, row[0]))
            except sqlite3.Error as error:
                # A file that cannot be written can still be read.
                if is_damage(error):
                    raise
                self._give_up_writing(error)
        return int(row[0])

    def _add_model(self, key: str) -> int:
        """Number a new model, and forget those that were not used for longest."""
        connection = self._usable_connection()
        with transaction(connection):
            connection.execute(
                "INSERT INTO models (key, used) VALUES (?, ?) ON CONFLICT DO UPDATE SET used = excluded.used",
                (key, int(time.time())),
            )
            (model,) = connection.execute("SELECT id FROM models WHERE key = ?", (key,)).fetchone()
            connection.execute(
                "DELETE FROM models WHERE id NOT IN (SELECT id FROM models ORDER BY used DESC, id DESC LIMIT ?)",
                (_KEPT_MODELS,),
            )
            connection.execute("DELETE FROM scores WHERE model NOT IN (SELECT id FROM models)")
        self._model_ids[key] = int(model)
        return int(model)

    def _usable_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.ProgrammingError("the score cache is closed")
        return self._connection

    def _give_up_reading(self, error: Exception) -> None:
        if is_damage(error):
            self._begin_anew(error)
        else:
            self._disconnect()
            _log.warning("scores are no longer remembered in %s: %s", self._path, error)

    def _give_up_writing(self, error: sqlite3.Error) -> None:
        if is_damage(error):
            self._begin_anew(error)
        else:
            self._is_writable = False
            _log.warning("new scores are not remembered in %s: %s", self._path, error)

    def _begin_anew(self, error: Exception) -> None:
        """Set a damaged file aside and open a new one."""
        self._disconnect()
        try:
            # Where another process was faster, the file at this path is its new one.
            if self._path.exists() and self._path.stat().st_ino == self._inode:
                aside = set_aside(self._path)
                _log.warning(
                    "the score cache %s is damaged (%s): it was set aside as %s, and a new one begun",
                    self._path,
                    error,
                    aside.name,
                )
            self._connection = open_cache_file(self._path)
            self._is_writable = True
            self._inode = self._path.stat().st_ino
        except (OSError, sqlite3.Error, ForeignFileError) as second:
            self._disconnect()
            _log.warning(
                "the score cache %s is damaged (%s) and no new one could be begun (%s): scores are not remembered",
                self._path,
                error,
                second,
            )
