"""Progress of training on stderr: a bar per epoch on a terminal, and a line per epoch in any case."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlsp.cli.progress import ProgressBar, speed_text

if TYPE_CHECKING:
    from mlsp.training import EpochRecord, TrainingCallbacks


class TrainProgress(ProgressBar):
    """A bar and a line per epoch.

    Args:
        quiet: show neither; photos that fail are still named.
    """

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._done = 0

    def callbacks(self) -> TrainingCallbacks:
        """Return the callbacks of `mlsp.training` that show the progress."""
        from mlsp.training import TrainingCallbacks

        return (
            TrainingCallbacks()
            if self._quiet
            else TrainingCallbacks(self._begin, self._advance, self._end)
        )

    def _begin(self, epoch: int, photos: int) -> None:
        self._started, self._done = time.monotonic(), 0
        self._begin_bar(photos, title=f"epoch {epoch}")

    def _advance(self, photos: int) -> None:
        self._done += photos
        if self._bar is not None:
            self._show(self._done, speed_text(self._done / self._seconds()))

    def _end(self, record: EpochRecord) -> None:
        self._end_bar()
        self._console.print(
            f"epoch {record.epoch}: learning rate {record.learning_rate:g}, loss {record.train_loss:.4f},"
            f" validation {record.validation_loss:.4f}, SRCC {record.validation_srcc:.4f},"
            f" PLCC {record.validation_plcc:.4f}, {record.seconds:.1f} s, {record.rows_per_s:.0f} photos/s"
            + (", the best so far" if record.is_best else "")
        )

    def _interrupted(self) -> str:
        return "; the same command continues after the last whole epoch"
