"""`mlsp import-keras`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_keras(
    file: Annotated[
        Path,
        typer.Argument(
            readable=False,
            metavar="FILE",
            help="irnv2_mlsp_narrow_orig, …_narrow_orig_aug or irnv2_mlsp_wide_orig, HDF5 by Keras.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Folder of the model.", show_default=False
        ),
    ],
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            help="Weights of InceptionResNet-v2, so that the model scores photos; without them it reads stored features.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="Name of the model; that of its folder by default.",
            show_default=False,
        ),
    ] = None,
    views: Annotated[
        str,
        typer.Option(
            "--views",
            help="whole, whole_mirrored, or corners8, the mean of 8 crops; auto: corners8 where FILE's name ends with _aug, else whole.",
        ),
    ] = "auto",
) -> None:
    """Make a model of a head that the paper's authors released, trained on AVA.

    With the network's weights, mlsp score --model DIR scores photos by it; without, mlsp predict scores stored features.
    """
    from mlsp.models.keras_import import import_keras as import_head

    model = import_head(file, output, weights=weights, name=name, views=views)
    typer.echo(f"{model.folder}: {model.card.summary}")
    if model.backbone_file is None:
        typer.echo(
            "It reads stored features, by mlsp predict. To score photos, import it again with --weights.",
            err=True,
        )
