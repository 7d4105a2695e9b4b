"""`mlsp finetune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsp.cli.options import (
    Backbone,
    Device,
    Group,
    Highest,
    Levels,
    LongestSide,
    Lowest,
    MaxMegapixels,
    Missing,
    ModelFolder,
    ModelName,
    Quiet,
    RatedPhotos,
    Ratings,
    ReadAs,
    Resize,
    Seed,
    SplitBy,
    TestShare,
    ValidationShare,
    Weights,
    Workers,
)
from mlsp.cli.training_options import (
    Distribution,
    MoreDropout,
    RunFolder,
)


def finetune(
    ratings: Ratings,
    backbone: Backbone,
    output: ModelFolder,
    head: Annotated[
        str,
        typer.Option(
            "--head",
            metavar="NAME",
            help="Architecture of the head: single_1fc, single_3fc, multi_3fc, pool_3fc or pool_3fc_released.",
        ),
    ] = "single_3fc",
    levels: Levels = "all",
    more_dropout: MoreDropout = False,
    distribution: Distribution = False,
    weights: Weights = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--start",
            metavar="DIR",
            help="Start with the head of this run folder of `mlsp train`.",
        ),
    ] = None,
    run_folder: RunFolder = None,
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", metavar="N", help="Maximum number of epochs; by default 60."),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            "--learning-rate",
            metavar="X",
            help="Initial learning rate; by default the paper's 1e-4.",
        ),
    ] = None,
    batch: Annotated[
        int, typer.Option("--batch", metavar="N", help="Photos per training step.")
    ] = 32,
    accumulate: Annotated[
        str,
        typer.Option(
            "--accumulate",
            metavar="auto|N",
            help="Pieces in which a batch goes through the network: less memory, the same result.",
        ),
    ] = "auto",
    checkpointing: Annotated[
        bool,
        typer.Option("--checkpointing", help="Compute activations twice: less memory, more time."),
    ] = False,
    augment: Annotated[
        bool,
        typer.Option(
            "--augment/--no-augment",
            help="Train on random crops of 7/8 of each side and mirror images, or on whole photos.",
        ),
    ] = True,
    test_crops: Annotated[
        int,
        typer.Option(
            "--test-crops",
            metavar="N",
            help="Random crops of each test photo; its score is their mean.",
        ),
    ] = 20,
    resize: Resize = None,
    read_as: ReadAs = "upright",
    longest_side: LongestSide = None,
    photos: RatedPhotos = None,
    lowest: Lowest = None,
    highest: Highest = None,
    missing: Missing = "error",
    split: SplitBy = "given",
    validation_share: ValidationShare = 0.05,
    test_share: TestShare = 0.2,
    group: Group = "group",
    name: ModelName = None,
    seed: Seed = 0,
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            metavar="NAME",
            help="float32, bfloat16, or auto: bfloat16 on a GPU that has it.",
        ),
    ] = "auto",
    device: Device = "auto",
    workers: Workers = None,
    max_megapixels: MaxMegapixels = 250,
    quiet: Quiet = False,
) -> None:
    """Fine-tune a network and a head, end to end, on rated photos.

    Writes a model that scores photos. Interrupted or killed, the same command continues after the last whole epoch. Photos that fail
    are named and left out.

    Examples:
        mlsp finetune ratings.csv --photos photos/ --backbone efficientnet_lite0 --resize 64x64 --epochs 1 --output tuned/
        mlsp finetune ratings.csv --photos photos/ --backbone efficientnet_lite0 --resize 64x64 --epochs 1 --head single_1fc --no-augment --output plain/
    """
    from mlsp.cli.card import agreement_line
    from mlsp.cli.inputs import leaves_out
    from mlsp.cli.progress import DownloadProgress, left_out_text
    from mlsp.cli.train_progress import TrainProgress
    from mlsp.models.writing import check_model_folder, replaced_model
    from mlsp.photos.sizes import parse_size
    from mlsp.ratings.datasets import load_ratings
    from mlsp.ratings.splits import SplitSettings, split_rows
    from mlsp.training.finetuning import FinetuneSettings
    from mlsp.training.finetuning import finetune as learn_end_to_end
    from mlsp.training.finetuning.settings import parse_pieces
    from mlsp.training.finetuning.start import check_different_files, head_for, open_pretrained
    from mlsp.training.run_folder import run_folder_of

    left_out = leaves_out(missing)
    check_model_folder(output)
    folder = run_folder_of(output, run_folder)
    replaced = replaced_model(output)
    if replaced:
        typer.echo(f"mlsp: {replaced}", err=True)
    settings = FinetuneSettings(
        epochs=epochs,
        learning_rate=learning_rate,
        batch=batch,
        accumulate=parse_pieces(accumulate),
        checkpointing=checkpointing,
        augment=augment,
        views=test_crops,
        resize=None if resize is None else parse_size(resize),
        longest_side=longest_side,
        read_as=read_as,  # type: ignore[arg-type]  # checked there
        seed=seed,
        precision=precision,  # type: ignore[arg-type]  # checked there
        device=device,  # type: ignore[arg-type]
        workers=workers,
        max_pixels=round(max_megapixels * 1e6),
    )
    table = load_ratings(ratings, photos=photos, lowest=lowest, highest=highest, group=group)
    parts = split_rows(table, SplitSettings(split, validation_share, test_share, seed))  # type: ignore[arg-type]
    spec = head_for(
        table,
        backbone,
        name=head,
        levels=levels,
        distribution=distribution,
        more_dropout=more_dropout,
    )
    check_different_files(table, parts)
    with DownloadProgress(quiet=quiet) as on_download:
        pretrained = open_pretrained(backbone, weights, run_folder=start, on_download=on_download)
    with TrainProgress(quiet=quiet) as progress:
        done = learn_end_to_end(
            pretrained,
            table,
            parts,
            spec,
            settings,
            run_folder=folder,
            callbacks=progress.callbacks(),
            on_failure=(lambda _failed: None) if left_out else progress.name_failure,
        )
        model = done.write(output, name=name)
    typer.echo(f"{model.folder}: {model.card.summary}")
    for agreement in model.heads[0].agreement:
        typer.echo(agreement_line(agreement))
    if left_out and done.reader.failed:
        names = [table.ratings[row].photo_id for row in done.reader.failed]
        typer.echo(left_out_text(names), err=True)
    elif done.reader.failed:
        raise typer.Exit(1)
