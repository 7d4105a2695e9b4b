"""`mlsp explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsp.cli.options import (
    Cache,
    MaxMegapixels,
    Model,
    Photos,
    Quiet,
    Recursive,
)


def explain(
    paths: Photos,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            readable=False,
            metavar="DIR|FILE.png",
            help="Folder of the pictures; or a file, for one photo and one --head.",
        ),
    ] = Path(),
    head: Annotated[
        list[str] | None,
        typer.Option(
            "--head",
            metavar="NAME",
            help="Score to explain; may be repeated. By default all.",
        ),
    ] = None,
    model: Model = "default",
    recursive: Recursive = True,
    max_megapixels: MaxMegapixels = 250,
    use_cache: Cache = True,
    quiet: Quiet = False,
) -> None:
    """Show what in a photo raised and lowered its scores.

    Covers each part of the photo, scores it again, and writes a picture for each photo and score, PHOTO.SCORE.png: the photo in
    grey, orange where it raised the score, blue where it lowered it. Scores go to stdout, with the kind and the faults that the
    model finds, in words. A map shows where to look, not what to do; its documentation reports how far it can be trusted.

    Examples:
        mlsp explain holiday/sea.jpg
        mlsp explain holiday/sea.jpg --head beauty --output sea.png
    """
    from mlsp.base.results import ScoreFailure
    from mlsp.cli.explain_card import explanation_lines
    from mlsp.cli.inputs import found
    from mlsp.cli.progress import RunProgress
    from mlsp.explaining import Explainer, explain_files
    from mlsp.photos import find_photos
    from mlsp.scoring.cache import open_caches
    from mlsp.scoring.scorer import Scorer

    photos = found(find_photos(paths, recursive=recursive), paths)
    done: list[Path] = []
    failed = 0
    with open_caches(enabled=use_cache) as caches:
        scorer = Scorer(model, cache=caches, max_pixels=round(max_megapixels * 1e6))
        results = explain_files(Explainer(scorer, heads=head), photos, output)
        with RunProgress(
            len(photos), done_word="explained", quiet=quiet, goes_on=False
        ) as progress:
            for result in results:
                progress.advance(result)  # type: ignore[arg-type]  # only failures are looked into
                if isinstance(result, ScoreFailure):
                    failed += 1
                    continue
                done += result.pictures.values()
                for line in explanation_lines(result):
                    typer.echo(line)
    progress.summarise(len(photos) - failed, failed, done[:1] if len(done) == 1 else ())
    if failed:
        raise typer.Exit(1)
