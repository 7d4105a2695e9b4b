"""`mlsp import-keras`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsp.cli.options import (
    ModelFolder,
    ModelName,
    Views,
)


def import_keras(
    file: Annotated[
        Path,
        typer.Argument(
            readable=False,
            metavar="FILE",
            help="File of Keras: irnv2_mlsp_narrow_orig, irnv2_mlsp_narrow_orig_aug or irnv2_mlsp_wide_orig.",
        ),
    ],
    output: ModelFolder,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            help="Weights of InceptionResNet-v2; without them the model scores stored features only.",
        ),
    ] = None,
    name: ModelName = None,
    views: Views = "auto",
) -> None:
    """Turn a head that the paper's authors released, trained on AVA, into a model.

    With the network's weights, mlsp score --model DIR scores photos; without, mlsp predict scores stored features. --views auto
    takes those that the head learned from: it knows the released files, and else looks at the names of the file and its folder,
    which end with _aug (corners8) or _orig (whole). mlsp models get downloads and imports in one go.

    Examples:
        mlsp import-keras irnv2_mlsp_narrow_orig.h5 --output ava/
        mlsp import-keras irnv2_mlsp_wide_orig.h5 --name ava-wide --output wide/
    """
    from mlsp.models.keras_import import import_keras as import_head
    from mlsp.models.released import find_views

    if views == "auto":
        views, reason = find_views(file)
        typer.echo(f"views: {views}, as {reason}", err=True)
    model = import_head(file, output, weights=weights, name=name, views=views)
    typer.echo(f"{model.folder}: {model.card.summary}")
    if model.backbone_file is None:
        typer.echo(
            "It reads stored features, by mlsp predict. To score photos, import it again with --weights.",
            err=True,
        )
