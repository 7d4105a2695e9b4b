"""`mlsp train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsp.cli.options import Device, Quiet


def train(
    features: Annotated[
        Path,
        typer.Argument(
            readable=False,
            metavar="FEATURES",
            help="File of mlsp extract.",
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
    head: Annotated[
        str,
        typer.Option(
            "--head",
            metavar="NAME",
            help="single_1fc, single_3fc, multi_3fc, ridge or kernel on narrow features; pool_3fc or pool_3fc_released on wide ones.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Folder of the model.", show_default=False
        ),
    ],
    recipe: Annotated[str, typer.Option("--recipe", help="paper, released or small.")] = "paper",
    levels: Annotated[
        str,
        typer.Option("--levels", help="all; last5, say, for the last five; or names, with commas."),
    ] = "all",
    more_dropout: Annotated[
        bool, typer.Option("--more-dropout", help="The paper's +do: dropouts .5, .5, .75.")
    ] = False,
    distribution: Annotated[
        bool,
        typer.Option(
            "--distribution",
            help="Learn the distribution of the votes, as NIMA does, not their mean.",
        ),
    ] = False,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="Name of the model; that of its folder by default.",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            help="Weights of the network that made the features, so that the model scores photos; by default the published ones.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            "--split",
            help="given, by the ratings' own; random; or group, which keeps photos of a group together.",
        ),
    ] = "given",
    validation_share: Annotated[
        float,
        typer.Option(
            "--validation-share",
            help="Of the photos; of the train photos where the split is given.",
        ),
    ] = 0.05,
    test_share: Annotated[
        float, typer.Option("--test-share", help="Of the photos; not where the split is given.")
    ] = 0.2,
    lowest: Annotated[
        float | None,
        typer.Option("--lowest", help="Lower end of a table's scale.", show_default=False),
    ] = None,
    highest: Annotated[
        float | None,
        typer.Option("--highest", help="Upper end of a table's scale.", show_default=False),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            "--seed", metavar="N", min=0, help="Of split, first weights, order, views and dropout."
        ),
    ] = 0,
    precision: Annotated[
        str,
        typer.Option("--precision", help="float32; or bfloat16 for the large matrix products."),
    ] = "float32",
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs",
            metavar="N",
            min=1,
            help="At most; by default as many as the recipe has. More go on from there.",
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
    run_folder: Annotated[
        Path | None,
        typer.Option(
            "--run-folder",
            metavar="DIR",
            help="Keeps what goes on after an interruption, log.csv and curves.png; by default that of the model with .run.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    memory: Annotated[
        float | None,
        typer.Option(
            "--memory",
            metavar="GB",
            min=0,
            max=1e6,
            help="Hold features of up to so many gigabytes in memory, read larger ones while training; by default half of the machine's.",
            show_default=False,
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Train a head on stored features and ratings, and write a model that scores photos.

    Interrupted or killed, the same command goes on after the last whole epoch and ends with the same model. Several GPUs or machines:
    torchrun -m mlsp train …
    """
    # Imported here, so that other commands need not wait for torch.
    from mlsp.cli.train_progress import TrainProgress
    from mlsp.ratings.splits import SplitSettings
    from mlsp.training import TrainSettings
    from mlsp.training.job import TrainJob, run_job

    job = TrainJob(
        features,
        ratings,
        output,
        head,
        levels=levels,
        more_dropout=more_dropout,
        distribution=distribution,
        name=name,
        weights=weights,
        lowest=lowest,
        highest=highest,
        split=SplitSettings(split, validation_share, test_share, seed),  # type: ignore[arg-type]  # checked there
        settings=TrainSettings(
            recipe,
            seed,
            precision,  # type: ignore[arg-type]  # checked there
            device,  # type: ignore[arg-type]  # checked there
            epochs,
            batch,
            memory_bytes=None if memory is None else round(memory * 1e9),
        ),
        run_folder=run_folder,
    )
    with TrainProgress(quiet=quiet) as progress:
        done = run_job(job, progress.watch())
    if done.model is None:
        return
    typer.echo(f"{done.model.folder}: {done.model.card.summary}")
    for agreement in done.model.heads[0].agreement:
        typer.echo(
            f"SRCC {agreement.srcc:.4f}, PLCC {agreement.plcc:.4f} on {agreement.photo_count} {agreement.photos}"
        )
    if done.note:
        typer.echo(
            f"mlsp: the model has no network, so it scores stored features only, by mlsp predict: {done.note}",
            err=True,
        )
