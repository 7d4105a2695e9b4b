"""What each run wrote into sidecars, so that it can be taken back byte for byte.

A run is a file of JSON lines in the user's data folder: what wrote it and when, then for each sidecar its path, all of its bytes
before, or none where it was not there, and the digest of those after. Of a photo, whose XMP was written into it, it has only the
bytes that were changed. A line is in the file before the sidecar is written, so a kill at any moment leaves nothing that cannot be
taken back. The newest `KEPT_RUNS` runs are kept.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import logging
import os
import secrets
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from mlsp.base.closing import Closing
from mlsp.base.errors import OutputError, SettingsError, SidecarError
from mlsp.base.json_text import parse_object
from mlsp.culling.xmp.changes import changes_back, with_changes
from mlsp.culling.xmp.files import left_alone, read_content, remove_sidecar, restore_sidecar

KEPT_RUNS = 100
_ENDING = ".jsonl"
# Files that are smaller are kept whole.
_WHOLE_BYTES = 256 * 1024
_Line: TypeAlias = dict[str, Any]

_log = logging.getLogger(__name__)


def default_journal_folder() -> Path:
    """Return the folder of runs: MLSP_STARS if it is set, else one in the user's data folder."""
    folder = os.environ.get("MLSP_STARS")
    if folder:
        return Path(folder).expanduser()
    from platformdirs import user_data_path

    return user_data_path("mlsp", appauthor=False) / "stars"


class Journal(Closing):
    """The journal of a run that writes sidecars. Its file is made with the first of them. Several threads may use it at once.

    Args:
        what: wrote them, as a user calls it: `mlsp score --xmp`.
        ratings: file of the ratings that were written, where they are the user's.
        folder: of all runs.
    """

    def __init__(
        self, what: str, *, ratings: Path | None = None, folder: Path | None = None
    ) -> None:
        self._what = what
        self._ratings = ratings
        self._folder = default_journal_folder() if folder is None else folder
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self.path: Path | None = None

    def note(self, file: Path, before: bytes | None, after: bytes) -> None:
        """Note a sidecar, or a photo, that is about to be written.

        Args:
            file: the sidecar or photo.
            before: what is in it; None where it is not there.
            after: what will be in it.

        Raises:
            OutputError: it cannot be noted: the disk is full, or the folder cannot be written to.
        """
        line: _Line = {"file": os.path.abspath(file), "after": _digest(after)}
        if before is None or len(before) < _WHOLE_BYTES:
            line["before"] = None if before is None else _packed(before)
        else:
            line["was"] = _digest(before)
            line["changes"] = [
                [start, end, _packed(old)] for start, end, old in changes_back(after, before)
            ]
        with self._lock:
            try:
                if self._descriptor is None:
                    self._descriptor = self._begin()
                _write(self._descriptor, line)
            except OSError as error:
                raise OutputError(
                    f"cannot note in {str(self._folder)!r} what sidecars had before ({error.strerror or error}), so none is written:"
                    " free some space, or name another folder in the variable MLSP_STARS"
                ) from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._descriptor = None

    def _begin(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC)
        path = self._folder / f"{now:%Y%m%dT%H%M%S%fZ}-{secrets.token_hex(3)}{_ENDING}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        # It has what is in sidecars: keywords and names of people.
        descriptor = os.open(path, flags, 0o600)
        ratings = None if self._ratings is None else os.fspath(self._ratings)
        began = now.isoformat(timespec="seconds")
        try:
            _write(descriptor, {"what": self._what, "began": began, "ratings": ratings})
        except OSError:
            os.close(descriptor)
            path.unlink()
            raise
        self.path = path
        for old in _files(self._folder)[:-KEPT_RUNS]:
            with contextlib.suppress(OSError):
                old.unlink()
        return descriptor


@dataclass(frozen=True, slots=True)
class Run:
    """A run that wrote sidecars.

    Attributes:
        path: of its file.
        what: wrote them.
        began: when, UTC.
        ratings: file of the ratings that were written; None where they are not a user's.
        sidecars: that it wrote, in their order.
    """

    path: Path
    what: str
    began: datetime
    ratings: Path | None
    sidecars: tuple[Path, ...]


@dataclass(slots=True)
class Undone:
    """What became of the sidecars of a run.

    Attributes:
        restored: they are as they were before.
        removed: the run had made them.
        unchanged: they were as before already.
        left: those that were changed since, or cannot be written, and why.
    """

    restored: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)
    left: list[SidecarError] = field(default_factory=list)

    def __str__(self) -> str:
        is_photo = any(file.suffix.lower() != ".xmp" for file in self.restored)
        kind = "files" if is_photo else "sidecars"
        parts = [f"{len(self.restored)} {kind} restored", f"{len(self.removed)} removed"]
        if self.unchanged:
            parts.append(f"{len(self.unchanged)} as before already")
        if self.left:
            parts.append(f"{len(self.left)} left as they are")
        return ", ".join(parts)


