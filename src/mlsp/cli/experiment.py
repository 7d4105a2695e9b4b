"""`mlsp experiment`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsp.cli.options import (
    Device,
    Group,
    Highest,
    Levels,
    Lowest,
    Missing,
    Quiet,
    RatedPhotos,
    Seed,
    SplitBy,
    TestShare,
    ValidationShare,
    Views,
)
from mlsp.cli.training_options import (
    BatchSize,
    Column,
    Epochs,
    First,
    Memory,
    OtherBackbone,
    Recipe,
    Seeds,
    TrainPrecision,
)


def experiment(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="table2, table3, table4, fig7, fig8, or claims: which of the paper's claims hold.",
        ),
    ],
    ratings: Annotated[
        str,
        typer.Option(
            "--ratings",
            metavar="RATINGS",
            help="People's ratings: a .csv or .parquet table, or a data set and its folder, such as ava:FOLDER.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder of the results; results that are there are kept.",
        ),
    ],
    features: Annotated[
        list[Path] | None,
        typer.Option(
            "--features",
            metavar="FILE.h5",
            help="Feature file of `mlsp extract`; may be repeated. Each row reads the first that has its features.",
        ),
    ] = None,
    backbone: OtherBackbone = None,
    own_size: Annotated[
        bool,
        typer.Option(
            "--own-size", help="Take photos at their own size where the paper has 256×256."
        ),
    ] = False,
    views: Views = "corners8",
    recipe: Recipe = "paper",
    rows: Annotated[
        list[str] | None,
        typer.Option(
            "--rows",
            metavar="PATTERN",
            help="Run only rows with such a label: 'Single-3FC*'; may be repeated. Others keep their results.",
        ),
    ] = None,
    scores: Annotated[
        list[str] | None,
        typer.Option(
            "--scores",
            metavar="ROW=FILE.csv",
            help="Take a row's scores of the test photos from a table of `mlsp score`: those of a fine-tuned model; may be repeated.",
        ),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(
            "--folds",
            metavar="K",
            min=1,
            help="Cross-validate in K folds, each photo tested once; for small collections.",
        ),
    ] = 1,
    head: Annotated[
        list[str] | None,
        typer.Option(
            "--head",
            metavar="NAME",
            help="Add rows of another head: one of an installed package, pool_3fc_released, ridge or kernel; may be repeated.",
        ),
    ] = None,
    split: SplitBy = "given",
    validation_share: ValidationShare = 0.05,
    test_share: TestShare = 0.2,
    group: Group = "group",
    seeds: Seeds = 1,
    levels: Levels = "all",
    first: First = None,
    column: Column = None,
    photos: RatedPhotos = None,
    lowest: Lowest = None,
    highest: Highest = None,
    missing: Missing = "error",
    seed: Seed = 0,
    epochs: Epochs = None,
    batch: BatchSize = None,
    precision: TrainPrecision = "float32",
    device: Device = "auto",
    memory: Memory = None,
    quiet: Quiet = False,
) -> None:
    """Run a table or figure of the paper on stored features and ratings.

    Rows that have a result are not run again. Where a row of the paper has corners8, --views replaces it; where it has all levels,
    --levels does. --first and --column change the widths of heads that have them. Each --head gets rows with the sizes, views and levels
    of Single-3FC, in table4 of Pool-3FC.

    Examples:
        mlsp experiment table2 --ratings ratings.csv --features corners.h5 --backbone efficientnet_lite0 --own-size --rows 'Single-1FC*' --epochs 2 --output table2/
        mlsp experiment claims --ratings ratings.csv --features corners.h5 --backbone efficientnet_lite0 --rows 'Ridge*' --output claims/
    """
    # Imported here, so that other commands need not wait for torch.
    from mlsp.cli.train_progress import TrainProgress
    from mlsp.paper import (
        ExperimentJob,
        check_outcome_files,
        parse_scores,
        run_experiment,
        write_outcomes,
    )
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
        seeds=seeds,
        levels=levels,
        first=first,
        column=column,
        heads=tuple(dict.fromkeys(head or ())),
        lowest=lowest,
        highest=highest,
        group=group,
        split=SplitSettings(split, validation_share, test_share, seed),  # type: ignore[arg-type]  # checked there
        settings=TrainSettings(
            seed=seed,
            precision=precision,  # type: ignore[arg-type]  # checked there
            epochs=epochs,
            batch=batch,
            device=device,  # type: ignore[arg-type]  # checked there
            memory_bytes=None if memory is None else round(memory * 1e9),
            missing=missing,  # type: ignore[arg-type]  # checked there
        ),
        photos=photos,
    )
    check_outcome_files(output, name)
    with TrainProgress(quiet=quiet) as progress:
        outcomes = run_experiment(
            job,
            callbacks=progress.callbacks(),
            row_begins=lambda row: None if quiet else typer.echo(f"{row.label}:", err=True),
        )
    text, *_ = write_outcomes(output, name, outcomes, job.groups(), photos=job.files())
    typer.echo(text.read_text("utf-8"), nl=False)
