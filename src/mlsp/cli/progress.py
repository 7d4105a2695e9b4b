"""Progress of a run on stderr: a bar on a terminal, else a line per minute; and a line per failed photo in any case."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.text import Text

from mlsp.base.results import ScoreFailure
from mlsp.base.text import listed, printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from mlsp.features.pipeline import EncodedPhoto, PhotoFeatures
    from mlsp.scoring.predictor import Predicted
    from mlsp.scoring.results import ScoreResult

_SECONDS_BETWEEN_LINES = 60


def stderr_console() -> Console:
    """Return a console that writes to stderr, a line as it is."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


class ProgressBar:
    """Base of what shows the progress of a command; use it in `with`.

    Args:
        quiet: show no bar and no lines about what is done.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._console = stderr_console()
        self._quiet = quiet
        self._started = self._last_line = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end_bar()
        if kind is KeyboardInterrupt:
            self._console.print(f"mlsp: interrupted{self._interrupted()}")

    def name_failure(self, failure: ScoreFailure) -> None:
        """Print which photo failed and why."""
        text = f"{printable(str(failure.source))}: {printable(str(failure.error))}"
        self._console.print(Text(text, style="red"))

    def _interrupted(self) -> str:
        """Return what follows `interrupted` on Ctrl-C: nothing, or what was done by then."""
        return ""

    def _begin_bar(self, total: int, *, title: str = "", counts: bool = True) -> None:
        """Show a bar where there is a terminal.

        Args:
            total: steps of the run.
            title: left of the bar.
            counts: show the number of steps and the time left too.
        """
        if self._quiet or not self._console.is_terminal:
            return
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            *([TextColumn("{task.description}")] if title else []),
            BarColumn(),
            *([MofNCompleteColumn()] if counts else []),
            TextColumn("{task.fields[text]}"),
            *([TimeRemainingColumn()] if counts else []),
            console=self._console,
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(title, total=total, text="")

    def _show(self, done: int, text: str, line: str | None = None) -> None:
        """Show how far the run is: the steps done and `text` with the bar, or `line`, if it differs, once a minute."""
        now = time.monotonic()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, text=text)
        elif not self._quiet and now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            self._console.print(text if line is None else line)

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _seconds(self) -> float:
        """Return the seconds since the start, more than 0."""
        return max(time.monotonic() - self._started, 1e-3)

    def _print_result(self, counts: str, outputs: str) -> None:
        """Print what a run did, in how long, and where it wrote; nothing if the run is quiet."""
        if not self._quiet:
            text = f"{counts} in {time.monotonic() - self._started:.1f} s"
            self._console.print(Text(f"{text} → {outputs}" if outputs else text))


def left_out_text(names: Sequence[str]) -> str:
    """Return a line about photos that --missing leave-out counts."""
    return f"mlsp: {len(names)} photos are missing or unreadable, and left out: {listed(names)}"


def speed_text(photos_per_s: float) -> str:
    """Return a speed in words."""
    return f"{photos_per_s:.{0 if photos_per_s >= 10 else 1}f} photos/s"


class DownloadProgress(ProgressBar):
    """Callback that shows the download of a network's weights on a terminal, and nothing elsewhere."""

    def __call__(self, done: int, total: int) -> None:
        """Show the bytes so far and in all; 0 while the latter are unknown."""
        if self._bar is None:
            self._begin_bar(total, title="downloading weights", counts=False)
        if self._bar is not None:
            of_all = f" of {total / 1e6:.1f}" if total else ""
            self._show(done, f"{done / 1e6:.1f}{of_all} MB")
        if done == total:
            self._end_bar()

    def __exit__(self, *_: object) -> None:
        # An interruption is named by the run.
        self._end_bar()


class CountProgress(ProgressBar):
    """Callback that shows how many photos of a run are done."""

    def __call__(self, done: int, total: int) -> None:
        """Show that so many of all photos are done."""
        if self._bar is None:
            self._begin_bar(total)
        self._show(done, "", f"{done} of {total}")

    def _interrupted(self) -> str:
        return "; the same command continues from here"


class RunProgress(ProgressBar):
    """A progress bar and the run's summary.

    Args:
        total: photos of the run.
        done_word: word for a photo that did not fail, such as `scored`.
        quiet: show neither.
        goes_on: the same command would continue after an interruption.
        leaves_out: failed photos are named together in the summary, not one by one.
    """

    def __init__(
        self,
        total: int,
        *,
        done_word: str,
        quiet: bool,
        goes_on: bool = True,
        leaves_out: bool = False,
    ) -> None:
        super().__init__(quiet=quiet)
        self._leaves_out = leaves_out
        self._left_out: list[str] = []
        self._goes_on = goes_on
        self._done_word = done_word
        self._total = total
        self._done = 0

    def __enter__(self) -> Self:
        self._begin_bar(self._total)
        return self

    def advance(
        self, result: ScoreResult | PhotoFeatures | EncodedPhoto | Predicted | ScoreFailure
    ) -> None:
        """Count a result, and name it if it failed."""
        self._done += 1
        if isinstance(result, ScoreFailure):
            if self._leaves_out:
                self._left_out.append(result.source.name)
            else:
                self.name_failure(result)
        speed = self._done / self._seconds()
        shown = speed_text(speed)
        left = timedelta(seconds=round((self._total - self._done) / speed))
        self._show(self._done, shown, f"{self._done} of {self._total}, {shown}, {left} left")

    def summarise(self, done: int, failed: int, outputs: Sequence[Path] = ()) -> None:
        """Print the counts, the time and the files that were written.

        Args:
            done: photos that did not fail.
            failed: photos that did.
            outputs: files that were written.
        """
        word = "left out" if self._leaves_out else "failed"
        counts = f"{done} {self._done_word}" + (f", {failed} {word}" if failed else "")
        if self._left_out:
            self._console.print(Text(left_out_text(self._left_out)))
        self._print_result(counts, ", ".join(printable(str(path)) for path in outputs))

    def _interrupted(self) -> str:
        hint = "; the same command continues from here" if self._goes_on else ""
        return f" after {self._done} of {self._total} photos{hint}"
