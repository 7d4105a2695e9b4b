"""What becomes of results: a ranking, a table for the terminal, a file.

Scored ─ sort_results ─┬ table: print_table                          terminal or tab-separated lines
                       ├ rows ─ csv_report, jsonl_report, parquet_report   write_report, by the file's ending
                       └ html_report: write_html                    likewise; a page with pictures
Failed ─ csv_report: write_errors                                    `<output stem>.errors.csv`
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlsp.errors import SettingsError
from mlsp.reports.csv_report import write_csv, write_errors
from mlsp.reports.jsonl_report import write_jsonl
from mlsp.reports.parquet_report import check_parquet, write_parquet
from mlsp.reports.ranking import check_sort, sort_results
from mlsp.reports.rows import ReportRow, columns, rows

if TYPE_CHECKING:
    from mlsp.features import Failed
    from mlsp.scored import Scored

__all__ = [
    "REPORT_SUFFIXES",
    "TABLE_SUFFIXES",
    "ReportRow",
    "check_output",
    "check_sort",
    "check_writable",
    "columns",
    "errors_path",
    "rows",
    "sort_results",
    "write_report",
]

TABLE_SUFFIXES = (".csv", ".jsonl", ".parquet")
REPORT_SUFFIXES = (".html", *TABLE_SUFFIXES)


def errors_path(output: Path) -> Path:
    """Say where the failed photos of a report are listed.

    Examples:
        >>> errors_path(Path("scores.jsonl")).name
        'scores.errors.csv'
    """
    return output.with_suffix(".errors.csv")


def check_output(path: Path, *, suffixes: Sequence[str] = REPORT_SUFFIXES) -> None:
    """Make sure, before photos are scored, that a report can be written.

    Args:
        path: the report's file.
        suffixes: endings that it may have.

    Raises:
        SettingsError: the ending is unknown, or the file cannot be written there.
        MissingExtraError: the ending needs a library that is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        known = ", ".join(suffixes)
        raise SettingsError(
            f"cannot write a report to {str(path)!r}: its ending must be one of {known}, got {suffix!r}"
        )
    for file in (path, errors_path(path)):
        check_writable(file)
    if suffix == ".parquet":
        check_parquet()


def write_report(
    path: Path,
    scored: Iterable[Scored],
    failed: Iterable[Failed],
    *,
    model_name: str,
    heads: Sequence[str],
    on_picture: Callable[[Scored], object] | None = None,
) -> None:
    """Write a report, and beside it the list of failed photos.

    Each file is replaced whole or stays as it was. The list is written where photos failed, and where an earlier run left one:
    then it is empty but for its header. An HTML report shows them, too.

    Args:
        path: the report's file; its ending says the format.
        scored: results, in the order that the report shall have.
        failed: photos that could not be scored.
        model_name: of the model that scored them.
        heads: names of the model's heads, in the model's order.
        on_picture: called for each result whose picture is in an HTML report, the only one that takes its time.

    Raises:
        SettingsError: the ending is unknown, or the file cannot be written.
        MissingExtraError: the ending needs a library that is not installed.
    """
    check_output(path)
    results = list(scored)
    failures = list(failed)
    table = rows(results, model_name=model_name, heads=heads)
    try:
        match path.suffix.lower():
            case ".jsonl":
                write_jsonl(path, table, heads=heads)
            case ".parquet":
                write_parquet(path, table, model_name=model_name, heads=heads)
            case ".html":
                from mlsp.reports.html_report import write_html

                write_html(
                    path,
                    results,
                    failures,
                    model_name=model_name,
                    heads=heads,
                    on_picture=on_picture,
                )
            case _:
                write_csv(path, table, heads=heads)
        if failures or errors_path(path).exists():
            write_errors(errors_path(path), failures)
    except OSError as error:
        raise SettingsError(
            f"cannot write the report {str(path)!r}: {error}: free some space or name another file"
        ) from error


def check_writable(path: Path) -> None:
    """Make sure, before the work is done, that a file can be written.

    Args:
        path: the file, which may exist.

    Raises:
        SettingsError: it cannot be written there.
    """
    # A symbolic link is written through, so what it points to counts.
    target = Path(os.path.realpath(path))
    folder = target.parent
    if not folder.exists():
        reason = f"the folder {str(folder)!r} does not exist: make it first"
    elif not folder.is_dir():
        reason = f"{str(folder)!r} is a file: name a folder"
    elif target.is_dir():
        reason = "it is a folder: name a file"
    elif target.exists() and not target.is_file():
        reason = "it is not an ordinary file: name another"
    elif not os.access(folder, os.W_OK | os.X_OK):
        reason = f"the folder {str(folder)!r} is not writable: name another"
    elif target.exists() and not os.access(target, os.W_OK):
        reason = "the file is write-protected: name another"
    else:
        return
    raise SettingsError(f"cannot write {str(path)!r}: {reason}")
