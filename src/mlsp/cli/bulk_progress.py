"""Progress of a run into a data set, on stderr: a bar on a terminal, else a line per minute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rich.text import Text

from mlsp.base.text import printable
from mlsp.cli.progress import ProgressBar, speed_text, stderr_console

if TYPE_CHECKING:
    from mlsp.bulk import BulkJob, ShardReport


@contextmanager
def listing_status(*, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show a status line on a terminal while the input is listed; yields what shows the photos listed so far."""
    console = stderr_console()
    if quiet or not console.is_terminal:
        yield lambda photos: None
        return
    with console.status("listing photos") as status:
        yield lambda photos: status.update(f"listing photos: {photos:,}")


class BulkProgress(ProgressBar):
    """A progress bar and the run's summary.

    Args:
        job: the run.
        quiet: show neither; shards that fail are still named.
        by_row: count photo by photo instead of by finished shards.
    """

    def __init__(self, job: BulkJob, *, quiet: bool, by_row: bool) -> None:
        super().__init__(quiet=quiet)
        self._job = job
        self._by_row = by_row
        self._photos_to_do = job.photos_to_do
        self._shards_to_do = max(job.survey.shards - job.shards_done, 0)
        self._seen = self._seen_failed = self._shards = self._photos = 0
        self.failed = 0
        self._temporary = self._undone = 0

    def __enter__(self) -> Self:
        if self._job.shards_done and not self._quiet:
            self._console.print(
                f"mlsp: {self._job.shards_done:,} of {self._job.survey.shards:,} shards were scored earlier"
            )
        total = self._shards_to_do if self._photos_to_do is None else self._photos_to_do
        self._begin_bar(total, counts=False)
        return self

    def count(self, photos: int, *, failed: int) -> None:
        """Count photos that were scored, or failed."""
        self._seen += photos
        self._seen_failed += failed
        self._show(self._shards if self._photos_to_do is None else self._seen, self._text())

    def add(self, report: ShardReport) -> None:
        """Count a shard."""
        self._shards += 1
        if report.error is not None:
            self._undone += 1
            text = f"shard {report.name} has no results: {printable(report.error)}"
            self._console.print(Text(text, style="red"))
        self._photos += report.photos
        self.failed += report.failed
        self._temporary += report.temporary
        if not self._by_row:
            self.count(report.photos, failed=report.failed)

    def summarise(self) -> None:
        """Print the counts, the time and where the results are."""
        failed = f", {self.failed:,} failed" if self.failed else ""
        counts = f"{self._photos - self.failed:,} scored{failed}"
        self._print_result(counts, printable(self._job.dataset.location))

    def print_failed_earlier(self, photos: int) -> None:
        """Print how many photos failed in earlier runs and were not tried again."""
        if photos and not self._quiet:
            self._console.print(Text(f"{photos:,} failed earlier; --retry-failed tries them again"))

    def print_kept(self, photos: int, path: Path) -> None:
        """Print how many photos passed, and where they are."""
        if not self._quiet:
            self._console.print(Text(f"{photos:,} kept in {printable(str(path))}"))

    def print_unfinished(self, shards: int) -> bool:
        """Print what is left to do, and return whether there is something.

        Args:
            shards: number of those without results.
        """
        left = []
        # One of which rows were to be scored again has its earlier results.
        shards = max(shards, self._undone)
        if shards:
            left.append(f"{shards:,} of {self._job.survey.shards:,} shards could not be scored")
        if self._temporary:
            left.append(f"{self._temporary:,} photos could not be reached")
        if left:
            text = f"mlsp: not finished: {' and '.join(left)}; the same command tries them again"
            self._console.print(Text(text, style="red"))
        return bool(left)

    def _interrupted(self) -> str:
        return (
            f" after {self._photos:,} photos in {self._shards:,} shards;"
            " the same command continues from here"
        )

    def _text(self) -> str:
        seconds = self._seconds()
        speed = self._seen / seconds
        if self._photos_to_do is not None:
            amount = f"{self._seen:,} of {self._photos_to_do:,}"
            left = max(self._photos_to_do - self._seen, 0) / max(speed, 1e-3)
        else:
            amount = f"{self._seen:,} in {self._shards:,} of {self._shards_to_do:,} shards"
            rest = max(self._shards_to_do - self._shards, 0)
            left = rest * seconds / self._shards if self._shards else float("nan")
        shown = f"{amount}, {speed_text(speed)}"
        if left == left and left < timedelta.max.total_seconds():
            shown += f", {timedelta(seconds=round(left))} left"
        return shown + (f", {self._seen_failed:,} failed" if self._seen_failed else "")
