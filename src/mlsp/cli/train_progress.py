"""Progress of training on stderr: a bar per epoch on a terminal, and a line per epoch in any case."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from mlsp.training import EpochRecord, TrainingCallbacks


class TrainProgress:
    """A bar and a line per epoch.

    Args:
        quiet: nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._started = 0.0
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()
        if kind is KeyboardInterrupt:
            self._console.print(
                "mlsp: interrupted; the same command continues after the last whole epoch"
            )

    def watch(self) -> TrainingCallbacks:
        """For `mlsp.training`."""
        from mlsp.training import TrainingCallbacks

        return (
            TrainingCallbacks()
            if self._quiet
            else TrainingCallbacks(self._begin, self._advance, self._end)
        )

    def _begin(self, epoch: int, photos: int) -> None:
        self._started, self._done = time.monotonic(), 0
        if not self._console.is_terminal:
            return
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(f"epoch {epoch}", total=photos, speed="")

    def _advance(self, photos: int) -> None:
        self._done += photos
        if self._bar is not None and self._task is not None:
            speed = self._done / max(time.monotonic() - self._started, 1e-3)
            self._bar.update(self._task, completed=self._done, speed=f"{speed:.0f} photos/s")

    def _end(self, record: EpochRecord) -> None:
        self._stop()
        self._console.print(
            f"epoch {record.epoch}: learning rate {record.learning_rate:g}, loss {record.train_loss:.4f},"
            f" validation {record.validation_loss:.4f}, SRCC {record.validation_srcc:.4f},"
            f" PLCC {record.validation_plcc:.4f}, {record.seconds:.1f} s, {record.rows_per_s:.0f} photos/s"
            + (", the best so far" if record.is_best else "")
        )

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
