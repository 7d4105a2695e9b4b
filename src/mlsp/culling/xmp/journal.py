"""What each run wrote into sidecars, so that it can be taken back byte for byte.

A run is a file of JSON lines in the user's data folder: what wrote it and when, then for each sidecar its path, all of its bytes
before, or none where it was not there, and the digest of those after. Of a photo, whose XMP was written into it, it has only the
bytes that were changed. A line is in the file before the sidecar is written, so a kill at any moment leaves nothing that cannot be
taken back. Runs are numbered as they begin, and a number is that of its run as long as there are notes of it: those of files that
cannot be taken back yet stay. The newest `KEPT_RUNS` runs are kept.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlsp.base.closing import Closing
from mlsp.base.errors import OutputError
from mlsp.culling.xmp.journal_lines import (
    Line,
    digest_before,
    encoded,
    line_of,
    read_lines,
    run_files,
    run_number,
)

KEPT_RUNS = 100

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
        self._noted: set[Path] = set()
        self.path: Path | None = None

    @property
    def files(self) -> int:
        """How many files were noted, which are written or just about to be."""
        return len(self._noted)

    def note(self, file: Path, before: bytes | None, after: bytes) -> None:
        """Note a sidecar, or a photo, that is about to be written.

        Args:
            file: the sidecar or photo.
            before: what is in it; None where it is not there.
            after: what will be in it.

        Raises:
            OutputError: it cannot be noted: the disk is full, or the folder cannot be written to.
        """
        line = line_of(file, before, after)
        with self._lock:
            try:
                if self._descriptor is None:
                    self._descriptor = self._begin()
                _write(self._descriptor, line)
                self._noted.add(file)
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
        known = run_files(self._folder)
        number = run_number(known[-1]) + 1 if known else 1
        path = self._folder / f"{number:06}-{secrets.token_hex(3)}.jsonl"
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
        for old in run_files(self._folder)[:-KEPT_RUNS]:
            with contextlib.suppress(OSError):
                old.unlink()
        return descriptor


@dataclass(frozen=True, slots=True)
class Run:
    """A run that wrote sidecars.

    Attributes:
        path: of its file.
        number: from 1, in the order in which runs began.
        what: wrote them.
        began: when, UTC.
        ratings: file of the ratings that were written; None where they are not a user's.
        sidecars: that it wrote and that are not taken back yet, in their order.
        is_taken_back: but for these, which another program has changed.
    """

    path: Path
    number: int
    what: str
    began: datetime
    ratings: Path | None
    sidecars: tuple[Path, ...]
    is_taken_back: bool


def runs(folder: Path | None = None) -> Iterator[Run]:
    """Yield the runs that can be taken back, newest first, each read when it is asked for.

    Args:
        folder: of all runs; None: the user's.
    """
    for path in reversed(run_files(default_journal_folder() if folder is None else folder)):
        run = read_run(path)
        if run is not None:
            yield run


def read_run(path: Path) -> Run | None:
    """Read a run; None where it was taken back already, had written nothing yet when it was killed, or is damaged, which is logged."""
    try:
        lines = read_lines(path)
        first = next(lines, None)
        if first is None:
            return None
        ratings = Path(first["ratings"]) if first["ratings"] else None
        began = datetime.fromisoformat(first["began"])
        # One may have been written twice: stars, then keywords.
        sidecars = tuple(dict.fromkeys(Path(line["file"]) for line in lines))
        if not sidecars:
            return None
        is_taken_back = first.get("taken_back") is True
        return Run(
            path, run_number(path), str(first["what"]), began, ratings, sidecars, is_taken_back
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("what %s has cannot be taken back: it is damaged: %r", path, error)
        return None


def written_photos(run: Path) -> list[tuple[Path, str, str]]:
    """Return the photos that a run wrote into, in order, each with the SHA-256 of its content before and after, in hexadecimal digits."""
    _, *lines = read_lines(run)
    found: dict[Path, tuple[str, str]] = {}
    for line in lines:
        file, was = Path(line["file"]), digest_before(line)
        if file.suffix.lower() != ".xmp" and was is not None:
            # One may have been written twice: stars, then keywords.
            found[file] = found[file][0] if file in found else was, line["after"]
    return [(file, before, after) for file, (before, after) in found.items()]


def _write(descriptor: int, line: Line) -> None:
    """Append a line, or nothing: what another thread writes next must not follow half of one."""
    content = encoded(line)
    size = os.fstat(descriptor).st_size
    try:
        while content:
            content = content[os.write(descriptor, content) :]
    except BaseException:
        os.ftruncate(descriptor, size)
        raise
