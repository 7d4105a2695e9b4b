"""`mlsp train`."""

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
    ModelFolder,
    ModelName,
    Quiet,
    Ratings,
    Seed,
    SplitBy,
    TestShare,
    ValidationShare,
    Weights,
)
from mlsp.cli.training_options import (
    BatchSize,
    Column,
    Components,
    Distribution,
    Epochs,
    First,
    Memory,
    MoreDropout,
    Recipe,
    RunFolder,
    TrainPrecision,
)


def train(
    features: Annotated[
        Path,
        typer.Argument(
            readable=False,
            metavar="FEATURES",
            help="Feature file of `mlsp extract`.",
        ),
    ],
    ratings: Ratings,
    head: Annotated[
        str,
        typer.Option(
            "--head",
            metavar="NAME",
            help="Architecture of the head: single_1fc, single_3fc, multi_3fc, ridge or kernel on narrow features; pool_3fc or pool_3fc_released on wide ones; or one of an installed package.",
        ),
    ],
    output: ModelFolder,
    recipe: Recipe = "paper",
    levels: Levels = "all",
    more_dropout: MoreDropout = False,
    distribution: Distribution = False,
    first: First = None,
    column: Column = None,
    name: ModelName = None,
    weights: Weights = None,
    split: SplitBy = "given",
    validation_share: ValidationShare = 0.05,
    test_share: TestShare = 0.2,
    group: Group = "group",
    lowest: Lowest = None,
    highest: Highest = None,
    missing: Missing = "error",
    seed: Seed = 0,
    precision: TrainPrecision = "float32",
    epochs: Epochs = None,
    batch: BatchSize = None,
    components: Components = None,
    run_folder: RunFolder = None,
    device: Device = "auto",
    memory: Memory = None,
    quiet: Quiet = False,
) -> None:
    """Train a head on stored features and ratings, and write a model that scores photos.

    Interrupted or killed, the same command continues after the last whole epoch and ends with the same model.

    Examples:
        mlsp train corners.h5 ratings.csv --head single_3fc --recipe small --epochs 20 --output mine/
        mlsp train corners.h5 ratings.csv --head ridge --output ridge/
    """
    # Imported here, so that other commands need not wait for torch.
    from mlsp.cli.card import agreement_line
    from mlsp.cli.progress import DownloadProgress
    from mlsp.cli.train_progress import TrainProgress
    from mlsp.ratings.splits import SplitSettings
    from mlsp.training import HeadTrainer
    from mlsp.training.job import TrainJob, run_job

    job = TrainJob(
        features,
        ratings,
        output,
        HeadTrainer(
            head,
            recipe,
            levels=levels,
            more_dropout=more_dropout,
            distribution=distribution,
            first=first,
            column=column,
            seed=seed,
            epochs=epochs,
            batch=batch,
            components=components,
            precision=precision,  # type: ignore[arg-type]  # checked there
            device=device,  # type: ignore[arg-type]  # checked there
            memory_bytes=None if memory is None else round(memory * 1e9),
            missing=missing,  # type: ignore[arg-type]  # checked there
        ),
        name=name,
        weights=weights,
        lowest=lowest,
        highest=highest,
        group=group,
        split=SplitSettings(split, validation_share, test_share, seed),  # type: ignore[arg-type]  # checked there
        run_folder=run_folder,
    )
    with (
        TrainProgress(quiet=quiet) as progress,
        DownloadProgress(quiet=quiet) as on_download,
    ):
        done = run_job(job, progress.callbacks(), on_download=on_download)
    typer.echo(f"{done.model.folder}: {done.model.card.summary}")
    for agreement in done.model.heads[0].agreement:
        typer.echo(agreement_line(agreement))
    if done.note:
        typer.echo(
            f"mlsp: the model has no network: it scores stored features, by mlsp predict, and photos by mlsp score --weights: {done.note}",
            err=True,
        )
