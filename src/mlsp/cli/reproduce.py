"""`mlsp reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlsp.cli.options import (
    Device,
    Highest,
    Lowest,
    Quiet,
    RatedPhotos,
    ReadAs,
    Weights,
)
from mlsp.cli.training_options import (
    Epochs,
    OtherBackbone,
    Recipe,
    Seeds,
)

if TYPE_CHECKING:
    from mlsp.paper.reproduction import Step


def reproduce(
    ratings: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER|RATINGS",
            help="Folder of AVA as published; or other ratings: a table, or a data set and its folder.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder of features, models and results; what is there is kept.",
        ),
    ],
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the steps and what they take, and run none.")
    ] = False,
    tables: Annotated[
        list[str] | None,
        typer.Option(
            "--table",
            metavar="NAME",
            help="Only table2, table3, table4, fig7 or fig8, which is Figures 8 and 9; may be repeated.",
        ),
    ] = None,
    narrow: Annotated[
        bool,
        typer.Option("--narrow", help="Leave out wide features, and with them Pool-3FC."),
    ] = False,
    finetunes: Annotated[
        bool, typer.Option("--finetune/--no-finetune", help="Run the fine-tuned rows.")
    ] = True,
    backbone: OtherBackbone = None,
    weights: Weights = None,
    recipe: Recipe = "paper",
    epochs: Epochs = None,
    seeds: Seeds = 1,
    photos: RatedPhotos = None,
    lowest: Lowest = None,
    highest: Highest = None,
    read_as: ReadAs = "upright",
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Reproduce the paper's tables and figures: extract, fine-tune, train and write tables, plots and contact sheets.

    Each step is a command that --plan prints. Interrupted or killed at any point, the same command goes on. Photos that are missing or
    unreadable are counted and left out.

    Examples:
        mlsp reproduce ratings.csv --photos photos/ --backbone efficientnet_lite0 --plan --output paper/
        mlsp reproduce ratings.csv --photos photos/ --backbone efficientnet_lite0 --table table2 --no-finetune --plan --output paper/
    """
    from mlsp.base.atomic_file import make_output_folder
    from mlsp.cli.plan_card import plan_lines
    from mlsp.paper import check_outcome_files
    from mlsp.paper.costs import Machine, savings, step_costs
    from mlsp.paper.reproduction import (
        TABLES,
        ReproductionSettings,
        check_disk,
        plan_steps,
    )
    from mlsp.ratings.datasets import load_ratings
    from mlsp.ratings.splits import split_rows
    from mlsp.ratings.table import with_photos
    from mlsp.training.settings import torch_device

    if not quiet:
        # Of a quarter of a million photos this takes a while.
        typer.echo("mlsp: looking for the photos, measuring this machine", err=True)
    source = f"ava:{ratings}" if Path(ratings).is_dir() else ratings
    rated = load_ratings(source, photos=photos, lowest=lowest, highest=highest)
    settings = ReproductionSettings(
        source,
        output,
        photos=photos,
        tables=tuple(tables or TABLES),
        narrow=narrow,
        finetunes=finetunes,
        backbone=backbone,
        weights=weights,
        recipe=recipe,
        epochs=epochs,
        seeds=seeds,
        device=device,  # type: ignore[arg-type]  # checked there
        read_as=read_as,  # type: ignore[arg-type]  # checked there
        lowest=lowest,
        highest=highest,
        has_votes=rated.bins is not None,
    )
    table = with_photos(rated)
    split, steps = split_rows(table), plan_steps(settings)
    machine = Machine.measured(table, device=torch_device(device).type)
    costs = step_costs(steps, settings, table, split, machine)
    if plan or not quiet:
        saved = savings(settings, table, split, machine)
        missing = len(rated) - len(table)
        for line in plan_lines(split, costs, saved, machine, output, missing=missing):
            typer.echo(line, err=not plan)
    if plan:
        return
    check_disk(output, sum(cost.disk for step, cost in costs.items() if not step.is_done))
    for one in settings.tables:
        check_outcome_files(output / "results", one)
    for folder in ("features", "models", "results"):
        make_output_folder(output / folder, hint="name another --output")
    for number, step in enumerate(steps, 1):
        if not step.is_done:
            _run(step, f"{number}/{len(steps)}", quiet=quiet)
            step.note_done()


def _run(step: Step, number: str, *, quiet: bool) -> None:
    import shlex

    from mlsp.cli.app import EXIT_INTERRUPTED, run_command

    if not quiet:
        typer.echo(f"[{number}] mlsp {shlex.join(step.arguments)}", err=True)
    code = run_command([*step.arguments, *(["--quiet"] if quiet else [])])
    if code == EXIT_INTERRUPTED:
        typer.echo(f"mlsp: interrupted in step {number}; the same command goes on", err=True)
    if code:
        raise typer.Exit(code)
