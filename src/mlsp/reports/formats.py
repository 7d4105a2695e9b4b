"""What becomes of results: a ranking, a table for the terminal, a file.

ScoreResult ─ sort_results ─┬ table: print_table                          terminal or tab-separated lines
                       ├ rows ─ csv_report, jsonl_report, parquet_report   write_report, by the file's ending
                       └ html_report: write_html                    likewise; a page with pictures
ScoreFailure ─ csv_report: write_errors                                    `<output stem>.errors.csv`
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlsp.base.atomic_file import check_writable
from mlsp.base.errors import OutputError, SettingsError
from mlsp.reports.csv_report import write_csv, write_errors
from mlsp.reports.jsonl_report import write_jsonl
from mlsp.reports.parquet_report import check_parquet, write_parquet
from mlsp.reports.ranking import check_sort, sort_results
from mlsp.reports.rows import ReportRow, columns, rows

if TYPE_CHECKING:
    from mlsp.base.results import ScoreFailure
    from mlsp.scoring.results import ScoreResult

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
        SettingsError: the ending is unknown.
        OutputError: the file cannot be written there.
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
    scored: Iterable[ScoreResult],
    failed: Iterable[ScoreFailure],
    *,
    model_name: str,
    heads: Sequence[str],
    on_picture: Callable[[ScoreResult], object] | None = None,
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
        SettingsError: the ending is unknown.
        OutputError: the file cannot be written.
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
        raise OutputError(
            f"cannot write the report {str(path)!r}: {error}: free some space or name another file"
        ) from error
