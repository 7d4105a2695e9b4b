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
from mlsp.base.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from mlsp.features.pipeline import EncodedPhoto, PhotoFeatures
    from mlsp.scoring.predictor import Predicted
    from mlsp.scoring.results import ScoreResult

_SECONDS_BETWEEN_LINES = 60


class RunProgress:
    """A progress bar and the run's summary.

    Args:
        total: photos of the run.
        done_word: word for a photo that did not fail, such as `scored`.
        quiet: show neither.
        goes_on: the same command would continue after an interruption.
    """

    def __init__(self, total: int, *, done_word: str, quiet: bool, goes_on: bool = True) -> None:
        self._goes_on = goes_on
        self._done_word = done_word
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._quiet = quiet
        self._total = total
        self._done = 0
        self._started = self._last_line = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if not self._quiet and self._console.is_terminal:
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self._bar = Progress(
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[speed]}"),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(self._done_word, total=self._total, speed="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if kind is KeyboardInterrupt:
            hint = "; the same command continues from here" if self._goes_on else ""
            self._console.print(
                f"mlsp: interrupted after {self._done} of {self._total} photos{hint}"
            )

    def advance(
        self, result: ScoreResult | PhotoFeatures | EncodedPhoto | Predicted | ScoreFailure
    ) -> None:
        """Count a result, and name it if it failed."""
        self._done += 1
        if isinstance(result, ScoreFailure):
            self._console.print(
                Text(
                    f"{printable(str(result.source))}: {printable(str(result.error))}", style="red"
                )
            )
        now = time.monotonic()
        speed = self._done / max(now - self._started, 1e-3)
        shown = f"{speed:.{0 if speed >= 10 else 1}f} photos/s"
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done, speed=shown)
        elif not self._quiet and now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            left = timedelta(seconds=round((self._total - self._done) / speed))
            self._console.print(f"{self._done} of {self._total}, {shown}, {left} left")

    def summarise(self, done: int, failed: int, outputs: Sequence[Path] = ()) -> None:
        """Print the counts, the time and the files that were written.

        Args:
            done: photos that did not fail.
            failed: photos that did.
            outputs: files that were written.
        """
        if self._quiet:
            return
        seconds = time.monotonic() - self._started
        parts = [f"{done} {self._done_word}"]
        if failed:
            parts.append(f"{failed} failed")
        text = f"{', '.join(parts)} in {seconds:.1f} s"
        if outputs:
            text += f" → {', '.join(printable(str(path)) for path in outputs)}"
        self._console.print(Text(text))
