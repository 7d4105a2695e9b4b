"""`mlsp evaluate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mlsp.cli.options import MaxMegapixels, Quiet, Workers


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="NAME|DIR|SCORES.csv",
            help="Model, see `mlsp models`; or a table of scores that `mlsp predict` or `mlsp score` wrote: .csv, .jsonl or .parquet.",
            show_default=False,
        ),
    ],
    ratings: Annotated[
        str,
        typer.Argument(
            metavar="RATINGS",
            help="People's ratings: a .csv or .parquet table, or a data set and its folder, such as ava:FOLDER.",
            show_default=False,
        ),
    ],
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Numbers as .json, or a page as .html; can be given for both. By default evaluation.json and evaluation.html.",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="NAME|DIR|SCORES.csv",
            help="Compare with this model on the same photos.",
            show_default=False,
        ),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            "--head", metavar="NAME", help="Whose scores, if there are several.", show_default=False
        ),
    ] = None,
    against_head: Annotated[
        str | None,
        typer.Option(
            "--against-head",
            metavar="NAME",
            help="Likewise of the other model; by default the same.",
            show_default=False,
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions",
            metavar="SCORES.csv",
            help="The model's scores from this table, instead of scoring the photos.",
            show_default=False,
        ),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            "--photos",
            metavar="DIR",
            help="Folder of the rated photos, if it is not the table's.",
            show_default=False,
        ),
    ] = None,
    lowest: Annotated[
        float | None,
        typer.Option("--lowest", help="Lower end of a table's scale.", show_default=False),
    ] = None,
    highest: Annotated[
        float | None,
        typer.Option("--highest", help="Upper end of a table's scale.", show_default=False),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            help="train, validation, test or all; by default test if there are test photos.",
            show_default=False,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            help="Above it a photo is high, for the accuracies; by default 5 on a scale of 1 to 10, else the middle.",
            show_default=False,
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            metavar="COLUMN",
            help="Column of the ratings for numbers by group; by default group, if there is one.",
            show_default=False,
        ),
    ] = None,
    draw: Annotated[
        str,
        typer.Option(
            "--draw",
            help="What the bootstrap draws: photos; or groups, where photos of one group are alike.",
        ),
    ] = "photos",
    confidence: Annotated[float, typer.Option("--confidence", help="Of the intervals.")] = 0.95,
    resamples: Annotated[
        int, typer.Option("--resamples", metavar="N", help="Of the bootstrap.")
    ] = 2000,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of the bootstrap.")] = 0,
    high_rated: Annotated[
        int | None,
        typer.Option(
            "--high-rated",
            metavar="K",
            min=1,
            help="The best and worst photos are taken from the K highest rated; by default a quarter.",
            show_default=False,
        ),
    ] = None,
    shown: Annotated[
        int, typer.Option("--shown", metavar="N", min=0, help="So many best and worst photos.")
    ] = 12,
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            help="auto, float32 or bfloat16. auto: bfloat16 where the processor has it.",
        ),
    ] = "auto",
    workers: Workers = None,
    max_megapixels: MaxMegapixels = 250,
    use_cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Remember scores between runs.")
    ] = True,
    quiet: Quiet = False,
) -> None:
    """Measure how well a model's scores agree with people's ratings, or compare two models.

    Writes correlations, accuracies and errors with bootstrap intervals as JSON, and a page with plots and the best and worst
    photos that opens in any browser, offline. Photos that fail are named and left out.
    """
    # Imported here, so that other commands start fast.
    from mlsp.base.text import printable
    from mlsp.cli.progress import RunProgress
    from mlsp.evaluation import (
        EvaluationSettings,
        PhotoScores,
        ScoringSettings,
        choose_split,
        open_source,
    )
    from mlsp.evaluation import evaluate as measure
    from mlsp.evaluation.report.files import check_evaluation_files, write_evaluation_files
    from mlsp.evaluation.report.table import print_evaluation
    from mlsp.ratings.datasets import load_ratings
    from mlsp.scoring.cache import open_caches

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
    with open_caches(enabled=use_cache) as caches:
        scoring = ScoringSettings(precision, workers, round(max_megapixels * 1e6), caches)
        sources = [open_source(model, head=head, scores=predictions, settings=scoring)]
        if against is not None:
            sources.append(open_source(against, head=against_head or head, settings=scoring))
        total = len(rated) * sum(isinstance(source, PhotoScores) for source in sources)
        with RunProgress(total, done_word="scored", quiet=quiet, goes_on=use_cache) as progress:
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
    if evaluation.unscored:
        raise typer.Exit(1)
