"""The program: its commands, by who needs them, and its end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

from mlsp.base.errors import MlspError
from mlsp.base.spawning import allow_spawning
from mlsp.base.standard_streams import open_closed_streams
from mlsp.cli import features, models, stars
from mlsp.cli.backbones import backbones
from mlsp.cli.bulk import bulk
from mlsp.cli.evaluate import evaluate
from mlsp.cli.experiment import experiment
from mlsp.cli.explain import explain
from mlsp.cli.export import export
from mlsp.cli.extract import extract
from mlsp.cli.finetune import finetune
from mlsp.cli.get_model import get
from mlsp.cli.import_keras import import_keras
from mlsp.cli.learn import learn
from mlsp.cli.pick import pick
from mlsp.cli.predict import predict
from mlsp.cli.ratings import ratings
from mlsp.cli.reproduce import reproduce
from mlsp.cli.score import score
from mlsp.cli.serve import serve
from mlsp.cli.service import service
from mlsp.cli.train import train

EXIT_ERROR = 2
# As shells have it: 128 and the number of SIGINT. typer ends a command with it after Ctrl-C.
EXIT_INTERRUPTED = 130


def _add(to: typer.Typer, *functions: Callable[..., None], panel: str | None = None) -> None:
    """Make commands of functions; the examples of their docstrings end the help."""
    for function in functions:
        text, _, examples = (function.__doc__ or "").partition("Examples:\n")
        # The first line is empty, so that the others keep their indentation.
        lines = ["", "Examples:", *(f"  {line.strip()}" for line in examples.strip().splitlines())]
        to.command(
            # `import_` is `import`, which Python keeps for itself.
            name=function.__name__.rstrip("_").replace("_", "-"),
            help="\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n")),
            epilog=escape("\n".join(lines)),
            rich_help_panel=panel,
        )(function)


app = typer.Typer(
    name="mlsp",
    help="Give photos the score that people would give them, offline and without a GPU.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_of_features = typer.Typer(
    help="Check, show, merge, export and import feature files.",
    no_args_is_help=True,
    add_completion=False,
)
_of_stars = typer.Typer(
    help="Take back what was written into sidecars.",
    no_args_is_help=True,
    add_completion=False,
)
_of_models = typer.Typer(
    cls=models.ModelCommands,
    help="List the installed models; show the card of one; get one of the paper's authors.\n\n"
    "Without a command: the list. mlsp models NAME shows a card.",
    invoke_without_command=True,
    add_completion=False,
)
_add(_of_features, features.check, features.info, features.merge, features.export, features.import_)

_add(app, score, pick, explain, serve, learn, panel="Photos")
_of_models.callback()(models.list_installed)
_add(_of_models, models.show, get)
app.add_typer(_of_models, name="models", rich_help_panel="Photos")
_add(_of_stars, stars.runs, stars.undo, stars.remove)
app.add_typer(_of_stars, name="stars", rich_help_panel="Photos")
_add(app, backbones, extract, panel="Research")
app.add_typer(_of_features, name="features", rich_help_panel="Research")
_add(app, ratings, train, finetune, predict, evaluate, panel="Research")
_add(app, experiment, reproduce, import_keras, panel="Research")
_add(app, service, bulk, export, panel="Programs")


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


def run_command(arguments: list[str]) -> int:
    """Run a command in this process, as the command line would, and return its exit code.

    Raises:
        MlspError: whatever the command raises.
    """
    code = app(arguments, prog_name="mlsp", standalone_mode=False)
    return code if isinstance(code, int) else 0


def main() -> None:
    """Run the command line and end the process with its exit code.

    Exit codes: 0 done, 1 some photos failed, 2 usage or model error, 130 interrupted. typer itself ends with 2 after wrong usage, with
    130 after Ctrl-C, and quietly when the reader of stdout has gone. Where SIGINT is ignored when the program starts, as in the
    background of a shell script, it stays so: Ctrl-C is for the foreground then, and SIGTERM ends the program.
    """
    open_closed_streams()
    # `mlsp.__main__` and the entry point of an installed program do nothing when they are imported.
    allow_spawning()
    try:
        app(prog_name="mlsp")
    except MlspError as error:
        _fail(str(error))
    except OSError as error:
        _fail(_os_error_text(error))


def _os_error_text(error: OSError) -> str:
    """Return what failed, and where; without a name it was stdout, if the system and no library says why."""
    reason = error.strerror or str(error)
    if error.filename is not None:
        return f"{reason}: {error.filename}"
    # A full disk behind stdout, say; what was scored is in the cache.
    is_stdout = error.errno is not None and reason == os.strerror(error.errno)
    return f"{reason}: standard output" if is_stdout else reason


def _fail(message: str) -> NoReturn:
    # Nor may stderr be written where both lead to a full disk.
    with suppress(OSError):
        typer.echo(f"mlsp: {message}", err=True)
        sys.stderr.flush()
    # Not sys.exit: the interpreter would try to flush a stdout that cannot be written, and complain.
    os._exit(EXIT_ERROR)
