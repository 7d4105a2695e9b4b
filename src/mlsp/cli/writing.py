"""What commands say that write into sidecars or photos."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from mlsp.cli.progress import RunProgress

if TYPE_CHECKING:
    from mlsp.culling.xmp.journal import Journal


class WritingProgress(RunProgress):
    """Progress of writing into files: on Ctrl-C it tells what was written, which runs ahead of the photos that are counted.

    Args:
        total: photos of the run.
        done_word: word for a photo that did not fail, such as `rated`.
        quiet: show no bar and no summary.
        journal: of what is written.
    """

    def __init__(self, total: int, *, done_word: str, quiet: bool, journal: Journal) -> None:
        super().__init__(total, done_word=done_word, quiet=quiet)
        self._journal = journal

    def say_written(self, summary: object) -> None:
        """Print what became of the photos, and how to take it back; nothing if the run is quiet."""
        if not self._quiet:
            undo = "; `mlsp stars undo` takes them back" if self._journal.files else ""
            typer.echo(f"{summary}{undo}", err=True)

    def _interrupted(self) -> str:
        return interrupted_text(self._journal)


def interrupted_text(journal: Journal) -> str:
    """Return what follows `interrupted` where files may have been written."""
    files = journal.files
    if not files:
        return " before a file was written"
    verb = "was" if files == 1 else "were"
    return f" after {files_text(files)} {verb} written: `mlsp stars undo` takes that back, the same command writes the rest"


def files_text(number: int) -> str:
    """Return a number of files as people read it."""
    return "1 file" if number == 1 else f"{number} files"
