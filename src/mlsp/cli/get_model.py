"""`mlsp models get`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsp.cli.options import Quiet


def get(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="ava-wide, ava-narrow or ava-narrow-aug."),
    ],
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            readable=False,
            metavar="DIR",
            help="Folder with the two files, under any name; then nothing is downloaded.",
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Get a model of the paper's authors, trained on AVA: its head and the network's ImageNet weights.

    It prints what is downloaded, how large, from where and under which licence; each file is downloaded once, verified, and begun again
    where it broke off. Then mlsp score --model NAME scores photos. A mirror is tried first if the environment variable MLSP_MIRROR
    names one; MLSP_OFFLINE=1 forbids downloads.

    Examples:
        mlsp models get ava-wide
        mlsp models get ava-narrow --from released/
    """
    from mlsp.cli.progress import DownloadProgress
    from mlsp.models.getting import find_released, get_released, needed_files
    from mlsp.models.released import released_model

    released = released_model(name)
    present = find_released(released)
    if present is not None:
        typer.echo(f"{name} is here already: {present.folder}")
        return
    files = needed_files(released, source)
    typer.echo(f"{name}: {released.title}, trained on AVA; SRCC {released.srcc:.3f} in the paper")
    for what, file in zip(("head", "network"), files, strict=True):
        megabytes = (file.record.size_bytes or 0) / 1e6
        origin = f"here: {file.found}" if file.found else f"download {file.record.url}"
        typer.echo(f"  {what:8}{megabytes:5.0f} MB  {file.record.license:11}{origin}")
    if not quiet:
        typer.echo("Once both are here, the model takes a minute to make.", err=True)
    with DownloadProgress(quiet=quiet) as on_download:
        model = get_released(released, files, on_download=on_download)
    typer.echo(f"  model   {model.folder}\nmlsp score --model {name} PHOTO... scores with it")
