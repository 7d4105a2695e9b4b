r"""Reports and error lists as CSV (RFC 4180): UTF-8 without a byte order mark, lines end with CR LF.

Names keep their bytes, those that are not UTF-8 too: read with `errors=sys.getfilesystemencodeerrors()`, `os.fsencode` gives the
file's own name back. Numbers are rounded for people; JSON lines and Parquet have them in full.

Spreadsheets take a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula, and a photo may have such
a name. Changing a name would lose the photo, so a relative path that begins so is written as `./=name.jpg`: the same file, and
no formula. An absolute path begins with a harmless character anyway.
"""

from __future__ import annotations

import csv
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlsp.base.atomic_file import atomic_write_text
from mlsp.reports.rows import ReportRow, columns

if TYPE_CHECKING:
    from mlsp.base.errors import PhotoError
    from mlsp.base.results import ScoreFailure

# The last four are the full-width forms, which some spreadsheets take for the plain ones.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_csv(path: Path, rows: Iterable[ReportRow], *, heads: Sequence[str]) -> None:
    """Write a report.

    Args:
        path: the file; replaced whole.
        rows: the report's rows.
        heads: names of the model's heads.

    Raises:
        OSError: the file cannot be written.
    """
    lines = ((csv_name(row.photo), *row.rounded_cells()[1:]) for row in rows)
    _write_table(path, columns(heads), lines)


def write_errors(path: Path, failed: Iterable[ScoreFailure]) -> None:
    """Write which photos could not be scored, and why.

    Args:
        path: the file; replaced whole.
        failed: the photos, in the order that the file shall have.

    Raises:
        OSError: the file cannot be written.
    """
    lines = (
        (csv_name(os.fspath(result.source)), plain_words(result.error), _valid(str(result.error)))
        for result in failed
    )
    _write_table(path, ("photo", "error", "message"), lines)


def csv_name(photo: str) -> str:
    """Write a photo's path so that no spreadsheet takes it for a formula.

    Examples:
        >>> csv_name("holiday/beach.jpg"), csv_name("-1.jpg")
        ('holiday/beach.jpg', './-1.jpg')
    """
    return f"{os.curdir}{os.sep}{photo}" if photo.startswith(_FORMULA_STARTS) else photo


def plain_words(error: PhotoError) -> str:
    """Say what kind of error it is.

    Examples:
        >>> from mlsp.base.errors import PhotoTooLargeError
        >>> plain_words(PhotoTooLargeError())
        'photo too large'
    """
    name = type(error).__name__.removesuffix("Error")
    return " ".join(re.findall(r"[A-Z][a-z0-9]*", name)).lower()


def _valid(text: str) -> str:
    """Keep what can be encoded of a text for people, and escape the rest."""
    return text.encode(errors="backslashreplace").decode()


def _write_table(path: Path, header: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    with atomic_write_text(path, errors=sys.getfilesystemencodeerrors()) as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(header)
        writer.writerows(lines)
