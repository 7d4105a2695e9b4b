"""`mlsp finetune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsp.cli.options import Device, MaxMegapixels, Quiet, Workers


def finetune(
    ratings: Annotated[
        str,
        typer.Argument(
            metavar="RATINGS",
            help="People's ratings: a .csv or .parquet table, or a data set and its folder, such as ava:FOLDER.",
            show_default=False,
        ),
    ],
    backbone: Annotated[
        str,
        typer.Option(
            "--backbone",
            "-b",
            metavar="NAME",
            help="Network; see `mlsp backbones`.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Folder of the model.", show_default=False
        ),
    ],
    head: Annotated[
        str,
        typer.Option(
            "--head", help="single_1fc, single_3fc, multi_3fc, pool_3fc or pool_3fc_released."
        ),
    ] = "single_3fc",
    levels: Annotated[
        str,
        typer.Option(
            "--levels", help="That the head reads: all; last5, say; or names, with commas."
        ),
    ] = "all",
    more_dropout: Annotated[
        bool, typer.Option("--more-dropout", help='The paper\'s "+do": dropouts .5, .5, .75.')
    ] = False,
    distribution: Annotated[
        bool,
        typer.Option(
            "--distribution",
            help="Learn the distribution of the votes, as NIMA does, not their mean.",
        ),
    ] = False,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            help="Weights to begin with; by default the published ones.",
            show_default=False,
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--start",
            metavar="DIR",
            help="Run folder of mlsp train, whose head to begin with.",
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
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", metavar="N", help="At most; by default 60.", show_default=False),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            "--learning-rate", help="The first; by default the paper's 1e-4.", show_default=False
        ),
    ] = None,
    batch: Annotated[int, typer.Option("--batch", metavar="N", help="Photos a step.")] = 32,
    accumulate: Annotated[
        str,
        typer.Option(
            "--accumulate",
            metavar="auto|N",
            help="Pieces that a batch goes through the network in: less memory, the same result.",
        ),
    ] = "auto",
    checkpointing: Annotated[
        bool,
        typer.Option("--checkpointing", help="Compute activations twice: less memory, more time."),
    ] = False,
    augment: Annotated[
        bool,
        typer.Option(
            "--augment/--no-augment", help="Random crops of 7/8 and mirrors; or whole photos."
        ),
    ] = True,
    views: Annotated[
        int, typer.Option("--views", metavar="N", help="Random crops of a test photo.")
    ] = 20,
    resize: Annotated[
        str | None,
        typer.Option(
            "--resize",
            metavar="WxH",
            help="Bring every photo to this size, whatever its proportions: 256x256 for the paper's Table 2.",
            show_default=False,
        ),
    ] = None,
    longest_side: Annotated[
        int | None,
        typer.Option(
            "--longest-side", metavar="N", help="Reduce larger photos.", show_default=False
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
    split: Annotated[str, typer.Option("--split", help="given, random or group.")] = "given",
    validation_share: Annotated[
        float, typer.Option("--validation-share", help="Of the photos to learn from.")
    ] = 0.05,
    test_share: Annotated[
        float, typer.Option("--test-share", help="Of all photos; not for a given split.")
    ] = 0.2,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", help="Of the model; by default that of its folder.", show_default=False
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="Of all that is drawn.")
    ] = 0,
    precision: Annotated[
        str, typer.Option("--precision", help="auto, float32 or bfloat16.")
    ] = "auto",
    device: Device = "auto",
    workers: Workers = None,
    max_megapixels: MaxMegapixels = 250,
    quiet: Quiet = False,
) -> None:
    """Fine-tune a network and a head, end to end, on rated photos; writes a model that mlsp score uses.

    Interrupted or killed, the same command goes on from the last epoch. Photos that fail are named and left out.
    """
    from mlsp.cli.finetune_progress import FinetuneProgress
    from mlsp.models.writing import check_model_folder
    from mlsp.photos.sizes import parse_size
    from mlsp.ratings.datasets import load_ratings
    from mlsp.ratings.splits import SplitSettings, split_ratings
    from mlsp.training.finetuning import FinetuneSettings
    from mlsp.training.finetuning import finetune as learn_end_to_end
    from mlsp.training.finetuning.settings import parse_pieces
    from mlsp.training.finetuning.start import check_different_files, head_for, open_pretrained

    check_model_folder(output)
    settings = FinetuneSettings(
        epochs=epochs,
        learning_rate=learning_rate,
        batch=batch,
        accumulate=parse_pieces(accumulate),
        checkpointing=checkpointing,
        augment=augment,
        views=views,
        resize=None if resize is None else parse_size(resize),
        longest_side=longest_side,
        seed=seed,
        precision=precision,  # type: ignore[arg-type]  # checked there
        device=device,  # type: ignore[arg-type]
        workers=workers,
        max_pixels=round(max_megapixels * 1e6),
    )
    table = load_ratings(ratings, photos=photos, lowest=lowest, highest=highest)
    parts = split_ratings(table, SplitSettings(split, validation_share, test_share, seed))  # type: ignore[arg-type]
    spec = head_for(
        table,
        backbone,
        name=head,
        levels=levels,
        distribution=distribution,
        more_dropout=more_dropout,
    )
    check_different_files(table, parts)
    pretrained = open_pretrained(backbone, weights, run_folder=start)
    with FinetuneProgress(quiet=quiet) as progress:
        done = learn_end_to_end(
            pretrained,
            table,
            parts,
            spec,
            settings,
            run_folder=run_folder or output.absolute().with_name(f"{output.name}.run"),
            watch=progress.watch(),
            on_failure=progress.failed,
        )
        model = done.write(output, name=name)
    typer.echo(f"{model.folder}: {model.card.summary}")
    for agreement in model.heads[0].agreement:
        typer.echo(
            f"SRCC {agreement.srcc:.4f}, PLCC {agreement.plcc:.4f} on {agreement.photo_count} {agreement.photos}"
        )
    if done.reader.failed:
        raise typer.Exit(1)
