"""Files of an evaluation: `.json` for programs, `.html` for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mlsp.base.atomic_file import check_replaceable, check_writable, has_mark
from mlsp.evaluation.json_report import write_evaluation
from mlsp.evaluation.records import Evaluation
from mlsp.reports.formats import check_suffix, writing

# In the head of a page.
_PAGE_MARK, _BYTES_TO_MARK = b": agreement with people</title>", 4096


def _write_page(path: Path, evaluation: Evaluation) -> None:
    from mlsp.evaluation.report.html import write_evaluation_page

    write_evaluation_page(path, evaluation)


_WRITERS: Mapping[str, Callable[[Path, Evaluation], None]] = {
    ".json": write_evaluation,
    ".html": _write_page,
}


def check_evaluation_files(paths: Sequence[Path]) -> None:
    """Check, before photos are scored, that the files can be written.

    Raises:
        SettingsError: an ending is unknown.
        OutputError: a file cannot be written there, or one that is no evaluation would be replaced.
        MissingExtraError: an ending needs a library that is not installed.
    """
    for path in paths:
        check_suffix(path, _WRITERS, "an evaluation")
        check_writable(path)
        check_replaceable(path, _is_evaluation)
    if any(path.suffix.lower() == ".html" for path in paths):
        import mlsp.evaluation.report.html  # noqa: F401 - raises if the extra is missing


def _is_evaluation(path: Path) -> bool:
    if path.suffix.lower() == ".html":
        return has_mark(path, _PAGE_MARK, within=_BYTES_TO_MARK)
    document = json.loads(path.read_bytes())
    return isinstance(document, dict) and {"format", "models", "ratings"} <= document.keys()


def write_evaluation_files(paths: Sequence[Path], evaluation: Evaluation) -> None:
    """Write an evaluation; each file is replaced whole or stays as it was.

    Args:
        paths: as for `check_evaluation_files`.
        evaluation: their content.

    Raises:
        OutputError: a file cannot be written.
    """
    for path in paths:
        with writing(path, "the evaluation"):
            _WRITERS[path.suffix.lower()](path, evaluation)
