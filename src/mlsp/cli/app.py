"""The command line: one file a command, no logic. Exit codes: 0 done, 1 some photos failed, 2 usage or model error, 130 interrupted."""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

import typer

from mlsp.base.errors import MlspError
from mlsp.cli.backbones import backbones
from mlsp.cli.evaluate import evaluate
from mlsp.cli.experiment import experiment
from mlsp.cli.explain import explain
from mlsp.cli.export import export
from mlsp.cli.extract import extract
from mlsp.cli.features import features
from mlsp.cli.finetune import finetune
from mlsp.cli.import_keras import import_keras
from mlsp.cli.learn import learn
from mlsp.cli.models import models
from mlsp.cli.pick import pick
from mlsp.cli.predict import predict
from mlsp.cli.ratings import ratings
from mlsp.cli.score import score
from mlsp.cli.serve import serve
from mlsp.cli.service import service
from mlsp.cli.train import train

EXIT_ERROR = 2

app = typer.Typer(
    name="mlsp",
    help="Give photos the score that people would give them, offline and without a GPU.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(score)
app.command()(models)
app.command()(extract)
app.add_typer(features, name="features")
app.command()(backbones)
app.command()(evaluate)
app.command()(experiment)
app.command()(explain)
app.command()(export)
app.command()(finetune)
app.command()(import_keras)
app.command()(learn)
app.command()(pick)
app.command()(predict)
app.command()(ratings)
app.command()(serve)
app.command()(service)
app.command()(train)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mlsp {version('mlsp')}")
        raise typer.Exit


@app.callback()
def _main(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Give photos the score that people would give them, offline and without a GPU."""


def main() -> None:
    """Run the command line and end the process with its exit code.

    typer itself ends with 2 after wrong usage, with 130 after Ctrl-C, and quietly when the reader of stdout has gone.
    """
    try:
        app()
    except MlspError as error:
        _fail(str(error))
    except OSError as error:
        # A full disk behind stdout, say; what was scored is in the cache.
        _fail(f"{error.strerror or error}: {error.filename or 'standard output'}")


def _fail(message: str) -> NoReturn:
    typer.echo(f"mlsp: {message}", err=True)
    # Not sys.exit: the interpreter would try to flush a stdout that cannot be written, and complain.
    sys.stderr.flush()
    os._exit(EXIT_ERROR)
