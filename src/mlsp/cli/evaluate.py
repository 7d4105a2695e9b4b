"""`mlsp evaluate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mlsp.cli.options import (
    Cache,
    Highest,
    Lowest,
    MaxMegapixels,
    Missing,
    Precision,
    Quiet,
    RatedPhotos,
    Ratings,
    Seed,
    Workers,
)


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="NAME|DIR|SCORES.csv",
            help="Model; or a table of scores by `mlsp score` or `mlsp predict`: .csv, .jsonl or .parquet.",
        ),
    ],
    ratings: Ratings,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Numbers as .json or a page as .html; repeat it for both. By default evaluation.json and evaluation.html.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="NAME|DIR|SCORES.csv",
            help="Compare with this model or table on the same photos.",
        ),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            "--head",
            metavar="NAME",
            help="Head whose scores are evaluated, where the model has several.",
        ),
    ] = None,
    against_head: Annotated[
        str | None,
        typer.Option(
            "--against-head",
            metavar="NAME",
            help="Head of the model of --against; by default that of --head.",
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions",
            metavar="SCORES.csv",
            help="Read the model's scores from this table instead of scoring the photos.",
        ),
    ] = None,
    photos: RatedPhotos = None,
    lowest: Lowest = None,
    highest: Highest = None,
    missing: Missing = "error",
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="PART",
            help="Photos to evaluate on: train, validation, test or all; by default test, or all where there are no test photos.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            metavar="X",
            help="Rating above which a photo is good, for the accuracies; by default 5 on a scale of 1 to 10, else the middle.",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            metavar="COLUMN",
            help="Column of the ratings to give numbers per group by; by default group, if there is one.",
        ),
    ] = None,
    draw: Annotated[
        str,
        typer.Option(
            "--draw",
            metavar="NAME",
            help="Unit that the bootstrap draws: photos; or groups, where photos of one group resemble each other.",
        ),
    ] = "photos",
    confidence: Annotated[
        float, typer.Option("--confidence", metavar="X", help="Confidence level of the intervals.")
    ] = 0.95,
    resamples: Annotated[
        int, typer.Option("--resamples", metavar="N", help="Bootstrap resamples.")
    ] = 2000,
    seed: Seed = 0,
    high_rated: Annotated[
        int | None,
        typer.Option(
            "--high-rated",
            metavar="K",
            min=1,
            help="Show the best and worst among the K highest rated photos; by default a quarter of all.",
        ),
    ] = None,
    shown: Annotated[
        int, typer.Option("--shown", metavar="N", min=0, help="Best and worst photos to show.")
    ] = 12,
    precision: Precision = "auto",
    workers: Workers = None,
    max_megapixels: MaxMegapixels = 250,
    use_cache: Cache = True,
    quiet: Quiet = False,
) -> None:
    """Measure how well a model's scores agree with people's ratings, or compare two models.

    Writes correlations, accuracies and errors with bootstrap intervals as JSON, and a page with plots and the best and worst
    photos that opens in any browser, offline. Photos that fail are named and left out. Needs the research extra.

    Examples:
        mlsp evaluate default ratings.csv --head beauty --photos photos/
        mlsp evaluate predicted.csv ratings.csv --against other.csv --output both.json
    """
    # Imported here, so that other commands start fast.
    from mlsp.base.text import printable
    from mlsp.cli.inputs import leaves_out
    from mlsp.cli.progress import RunProgress
    from mlsp.evaluation import (
        EvaluationSettings,
        PhotoScores,
        ScoringSettings,
        check_groups,
        choose_split,
        open_source,
    )
    from mlsp.evaluation import evaluate as measure
    from mlsp.evaluation.report.files import check_evaluation_files, write_evaluation_files
    from mlsp.evaluation.report.table import print_evaluation
    from mlsp.ratings.datasets import load_ratings
    from mlsp.scoring.cache import open_caches

    left_out = leaves_out(missing)
    outputs = output or [Path("evaluation.json"), Path("evaluation.html")]
    check_evaluation_files(outputs)
    settings = EvaluationSettings(
        threshold=threshold,
        group_column=group,
        drawn=draw,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
        high_rated=high_rated,
        shown=shown,
    )
    part, rated = choose_split(
        load_ratings(ratings, photos=photos, lowest=lowest, highest=highest), split
    )
    check_groups(rated, settings)
    with open_caches(enabled=use_cache) as caches:
        scoring = ScoringSettings(precision, workers, round(max_megapixels * 1e6), caches)
        sources = [open_source(model, head=head, scores=predictions, settings=scoring)]
        if against is not None:
            sources.append(open_source(against, head=against_head or head, settings=scoring))
        total = len(rated) * sum(isinstance(source, PhotoScores) for source in sources)
        with RunProgress(
            total, done_word="scored", quiet=quiet, goes_on=use_cache, leaves_out=left_out
        ) as progress:
            scores = [source.read(rated, advance=progress.advance) for source in sources]
    evaluation = measure(
        scores[0],
        rated,
        split=part,
        against=scores[1] if against is not None else None,
        settings=settings,
    )
    write_evaluation_files(outputs, evaluation)
    print_evaluation(evaluation, stream=sys.stdout)
    for note in evaluation.notes:
        typer.echo(f"mlsp: note: {printable(note)}", err=True)
    progress.summarise(len(rated) - len(evaluation.unscored), len(evaluation.unscored), outputs)
    if evaluation.unscored and not left_out:
        raise typer.Exit(1)
