"""The files of an evaluation: `.json` for programs, `.html` for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlsp.base.atomic_file import check_writable
from mlsp.base.errors import OutputError, SettingsError

if TYPE_CHECKING:
    from mlsp.evaluation import Evaluation

EVALUATION_SUFFIXES = (".json", ".html")


def check_evaluation_files(paths: Sequence[Path]) -> None:
    """Make sure, before photos are scored, that the files can be written.

    Args:
        paths: the files; their endings say what they hold.

    Raises:
        SettingsError: an ending is unknown.
        OutputError: a file cannot be written there.
        MissingExtraError: an ending needs a library that is not installed.
    """
    for path in paths:
        if path.suffix.lower() not in EVALUATION_SUFFIXES:
            raise SettingsError(
                f"cannot write an evaluation to {str(path)!r}: its ending must be one of {', '.join(EVALUATION_SUFFIXES)},"
                f" got {path.suffix!r}"
            )
        check_writable(path)
    if any(path.suffix.lower() == ".html" for path in paths):
        import mlsp.evaluation.report.html  # noqa: F401 - says which extra is missing


def write_evaluation_files(paths: Sequence[Path], evaluation: Evaluation) -> None:
    """Write an evaluation, each file whole or as it was.

    Args:
        paths: as for `check_evaluation_files`.
        evaluation: what they hold.

    Raises:
        OutputError: a file cannot be written.
    """
    for path in paths:
        try:
            _write(path, evaluation)
        except OSError as error:
            raise OutputError(
                f"cannot write the evaluation {str(path)!r}: {error}: free some space or name another file"
            ) from error


def _write(path: Path, evaluation: Evaluation) -> None:
    if path.suffix.lower() == ".html":
        from mlsp.evaluation.report.html import write_evaluation_page

        write_evaluation_page(path, evaluation)
    else:
        from mlsp.evaluation import write_evaluation

        write_evaluation(path, evaluation)
