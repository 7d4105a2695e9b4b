"""Registry of report formats, by the ending of the file's name: tables, and the page with pictures."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlsp.base.atomic_file import check_replaceable, check_writable, has_mark
from mlsp.base.errors import OutputError, SettingsError
from mlsp.reports.csv_report import ERROR_COLUMNS, csv_columns, write_csv, write_errors
from mlsp.reports.jsonl_report import jsonl_columns, write_jsonl
from mlsp.reports.parquet_report import check_parquet, parquet_columns, write_parquet
from mlsp.reports.rows import ReportModel, Table, is_report, report_table

if TYPE_CHECKING:
    from mlsp.base.results import ScoreFailure
    from mlsp.scoring.results import ScoreResult


def _needs_nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class TableFormat:
    """A format of tables.

    Attributes:
        write: writes a table; the file is replaced whole or stays as it was. May raise OSError.
        columns: returns the names of a file's columns; of a file that is no such table it may raise OSError, ValueError or csv.Error.
        check: raises MissingExtraError if the format needs a library that is not installed.
    """

    write: Callable[[Path, Table], None]
    columns: Callable[[Path], Sequence[str]]
    check: Callable[[], None] = _needs_nothing


TABLE_FORMATS = {
    ".csv": TableFormat(write_csv, csv_columns),
    ".jsonl": TableFormat(write_jsonl, jsonl_columns),
    ".parquet": TableFormat(write_parquet, parquet_columns, check_parquet),
}
TABLE_SUFFIXES = tuple(TABLE_FORMATS)
PAGE_SUFFIX = ".html"
# Of our pages; before it are their styles.
_PAGE_MARK, _BYTES_TO_MARK = b'<script type="application/json" id="report">', 500_000


def errors_path(output: Path) -> Path:
    """Return the file that lists the failed photos of a report.

    Examples:
        >>> errors_path(Path("scores.jsonl")).name
        'scores.errors.csv'
    """
    return output.with_suffix(".errors.csv")


def check_output(path: Path, *, suffixes: Iterable[str] | None = None) -> None:
    """Check, before photos are scored, that a report can be written.

    Args:
        path: the report's file.
        suffixes: endings that it may have; None for all of the registry.

    Raises:
        SettingsError: the ending is unknown.
        OutputError: the file cannot be written there, or one that `mlsp` did not write would be replaced.
        MissingExtraError: the ending needs a library that is not installed.
    """
    check_suffix(path, (PAGE_SUFFIX, *TABLE_FORMATS) if suffixes is None else suffixes, "a report")
    for file in (path, errors_path(path)):
        check_writable(file)
    if path.suffix.lower() in TABLE_FORMATS:
        TABLE_FORMATS[path.suffix.lower()].check()
    for file in (path, errors_path(path)):
        check_report_replaceable(file)


def check_report_replaceable(path: Path) -> None:
    """Refuse to replace a file that is neither empty nor a report, a list of failed photos or predictions.

    Args:
        path: a file that may exist, whose ending is one of the registry.

    Raises:
        OutputError: it is another file.
        MissingExtraError: the ending needs a library that is not installed.
    """
    check_replaceable(path, _is_report)


def _is_report(path: Path) -> bool:
    if path.suffix.lower() == PAGE_SUFFIX:
        return has_mark(path, _PAGE_MARK, within=_BYTES_TO_MARK)
    try:
        names = list(TABLE_FORMATS[path.suffix.lower()].columns(path))
    except csv.Error:
        return False
    return is_report(names) or names == ERROR_COLUMNS


def check_suffix(path: Path, suffixes: Iterable[str], content: str) -> None:
    """Check the ending of an output's name, in any case.

    Args:
        path: the file.
        suffixes: endings that it may have.
        content: what is to be written, for the message: "a report".

    Raises:
        SettingsError: it has another ending.
    """
    suffix, known = path.suffix.lower(), list(suffixes)
    if suffix not in known:
        raise SettingsError(
            f"cannot write {content} to {str(path)!r}: its ending must be one of {', '.join(known)}, got {suffix!r}"
        )


@contextlib.contextmanager
def writing(path: Path, content: str) -> Iterator[None]:
    """Raise OutputError where the block raises OSError.

    Args:
        path: the file that the block writes.
        content: what it writes, for the message: "the report".
    """
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {content} {str(path)!r}: {error.strerror or error}: free some space or name another file"
        ) from error


def write_table(path: Path, table: Table) -> None:
    """Write a table in the format of the file's ending.

    Args:
        path: the file, whose ending is one of `TABLE_FORMATS`; replaced whole.
        table: its content.

    Raises:
        OSError: the file cannot be written.
        MissingExtraError: the format needs a library that is not installed.
    """
    TABLE_FORMATS[path.suffix.lower()].write(path, table)


def write_report(
    path: Path,
    scored: Iterable[ScoreResult],
    failed: Iterable[ScoreFailure],
    model: ReportModel,
    *,
    every: bool = False,
    is_relative: bool = False,
    preview: int | None = None,
    on_picture: Callable[[ScoreResult], object] | None = None,
) -> None:
    """Write a report, and beside it the list of failed photos.

    Each file is replaced whole or stays as it was. The list is written where photos failed, and where an earlier run left one:
    then it is empty but for its header. An HTML report shows failed photos too.

    Args:
        path: the report's file; its ending chooses the format.
        scored: results, in the order of the report.
        failed: photos that could not be scored.
        model: that scored them.
        every: all columns of `mlsp.reports.rows.report_columns`; an HTML report is the same.
        is_relative: percentiles are among the photos of the report, as an HTML report then says.
        preview: longest side of the pictures of an HTML report, to be seen full screen too; by default they are small.
        on_picture: called for each result whose picture is in an HTML report, the only format that takes its time.

    Raises:
        SettingsError: the ending is unknown.
        OutputError: a file cannot be written.
        MissingExtraError: the format needs a library that is not installed.
    """
    check_output(path)
    results, failures = list(scored), list(failed)
    with writing(path, "the report"):
        if path.suffix.lower() == PAGE_SUFFIX:
            from mlsp.reports.html_report import write_html

            write_html(
                path,
                results,
                failures,
                model,
                is_relative=is_relative,
                preview=preview,
                on_picture=on_picture,
            )
        else:
            write_table(path, report_table(results, model, every=every))
        write_failures(path, failures)


def write_failures(path: Path, failed: Sequence[ScoreFailure]) -> list[Path]:
    """Write the list of failed photos beside a report, if there are any or an earlier list is there.

    Returns:
        The list's file, if it was written.

    Raises:
        OSError: it cannot be written.
    """
    errors = errors_path(path)
    if not failed and not errors.exists():
        return []
    write_errors(errors, failed)
    return [errors]
