"""Progress of a run into a data set, on stderr: a bar on a terminal, else a line per minute."""

from __future__ import annotations

import time
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.text import Text

from mlsp.base.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID
    from rich.status import Status

    from mlsp.bulk import BulkJob, ShardReport

_SECONDS_BETWEEN_LINES = 60


def _console() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=True)


class Listing:
    """A status line while the input is listed.

    Args:
        quiet: show nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        console = _console()
        self._status: Status | None = None
        if not quiet and console.is_terminal:
            self._status = console.status("listing photos")

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def advance(self, photos: int) -> None:
        """Show how many photos were listed so far."""
        if self._status is not None:
            self._status.update(f"listing photos: {photos:,}")


class BulkProgress:
    """A progress bar and the run's summary.

    Args:
        job: the run.
        quiet: show neither; shards that fail are still named.
        by_row: count photo by photo instead of by finished shards.
    """

    def __init__(self, job: BulkJob, *, quiet: bool, by_row: bool) -> None:
        self._job = job
        self._quiet = quiet
        self._by_row = by_row
        self._console = _console()
        self._photos_to_do = job.photos_to_do
        self._shards_to_do = max(job.survey.shards - job.shards_done, 0)
        self._seen = self._seen_failed = self._shards = self._photos = 0
        self.failed = 0
        self.shard_errors: list[str] = []
        self._started = self._last_line = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._quiet:
            return self
        if self._job.shards_done:
            self._console.print(
                f"mlsp: {self._job.shards_done:,} of {self._job.survey.shards:,} shards were scored earlier"
            )
        if self._console.is_terminal:
            from rich.progress import BarColumn, Progress, TextColumn

            self._bar = Progress(
                BarColumn(),
                TextColumn("{task.fields[text]}"),
                console=self._console,
                transient=True,
            )
            self._bar.start()
            total = self._shards_to_do if self._photos_to_do is None else self._photos_to_do
            self._task = self._bar.add_task("scored", total=total, text="")
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
            self._console.print(
                f"mlsp: interrupted after {self._photos:,} photos in {self._shards:,} shards;"
                " the same command continues from here"
            )

    def count(self, photos: int, *, failed: int) -> None:
        """Count photos that were scored, or failed."""
        self._seen += photos
        self._seen_failed += failed
        self._show()

    def add(self, report: ShardReport) -> None:
        """Count a shard."""
        self._shards += 1
        if report.error is not None:
            self.shard_errors.append(report.error)
            text = f"shard {report.name} has no results: {printable(report.error)}"
            self._console.print(Text(text, style="red"))
        self._photos += report.photos
        self.failed += report.failed
        if not self._by_row:
            self.count(report.photos, failed=report.failed)

    def summarise(self) -> None:
        """Print the counts, the time and where the results are."""
        if self._quiet:
            return
        seconds = time.monotonic() - self._started
        failed = f", {self.failed:,} failed" if self.failed else ""
        location = printable(self._job.dataset.location)
        text = f"{self._photos - self.failed:,} scored{failed} in {seconds:.1f} s → {location}"
        self._console.print(Text(text))

    def print_failed_earlier(self, photos: int) -> None:
        """Print how many photos failed in earlier runs and were not tried again."""
        if photos and not self._quiet:
            self._console.print(Text(f"{photos:,} failed earlier; --retry-failed tries them again"))

    def _show(self) -> None:
        now = time.monotonic()
        if self._bar is not None and self._task is not None:
            done = self._shards if self._photos_to_do is None else self._seen
            self._bar.update(self._task, completed=done, text=self._text(now))
        elif not self._quiet and now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            self._console.print(self._text(now))

    def _text(self, now: float) -> str:
        seconds = max(now - self._started, 1e-3)
        speed = self._seen / seconds
        if self._photos_to_do is not None:
            amount = f"{self._seen:,} of {self._photos_to_do:,}"
            left = max(self._photos_to_do - self._seen, 0) / max(speed, 1e-3)
        else:
            amount = f"{self._seen:,} in {self._shards:,} of {self._shards_to_do:,} shards"
            rest = max(self._shards_to_do - self._shards, 0)
            left = rest * seconds / self._shards if self._shards else float("nan")
        shown = f"{amount}, {speed:.{0 if speed >= 10 else 1}f} photos/s"
        if left == left and left < timedelta.max.total_seconds():
            shown += f", {timedelta(seconds=round(left))} left"
        return shown + (f", {self._seen_failed:,} failed" if self._seen_failed else "")
