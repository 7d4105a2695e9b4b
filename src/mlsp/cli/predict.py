"""`mlsp predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsp.cli.options import Missing, Quiet


def predict(
    model: Annotated[
        str,
        typer.Argument(metavar="NAME|DIR", help="Model to score with."),
    ],
    features: Annotated[
        Path,
        typer.Argument(
            readable=False,
            metavar="FEATURES",
            help="Feature file of `mlsp extract`, or an .npz with one array (rows, …).",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            readable=False,
            metavar="FILE",
            help="Table of the scores, in the format of the ending: .csv, .jsonl or .parquet.",
        ),
    ],
    votes: Annotated[
        bool,
        typer.Option(
            "--votes",
            help="Write the distribution of people's votes too, of heads that learned it by --distribution.",
        ),
    ] = False,
    missing: Missing = "error",
    quiet: Quiet = False,
) -> None:
    """Score stored features with a model.

    Writes a column photo (for an .npz row, counted from 0), then one column per head, and the model's name; scores are means over all stored crops. The features
    must be of the kind that the model reads. Photos that failed or are still to be extracted are named and left out; --missing leave-out
    only counts them. --votes adds a column HEAD_votes_RATING per rating that people could give, with its share of the votes.

    Examples:
        mlsp predict ridge/ corners.h5 --output predicted.csv
        mlsp predict ridge/ corners.h5 --output predicted.parquet
    """
    from mlsp.base.results import ScoreFailure
    from mlsp.cli.inputs import leaves_out
    from mlsp.cli.progress import RunProgress
    from mlsp.reports import TABLE_SUFFIXES, check_output
    from mlsp.reports.predictions import write_predictions
    from mlsp.scoring.predictor import FeaturePredictor, Predicted

    left_out = leaves_out(missing)
    check_output(output, suffixes=TABLE_SUFFIXES)
    predicted: list[Predicted] = []
    with FeaturePredictor(model, features, votes=votes) as predictor:
        total, column, bins = len(predictor), predictor.column, predictor.bins
        model_name = predictor.model.name
        heads = [head.name for head in predictor.model.heads]
        with RunProgress(
            total, done_word="predicted", quiet=quiet, goes_on=False, leaves_out=left_out
        ) as progress:
            for result in predictor.results():
                if not isinstance(result, ScoreFailure):
                    predicted.append(result)
                progress.advance(result)
    write_predictions(
        output, predicted, column=column, model_name=model_name, heads=heads, bins=bins
    )
    progress.summarise(len(predicted), total - len(predicted), [output])
    if len(predicted) < total and not left_out:
        raise typer.Exit(1)
