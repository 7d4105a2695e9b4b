"""`mlsp experiment`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsp.cli.options import Quiet


def experiment(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="table2, table3, table4, fig7, fig8, or claims: which of the paper's claims hold.",
            show_default=False,
        ),
    ],
    ratings: Annotated[
        str,
        typer.Option(
            "--ratings",
            metavar="RATINGS",
            help="As for mlsp train: a table, or a data set and its folder, such as ava:FOLDER.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder of the results; those that are there are kept.",
            show_default=False,
        ),
    ],
    features: Annotated[
        list[Path] | None,
        typer.Option(
            "--features",
            metavar="FILE.h5",
            help="File of mlsp extract; may be repeated. Each row takes the first that has its features.",
            show_default=False,
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            "--backbone",
            "-b",
            metavar="NAME",
            help="Network in place of the paper's.",
            show_default=False,
        ),
    ] = None,
    own_size: Annotated[
        bool,
        typer.Option(
            "--own-size", help="Photos at their own size where the paper has them at 256×256."
        ),
    ] = False,
    views: Annotated[
        str | None,
        typer.Option(
            "--views",
            metavar="NAME",
            help="Views in place of the paper's corners8: whole_mirrored, say.",
            show_default=False,
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            metavar="NAME",
            help="paper, released or small, which is for hundreds or thousands of photos; by default paper.",
            show_default=False,
        ),
    ] = None,
    rows: Annotated[
        list[str] | None,
        typer.Option(
            "--rows",
            metavar="PATTERN",
            help="Run only the rows whose label is like this: 'Single-3FC*'; may be repeated. Others keep their results.",
            show_default=False,
        ),
    ] = None,
    scores: Annotated[
        list[str] | None,
        typer.Option(
            "--scores",
            metavar="ROW=FILE.csv",
            help="Scores of the test photos as the result of a row: of a fine-tuned model, by mlsp score; may be repeated.",
            show_default=False,
        ),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(
            "--folds",
            metavar="K",
            min=1,
            help="Train K times, so that each photo is a test photo once; for small collections.",
        ),
    ] = 1,
    split: Annotated[str, typer.Option("--split", help="given, random or group.")] = "given",
    validation_share: Annotated[
        float, typer.Option("--validation-share", help="As for mlsp train.")
    ] = 0.05,
    test_share: Annotated[float, typer.Option("--test-share", help="As for mlsp train.")] = 0.2,
    lowest: Annotated[
        float | None,
        typer.Option("--lowest", help="Lower end of a table's scale.", show_default=False),
    ] = None,
    highest: Annotated[
        float | None,
        typer.Option("--highest", help="Upper end of a table's scale.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="As for mlsp train.")] = 0,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs",
            metavar="N",
            min=1,
            help="At most; by default the recipe's.",
            show_default=False,
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            "--batch",
            metavar="N",
            min=2,
            help="Photos a step; by default the recipe's.",
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        str, typer.Option("--precision", help="float32 or bfloat16, as for mlsp train.")
    ] = "float32",
    quiet: Quiet = False,
) -> None:
    """Run a table or figure of the paper on stored features and ratings; what has a result is not run again."""
    # Imported here, so that other commands need not wait for torch.
    from mlsp.cli.train_progress import TrainProgress
    from mlsp.paper import ExperimentJob, parse_scores, run_experiment, write_outcomes
    from mlsp.ratings.splits import SplitSettings
    from mlsp.training import TrainSettings

    job = ExperimentJob(
        name,
        tuple(features or ()),
        ratings,
        output,
        backbone=backbone,
        own_size=own_size,
        views=views,  # type: ignore[arg-type]  # checked there
        recipe=recipe,
        rows=tuple(rows or ("*",)),
        scores=parse_scores(scores or ()),
        folds=folds,
        lowest=lowest,
        highest=highest,
        split=SplitSettings(split, validation_share, test_share, seed),  # type: ignore[arg-type]  # checked there
        settings=TrainSettings(
            seed=seed,
            precision=precision,  # type: ignore[arg-type]  # checked there
            epochs=epochs,
            batch=batch,
        ),
    )
    with TrainProgress(quiet=quiet) as progress:
        outcomes = run_experiment(
            job,
            watch=progress.watch(),
            row_begins=lambda row: None if quiet else typer.echo(f"{row.label}:", err=True),
        )
    text, *_ = write_outcomes(output, name, outcomes, job.groups())
    typer.echo(text.read_text("utf-8"), nl=False)
