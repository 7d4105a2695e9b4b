"""`mlsp explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsp.cli.options import MaxMegapixels, Quiet


def explain(
    paths: Annotated[
        list[Path],
        typer.Argument(
            readable=False,
            metavar="PATH...",
            help="Photos, and folders of photos.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            readable=False,
            metavar="DIR|FILE.png",
            help="Where the pictures go: a folder, or a file for one photo and --head.",
        ),
    ] = Path(),
    head: Annotated[
        list[str] | None,
        typer.Option(
            "--head",
            metavar="NAME",
            help="Whose score; can be given for several. All by default.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="NAME|DIR", help="Model; see `mlsp models`.")
    ] = "default",
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Also cover each part of the photo, score it again, and say how well the map agrees; takes seconds a photo.",
        ),
    ] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive/--no-recursive", help="Also photos in subfolders.")
    ] = True,
    max_megapixels: MaxMegapixels = 250,
    use_cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Remember scores between runs.")
    ] = True,
    quiet: Quiet = False,
) -> None:
    """Show what in a photo raised and lowered its scores.

    Writes a picture for each photo and score, PHOTO.SCORE.png: the photo in grey, orange where it raised the score, blue where it
    lowered it. Scores and the levels of the network that had most to do with them go to stdout. A map says where to look, not
    what to do; docs/explain.md says how far it can be believed.
    """
    from mlsp.base.results import ScoreFailure
    from mlsp.base.text import printable
    from mlsp.cli.explain_card import explanation_lines
    from mlsp.cli.progress import RunProgress
    from mlsp.explaining import Explainer, explain_files
    from mlsp.photos import find_photos
    from mlsp.scoring.cache import open_caches
    from mlsp.scoring.scorer import Scorer

    photos = list(find_photos(paths, recursive=recursive))
    if not photos:
        where = ", ".join(printable(str(path)) for path in paths)
        typer.echo(f"mlsp: no photos found in {where}", err=True)
        raise typer.Exit(2)
    done: list[Path] = []
    failed = 0
    with open_caches(enabled=use_cache) as caches:
        scorer = Scorer(model, cache=caches, max_pixels=round(max_megapixels * 1e6))
        results = explain_files(Explainer(scorer, heads=head), photos, output, with_check=check)
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
