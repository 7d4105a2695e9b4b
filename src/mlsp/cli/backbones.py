"""`mlsp backbones`."""

from __future__ import annotations

from typing import Annotated

import typer


def backbones(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Network to show."),
    ] = None,
) -> None:
    """List the networks, or show the levels, channels and weights of one.

    Examples:
        mlsp backbones
        mlsp backbones efficientnet_lite0
    """
    from mlsp.backbones import BACKBONES, backbone
    from mlsp.cli.backbone_card import backbone_lines

    if name is not None:
        for line in backbone_lines(backbone(name)):
            typer.echo(line)
        return
    for spec in BACKBONES.values():
        typer.echo(
            f"{spec.name}  {len(spec.levels)} levels, {spec.channels} channels, photos from {spec.smallest_side} px"
        )
    typer.echo("\nmlsp backbones NAME shows the levels of one.")
