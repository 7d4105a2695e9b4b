"""`mlsp models`: the list, and `show`. Its `get` is in `mlsp.cli.get_model`, as it needs what these do not."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup


class ModelCommands(TyperGroup):
    """The commands; anything else is the name of a model to show."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the words call."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["show", *args])


def list_installed(context: typer.Context) -> None:
    """List the installed models."""
    if context.invoked_subcommand is not None:
        return
    from mlsp.models.model import Model, iterate_models
    from mlsp.models.released import RELEASED_MODELS

    is_damaged = False
    for label, model in iterate_models():
        if isinstance(model, Model):
            heads = ", ".join(head.name for head in model.heads)
            typer.echo(f"{label}  {model.version}  {heads}")
            typer.echo(f"    {model.card.summary}")
        else:
            is_damaged = True
            typer.echo(f"{label}  damaged: {model}")
    names = ", ".join(model.name for model in RELEASED_MODELS)
    typer.echo("\nmlsp models NAME shows the card of one.")
    typer.echo(f"mlsp models get NAME gets one of the paper's authors: {names}.")
    if is_damaged:
        raise typer.Exit(2)


def show(
    name: Annotated[str, typer.Argument(metavar="NAME|DIR", help="Model to show.")],
) -> None:
    """Show the card of a model: sources, agreement with people, limits. `mlsp models NAME` is the same.

    Examples:
        mlsp models show default
        mlsp models fast
    """
    from rich.console import Console

    from mlsp.cli.card import card_lines
    from mlsp.models.model import load_model

    console = Console(highlight=False, soft_wrap=False)
    for line in card_lines(load_model(name)):
        console.print(line)
