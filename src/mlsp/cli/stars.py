"""`mlsp stars`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mlsp.cli.options import Photos, Recursive


def runs(
    files: Annotated[
        bool, typer.Option("--files", help="Show the sidecars of each run, too.")
    ] = False,
) -> None:
    """Show the runs that wrote sidecars and can be taken back, newest first, with their numbers.

    Examples:
        mlsp stars runs
        mlsp stars runs --files
    """
    from mlsp.cli.writing import files_text
    from mlsp.culling.xmp.journal import runs as known_runs
    from mlsp.reports.burst_report import print_names

    is_none = True
    for run in known_runs():
        is_none = False
        began = f"{run.began.astimezone():%Y-%m-%d %H:%M}"
        left = " left" if run.is_taken_back else ""
        typer.echo(f"{run.number}\t{began}\t{run.what}\t{files_text(len(run.sidecars))}{left}")
        if files:
            print_names(run.sidecars, stream=sys.stdout)
    if is_none:
        typer.echo("no run has written sidecars that can be taken back")


def undo(
    run: Annotated[
        int | None,
        typer.Option(
            "--run",
            metavar="N",
            min=1,
            help="Number of the run, as in `mlsp stars runs`.",
            show_default="the last that is not taken back",
        ),
    ] = None,
) -> None:
    """Take back what the last run wrote into sidecars.

    Sidecars and photos are as they were before the run, byte for byte; those that it made are removed. A sidecar that another program has
    changed since is left alone and named. Said again, the run before that is taken back.

    Examples:
        mlsp stars undo
        mlsp stars undo --run 2
    """
    from mlsp.base.errors import SettingsError
    from mlsp.cli.writing import files_text
    from mlsp.culling.xmp.journal import runs as known_runs
    from mlsp.personal.following import take_back

    found = known_runs()
    if run is not None:
        chosen = next((one for one in found if one.number == run), None)
        if chosen is None:
            raise SettingsError(
                f"there is no run {run} that can be taken back: see `mlsp stars runs`"
            )
    else:
        chosen = next((one for one in found if not one.is_taken_back), None)
    if chosen is None:
        # Where nothing else is left, what was left of the newest may be as the run wrote it again.
        found = known_runs()
        chosen = next(found, None)
    if chosen is None:
        typer.echo("nothing to take back: no run has written sidecars")
        return
    done = take_back(chosen)
    for error in done.left:
        typer.echo(f"mlsp: {error}", err=True)
    typer.echo(f"{chosen.what} of {chosen.began.astimezone():%Y-%m-%d %H:%M}: {done}")
    if done.left:
        again = f"`mlsp stars undo --run {chosen.number}` tries again"
        older = next(found, None)
        if older is not None:
            again += f", `mlsp stars undo --run {older.number}` takes back the run before"
        typer.echo(f"{files_text(len(done.left))} left: {again}", err=True)
        raise typer.Exit(1)


def remove(paths: Photos, recursive: Recursive = True) -> None:
    """Take the stars, flags, labels and keywords that mlsp gave by itself out of sidecars and photos, whenever and wherever that was.

    What they replaced is back, byte for byte. Ratings by hand stay, and so do empty sidecars. It can be taken back too.

    Examples:
        mlsp stars remove holiday/
        mlsp stars remove holiday/cat.jpg
    """
    from mlsp.cli.inputs import found
    from mlsp.cli.writing import interrupted_text
    from mlsp.culling.xmp.journal import Journal
    from mlsp.culling.xmp.rating import remove_stars
    from mlsp.personal.following import follow_photos
    from mlsp.personal.user_ratings import default_user_ratings_path
    from mlsp.photos import find_photos

    photos = found(find_photos(paths, recursive=recursive), paths)
    with Journal("mlsp stars remove") as journal:
        try:
            removed = remove_stars(photos, note=journal.note)
        except KeyboardInterrupt:
            typer.echo(f"mlsp: interrupted{interrupted_text(journal)}", err=True)
            raise
        finally:
            # After Ctrl-C, too: what was written is another photo to `mlsp serve`.
            follow_photos(journal.path, default_user_ratings_path())
    for failure in removed.failed:
        typer.echo(f"mlsp: {failure}", err=True)
    typer.echo(str(removed))
    if removed.failed:
        raise typer.Exit(1)
