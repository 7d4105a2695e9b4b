"""`mlsp learn`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsp.cli.options import (
    Cache,
    MaxMegapixels,
    Quiet,
    Workers,
)


def learn(
    ratings: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RATINGS.csv|RATINGS.sqlite]",
            help="Your ratings: a table with columns photo and rating (1 to 5), or better and worse; or a file of `mlsp serve`, by default yours.",
        ),
    ] = None,
    from_xmp: Annotated[
        list[Path] | None,
        typer.Option(
            "--from-xmp",
            metavar="PATH",
            help="Learn from the stars that other software wrote for these photos or folders, in XMP sidecars or in the files; may be repeated.",
        ),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            "--photos",
            metavar="DIR",
            help="Folder of the photos, if they have moved since you rated them.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Name of your model.")
    ] = "mine",
    force: Annotated[
        bool,
        typer.Option("--force", help="Install your model even if it is not measurably better."),
    ] = False,
    model: Annotated[
        str,
        typer.Option(
            "--model", "-m", metavar="NAME|DIR", help="Model to start from and to compare with."
        ),
    ] = "default",
    workers: Workers = None,
    max_megapixels: MaxMegapixels = 250,
    use_cache: Cache = True,
    quiet: Quiet = False,
) -> None:
    """Learn your own taste from 30 or more of your ratings, and install it as a model.

    Reports how well the default and your own model predict you, on photos left out of learning. Your model is installed only if
    it is better beyond chance; then mlsp score --model mine uses it. No photo is changed. Exits with 1 if nothing was installed or
    some photos could not be used. Needs the learn extra.

    Examples:
        mlsp learn stars.csv --photos photos/
        mlsp learn --from-xmp photos/ --name stars --force
    """
    from mlsp.cli.learn_card import taste_lines
    from mlsp.cli.progress import RunProgress
    from mlsp.personal import (
        Judgements,
        judged,
        learn_from_photos,
        personal_model_folder,
        read_judged_photos,
        read_judgements,
        read_sidecar_judgements,
        write_personal_model,
    )
    from mlsp.personal.user_ratings import default_user_ratings_path
    from mlsp.scoring.cache import open_caches
    from mlsp.scoring.scorer import Scorer

    folder = personal_model_folder(name)
    judgements = Judgements()
    if ratings is not None or not from_xmp:
        judgements += read_judgements(ratings or default_user_ratings_path(), photos=photos)
    if from_xmp:
        judgements += read_sidecar_judgements(from_xmp)
    with open_caches(enabled=use_cache) as caches:
        scorer = Scorer(
            model,
            workers=workers,
            cache=caches,
            max_pixels=round(max_megapixels * 1e6),
        )
        with RunProgress(
            len(judgements.photos()), done_word="photos read", quiet=quiet, goes_on=use_cache
        ) as progress:
            found = read_judged_photos(
                scorer,
                judgements,
                photos=photos,
                hint="name the folder where it is now with --photos",
                advance=progress.advance,
            )
    taste = learn_from_photos(found, scorer.model)
    base = scorer.model.name
    for line in taste_lines(taste, base=base, judged=judged(taste)):
        typer.echo(line)
    if taste.is_better or force:
        mine = write_personal_model(folder, scorer.model, taste)
        forced = "" if taste.is_better else ", because of --force"
        typer.echo(f"Installed as {mine.name!r}{forced}: mlsp score PHOTOS --model {mine.name}")
    else:
        typer.echo(
            "Nothing was installed. Rate or compare more photos, and learn again; --force installs it all the same."
        )
    if found.failed or not (taste.is_better or force):
        raise typer.Exit(1)
