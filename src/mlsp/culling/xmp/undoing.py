"""What a run wrote, taken back."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

from mlsp.base.atomic_file import atomic_write
from mlsp.base.errors import SettingsError, SidecarError
from mlsp.culling.xmp.files import left_alone, read_content, remove_sidecar, restore_sidecar
from mlsp.culling.xmp.journal import Run
from mlsp.culling.xmp.journal_lines import (
    Line,
    content_before,
    digest,
    digest_before,
    encoded,
    read_lines,
    run_files,
    run_number,
)

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Undone:
    """What became of the sidecars of a run.

    Attributes:
        restored: they are as they were before.
        removed: the run had made them.
        unchanged: they were as before already.
        left: why a file is left as it is, for each: it was changed since, cannot be written, or is not there for now.
    """

    restored: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)
    left: list[SidecarError] = field(default_factory=list)

    def __str__(self) -> str:
        is_photo = any(file.suffix.lower() != ".xmp" for file in self.restored)
        kind = "file" if is_photo else "sidecar"
        plural = "" if len(self.restored) == 1 else "s"
        parts = [f"{len(self.restored)} {kind}{plural} restored", f"{len(self.removed)} removed"]
        if self.unchanged:
            parts.append(f"{len(self.unchanged)} as before already")
        if self.left:
            parts.append(
                f"{len(self.left)} left as {'it is' if len(self.left) == 1 else 'they are'}"
            )
        return ", ".join(parts)


def undo(run: Run) -> Undone:
    """Take back what a run wrote: sidecars are as they were before it, byte for byte, and those that it made are removed.

    A sidecar that was changed since is left alone; the run can be taken back again for those.

    Args:
        run: one of `runs`.

    Raises:
        SettingsError: its file is gone.
    """
    try:
        first, *lines = read_lines(run.path)
    except OSError as error:
        raise SettingsError(
            f"this run of {run.what} was taken back already: see `mlsp stars runs`"
        ) from error
    undoing = _Undoing(run, lines)
    # A sidecar may have been written twice.
    for line in reversed(lines):
        undoing.take_back(line)
    done = undoing.done()
    if not undoing.kept:
        run.path.unlink(missing_ok=True)
        return done
    first["taken_back"] = not undoing.waits
    try:
        with atomic_write(run.path) as stream:
            for line in (first, *reversed(undoing.kept)):
                stream.write(encoded(line))
    except OSError as error:
        # All of the notes are still there: what is taken back already counts as such when the run is tried again.
        _log.warning("cannot note in %s what is left of the run: %s", run.path, error)
    return done


class _Undoing:
    """Takes a run back, line by line.

    Attributes:
        kept: lines that could not be taken back, newest first.
        waits: whether some of them can be later, without anybody else's help: a drive is not there, or a newer run comes first.
    """

    def __init__(self, run: Run, lines: list[Line]) -> None:
        self._run = run
        self._before_run: dict[str, str | None] = {}
        for line in lines:
            self._before_run.setdefault(line["file"], digest_before(line))
        self._restored: set[Path] = set()
        self._removed: set[Path] = set()
        self._unchanged: set[Path] = set()
        self._left: dict[Path, SidecarError] = {}
        self._newer: dict[tuple[str, str], int] | None = None
        self.kept: list[Line] = []
        self.waits = False

    def take_back(self, line: Line) -> None:
        file = Path(line["file"])
        if file in self._left:
            self.kept.append(line)
            return
        try:
            self._take_back(file, line)
        except SidecarError as error:
            self._left[file] = error
            self.kept.append(line)

    def done(self) -> Undone:
        changed = self._restored | self._removed
        return Undone(
            sorted(self._restored - self._removed),
            sorted(self._removed),
            sorted(self._unchanged - changed),
            list(self._left.values()),
        )

    def _take_back(self, file: Path, line: Line) -> None:
        now = read_content(file)
        if now is None and _is_empty(file.parent):
            self.waits = True
            raise left_alone(
                file,
                "its folder is not there, or is empty: connect its drive, then take the run back again",
            )
        is_now = None if now is None else digest(now)
        if is_now in (digest_before(line), self._before_run[line["file"]]):
            self._unchanged.add(file)
            return
        if now is None:
            raise left_alone(file, "it was moved or removed since; it had been there before")
        if is_now != line["after"]:
            later = self._later_run(line["file"], digest(now))
            if later is None:
                raise left_alone(
                    file, "it was changed since. Take the stars away in the program that changed it"
                )
            self.waits = True
            raise left_alone(
                file,
                f"run {later} wrote it later: take that back first, `mlsp stars undo --run {later}`",
            )
        before = content_before(line, now)
        if before is None:
            remove_sidecar(file, now)
            self._removed.add(file)
        else:
            restore_sidecar(file, now, before)
            self._restored.add(file)

    def _later_run(self, file: str, now: str) -> int | None:
        """Return the run that made a file what it is now; None where it was none that can be taken back."""
        if self._newer is None:
            self._newer = {
                (line["file"], line["after"]): run_number(path)
                for path in run_files(self._run.path.parent)
                if run_number(path) > self._run.number
                for line in list(read_lines(path))[1:]
            }
        return self._newer.get((file, now))


def _is_empty(folder: Path) -> bool:
    """Return whether nothing is in a folder, as in that of a drive that is not there, or it is not there itself."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError:
        return not folder.is_dir()
