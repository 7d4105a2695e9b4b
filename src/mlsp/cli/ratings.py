"""`mlsp ratings`."""

from __future__ import annotations

from typing import Annotated

import typer

from mlsp.cli.options import (
    Group,
    Highest,
    Lowest,
    RatedPhotos,
    Ratings,
    Seed,
    SplitBy,
    Workers,
)


def ratings(
    source: Ratings,
    photos: RatedPhotos = None,
    lowest: Lowest = None,
    highest: Highest = None,
    group: Group = "group",
    split: SplitBy = "given",
    seed: Seed = 0,
    photos_check: Annotated[
        bool,
        typer.Option(
            "--photos-check",
            help="Read every photo; name those that cannot be read and test photos that equal or resemble train photos, and exit with 1 if there are any.",
        ),
    ] = False,
    workers: Workers = None,
) -> None:
    """Show what a table or data set of ratings contains, and check its photos.

    Data sets with a reader: ava, koniq10k, aadb, tad66k, para, eva, biq2021 and oasis, each with its folder, such as ava:FOLDER.

    Examples:
        mlsp ratings ratings.csv
        mlsp ratings ratings.csv --photos photos/ --photos-check
    """
    from rich.console import Console
    from rich.progress import track

    from mlsp.base.machine import usable_cores
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
