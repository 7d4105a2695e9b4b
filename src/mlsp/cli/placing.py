"""Picked shots put into a folder, as `mlsp pick` says it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mlsp.base.text import listed
from mlsp.cli.progress import RunProgress
from mlsp.culling.copies import Placed, place_shots

if TYPE_CHECKING:
    from mlsp.base.results import ScoreFailure


def put_into(
    shots: Sequence[Sequence[Path]],
    folder: Path,
    failed: list[ScoreFailure],
    *,
    paths: list[Path],
    link: bool,
    hard: bool,
    quiet: bool,
) -> list[bool]:
    """Copy shots into a folder, or link to them, with a progress bar; name the files that are there already and differ.

    Args:
        shots: files of each.
        folder: where to; must exist.
        failed: files that cannot be read are added to it.
        paths: files and folders that the shots were found in.
        link: make links instead of copies.
        hard: hard ones.
        quiet: whether to say nothing.

    Returns:
        Whether each file is new there, but for those that failed.
    """
    new: list[bool] = []
    differing: list[str] = []
    with RunProgress(sum(map(len, shots)), done_word="copied", quiet=quiet) as progress:
        for result in place_shots(shots, folder, paths, link=link, hard=hard):
            # Counts whatever is no ScoreFailure.
            progress.advance(result)  # type: ignore[arg-type]
            if isinstance(result, Placed):
                new.append(result.is_new)
                differing += [str(result.target)] if result.differs else []
            else:
                failed.append(result)
    if differing and not quiet:
        typer.echo(
            f"there already but different, and left as they are: {listed(differing)}", err=True
        )
    return new
