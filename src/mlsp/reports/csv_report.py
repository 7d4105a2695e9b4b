r"""Reports and error lists as CSV (RFC 4180): UTF-8 without a byte order mark, lines end with CR LF.

Bytes of a name that are not UTF-8 are written as `\xff`, as screens show them; `mlsp.base.text.unescape_bytes` gives the file's own
name back, and commands that read tables find the file. Numbers are rounded for people; JSON lines and Parquet have them in full.

Spreadsheets take a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula, and a photo may have such
a name. Changing a name would lose the photo, so a relative path that begins so is written as `./=name.jpg`: the same file, and
no formula. An absolute path begins with a harmless character anyway.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mlsp.base.atomic_file import atomic_write_text
from mlsp.base.text import escape_bytes
from mlsp.reports.rows import Column, Table

if TYPE_CHECKING:
    from mlsp.base.errors import PhotoError
    from mlsp.base.results import ScoreFailure

# The last four are the full-width forms, which some spreadsheets take for the plain ones.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# Of a list of failed photos.
ERROR_COLUMNS = ["photo", "error", "message"]
_MAX_HEADER_BYTES = 1_000_000


def write_csv(path: Path, table: Table) -> None:
    """Write a table.

    Raises:
        OSError: the file cannot be written.
    """
    with atomic_write_text(path) as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(table.names)
        are_names = [column.is_name for column in table.columns]
        writer.writerows(
            [
                escape_bytes(csv_name(cell) if is_name else cell)
                for is_name, cell in zip(are_names, cells, strict=True)
            ]
            for cells in table.texts()
        )


def csv_columns(path: Path) -> list[str]:
    """Return the first row of a file, whatever it is.

    Raises:
        OSError: it cannot be read. ValueError, csv.Error: its first row is not CSV.
    """
    with path.open("rb") as file:
        first = file.readline(_MAX_HEADER_BYTES).decode()
    return next(csv.reader([first]), [])


def write_errors(path: Path, failed: Iterable[ScoreFailure]) -> None:
    """Write which photos could not be scored, and why.

    Raises:
        OSError: the file cannot be written.
    """
    rows = (
        (os.fspath(result.source), error_kind(result.error), str(result.error)) for result in failed
    )
    photo, error, message = ERROR_COLUMNS
    table = Table((Column(photo, is_name=True), Column(error), Column(message)), rows)
    write_csv(path, table)


def csv_name(photo: str) -> str:
    """Return a photo's path so that no spreadsheet takes it for a formula.

    Examples:
        >>> csv_name("holiday/beach.jpg"), csv_name("-1.jpg")
        ('holiday/beach.jpg', './-1.jpg')
    """
    return f"{os.curdir}{os.sep}{photo}" if photo.startswith(_FORMULA_STARTS) else photo


def error_kind(error: PhotoError) -> str:
    """Return the kind of an error in plain words.

    Examples:
        >>> from mlsp.base.errors import PhotoTooLargeError
        >>> error_kind(PhotoTooLargeError())
        'photo too large'
    """
    name = type(error).__name__.removesuffix("Error")
    return " ".join(re.findall(r"[A-Z][a-z0-9]*", name)).lower()
