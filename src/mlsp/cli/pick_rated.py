"""`mlsp pick --rated`: shots by what people gave them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from mlsp.culling.shots import Shot


def pick_rated(
    shots: Sequence[Shot],
    wanted: str,
    ratings: Path | None,
    folder: Path | None,
    place: Callable[..., list[bool]],
    *,
    quiet: bool,
) -> None:
    """Print or place the shots that meet a condition.

    Args:
        shots: all of them.
        wanted: condition, as for `rated_condition`.
        ratings: file of the ratings of `mlsp serve`; None for the user's.
        folder: files go there; None to print names.
        place: puts files into it.
        quiet: whether to leave out the summary.
    """
    from mlsp.personal.rated_shots import rated_condition, rated_shots
    from mlsp.personal.user_ratings import default_user_ratings_path
    from mlsp.reports.burst_report import print_names

    found = rated_shots(
        shots, rated_condition(wanted), ratings=ratings or default_user_ratings_path()
    )
    failed = list(found.failed)
    text = (
        f"{wanted}: {len(found.shots):,} of {len(shots):,} {'shot' if len(shots) == 1 else 'shots'}"
    )
    if folder is None:
        names = [photo for shot in found.shots for photo in shot.photos]
        print_names(names, stream=sys.stdout)
    else:
        new = place([shot.files for shot in found.shots], folder, failed)
        text += f", {sum(new):,} {'file' if sum(new) == 1 else 'files'} put into {folder}"
        if old := len(new) - sum(new):
            text += f", {old:,} {'was' if old == 1 else 'were'} there already"
    for failure in failed:
        typer.echo(f"mlsp: {failure.source}: {failure.error}", err=True)
    if not quiet:
        typer.echo(text, err=True)
    if failed:
        raise typer.Exit(1)