def runs(folder: Path | None = None) -> Iterator[Run]:
    """Yield the runs that can be taken back, newest first, each read when it is asked for.

    Args:
        folder: of all runs; None: the user's.
    """
    for path in reversed(_files(default_journal_folder() if folder is None else folder)):
        run = read_run(path)
        if run is not None:
            yield run


def read_run(path: Path) -> Run | None:
    """Read a run; None where it was taken back already, had written nothing yet when it was killed, or is damaged, which is logged.

    Args:
        path: of its file.
    """
    try:
        lines = _lines(path)
        first = next(lines, None)
        if first is None:
            return None
        ratings = Path(first["ratings"]) if first["ratings"] else None
        began = datetime.fromisoformat(first["began"])
        # One may have been written twice: stars, then keywords.
        sidecars = tuple(dict.fromkeys(Path(line["file"]) for line in lines))
        return Run(path, str(first["what"]), began, ratings, sidecars)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("what %s has cannot be taken back: it is damaged: %r", path, error)
        return None


def written_photos(run: Path) -> list[tuple[Path, str, str]]:
    """Return the photos that a run wrote into, in order, each with the SHA-256 of its content before and after, in hexadecimal digits.

    Args:
        run: file of the run.
    """
    _, *lines = _lines(run)
    found: dict[Path, tuple[str, str]] = {}
    for line in lines:
        file, was = Path(line["file"]), _was(line)
        if file.suffix.lower() != ".xmp" and was is not None:
            # One may have been written twice: stars, then keywords.
            found[file] = found[file][0] if file in found else was, line["after"]
    return [(file, before, after) for file, (before, after) in found.items()]


def undo(run: Run) -> Undone:
    """Take back what a run wrote: sidecars are as they were before it, byte for byte, and those that it made are removed.

    A sidecar that was changed since is left alone; the run can be taken back again for those.

    Args:
        run: one of `runs`.

    Raises:
        SettingsError: its file is gone.
    """
    try:
        _, *lines = _lines(run.path)
    except OSError as error:
        raise SettingsError(
            f"this run of {run.what} was taken back already: see `mlsp stars runs`"
        ) from error
    done = Undone()
    kept = []
    # A sidecar may have been written twice.
    for line in reversed(lines):
        file = Path(line["file"])
        try:
            _undo(file, line, done)
        except SidecarError as error:
            done.left.append(error)
            kept.append(line)
    if not kept:
        run.path.unlink(missing_ok=True)
    removed = set(done.removed)
    done.restored = [file for file in dict.fromkeys(done.restored) if file not in removed]
    return done


def _undo(file: Path, line: _Line, done: Undone) -> None:
    now = read_content(file)
    is_now = None if now is None else _digest(now)
    if is_now == _was(line):
        done.unchanged.append(file)
        return
    if now is None:
        raise left_alone(file, "it was moved or removed since; it had been there before")
    if is_now != line["after"]:
        raise left_alone(
            file, "it was changed since. Take the stars away in the program that changed it"
        )
    before = _before(line, now)
    if before is None:
        remove_sidecar(file, now)
        done.removed.append(file)
    else:
        restore_sidecar(file, now, before)
        done.restored.append(file)


def _was(line: _Line) -> str | None:
    """Return the digest of what a file was before; None where it was not there."""
    if "was" in line:
        return str(line["was"])
    return _digest(_unpacked(line["before"])) if line["before"] else None


def _before(line: _Line, now: bytes) -> bytes | None:
    if "changes" in line:
        return with_changes(
            now, [(start, end, _unpacked(old)) for start, end, old in line["changes"]]
        )
    return _unpacked(line["before"]) if line["before"] else None


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{_ENDING}"))


def _lines(path: Path) -> Iterator[_Line]:
    """Yield the lines of a run; one that a kill cut short was never acted upon, and one that is damaged is logged."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield parse_object(line)
            except ValueError as error:
                _log.warning("%s:%d cannot be taken back: it is damaged: %s", path, number, error)


def _write(descriptor: int, line: _Line) -> None:
    """Append a line, or nothing: what another thread writes next must not follow half of one."""
    content = json.dumps(line).encode() + b"\n"
    size = os.fstat(descriptor).st_size
    try:
        while content:
            content = content[os.write(descriptor, content) :]
    except BaseException:
        os.ftruncate(descriptor, size)
        raise


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()


def _unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
