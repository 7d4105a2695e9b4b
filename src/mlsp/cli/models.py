"""`mlsp models`."""

from __future__ import annotations

from typing import Annotated

import typer


def models(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|DIR]", help="Model to show."),
    ] = None,
) -> None:
    """List the installed models, or show the card of one: sources, agreement with people, limits.

    Examples:
        mlsp models
        mlsp models default
    """
    from rich.console import Console

    from mlsp.cli.card import card_lines
    from mlsp.models.model import Model, iterate_models, load_model

    console = Console(highlight=False, soft_wrap=False)
    if name is not None:
        for line in card_lines(load_model(name)):
            console.print(line)
        return
    is_damaged = False
    for label, model in iterate_models():
        if isinstance(model, Model):
            heads = ", ".join(head.name for head in model.heads)
            console.print(f"{label}  {model.version}  {heads}", markup=False)
            console.print(f"    {model.card.summary}", markup=False)
        else:
            is_damaged = True
            console.print(f"{label}  damaged: {model}", markup=False)
    console.print("\nmlsp models NAME shows the card of one.")
    if is_damaged:
        raise typer.Exit(2)
