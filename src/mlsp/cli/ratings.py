"""`mlsp ratings`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsp.cli.options import Workers


def ratings(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A table ending in .csv or .parquet, or a data set and its folder: ava:FOLDER, koniq10k:FOLDER, aadb:FOLDER, "
            "tad66k:FOLDER, para:FOLDER, eva:FOLDER, biq2021:FOLDER or oasis:FOLDER.",
            show_default=False,
        ),
    ],
    photos: Annotated[
        Path | None,
        typer.Option(help="Folder of the photos, if they are elsewhere.", show_default=False),
    ] = None,
    lowest: Annotated[
        float | None, typer.Option(help="Lowest rating of a table's scale.", show_default=False)
    ] = None,
    highest: Annotated[
        float | None, typer.Option(help="Highest rating of a table's scale.", show_default=False)
    ] = None,
    group: Annotated[
        str, typer.Option(help="A table's column of what belongs together.")
    ] = "group",
    split: Annotated[
        str, typer.Option(help="How to split: given, random, or group (no group in two parts).")
    ] = "given",
    seed: Annotated[int, typer.Option(help="Of the random draw.")] = 0,
    photos_check: Annotated[
        bool,
        typer.Option(
            "--photos-check",
            help="Read every photo: name those that cannot be read, and test photos that are or look like learned ones. "
            "The exit code is then 1 if there are any.",
        ),
    ] = False,
    workers: Workers = None,
) -> None:
    """Show what a table or data set of rated photos holds, and check it before learning from it."""
    from rich.console import Console
    from rich.progress import track

    from mlsp.base.parallel import usable_cores
    from mlsp.cli.ratings_card import check_lines, split_of, table_lines, verdict
    from mlsp.ratings.datasets import load_ratings
    from mlsp.ratings.photo_checks import check_photos
    from mlsp.ratings.splits import SplitSettings

    settings = SplitSettings(by=split, seed=seed)  # type: ignore[arg-type]  # checked there
    table = load_ratings(source, photos=photos, lowest=lowest, highest=highest, group=group)
    parts, line = split_of(table, settings)
    for text in (*table_lines(table), line):
        typer.echo(text)
    if not photos_check:
        return
    console = Console(stderr=True)
    reading = check_photos(table, workers=workers or usable_cores() + 1)
    checks = list(
        track(reading, "reading", len(table), console=console, disable=not console.is_terminal)
    )
    problems = list(check_lines(table, parts, checks))
    for text in (verdict(table, checks), *problems):
        typer.echo(text)
    if problems:
        raise typer.Exit(1)
