"""Tables in CSV and parquet files, as rows of cells."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mlsp.base.errors import MissingExtraError, MlspError

# What fits into a C long everywhere.
_MAX_CELL = 2**31 - 1
_DECIMAL_COMMA = re.compile(r"^(\s*[+-]?\d+),(\d+\s*)$")


class Table(NamedTuple):
    """A table as it was read.

    Attributes:
        names: of the columns, in order, without spaces around them.
        rows: of each row its position in the file (`line 2` or `row 1`) and its cells. A row of a CSV
            file is as long as it is there.
    """

    names: list[str]
    rows: list[tuple[str, list[Any]]]


@contextmanager
def reading_table(path: Path, error: type[MlspError]) -> Iterator[None]:
    """Turn what goes wrong while a table is read into one of our errors, which names the table.

    Args:
        path: of the table.
        error: class of the error.
    """
    try:
        yield
    except MlspError:
        raise
    except FileNotFoundError:
        raise error(f"there is no table {path}") from None
    except (OSError, ValueError, csv.Error) as caught:
        # pyarrow's errors are ValueErrors or OSErrors too.
        raise error(f"table {path} cannot be read: {caught}") from caught


def read_table(path: Path, purpose: str, columns: Collection[str] | None = None) -> Table:
    """Read a table.

    Args:
        path: a parquet file, by its ending, else CSV with a header: UTF-8, UTF-16 or (with the line ends of Windows) cp1252;
            commas, semicolons (then numbers may have a decimal comma) or tabs.
        purpose: what it is, as the start of a sentence about the library that parquet needs.
        columns: those that are needed; None for all. A parquet file has None in the cells of others.

    Returns:
        Texts of a CSV file, whatever values a parquet file has; blank lines are left out.

    Raises:
        OSError: it cannot be read. ValueError, csv.Error: it is damaged. pyarrow's are of these too.
        MissingExtraError: it is a parquet file, and pyarrow is not installed.
    """
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path, purpose, columns)
    with path.open("rb") as stream:
        text = _text(stream.read())
    # Descriptions may be long, and the module's own limit is for the whole process.
    csv.field_size_limit(_MAX_CELL)
    header = text[: text.find("\n")] if "\n" in text else text
    separator = max(",;\t", key=header.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    names = [name.strip() for name in next(lines, [])]
    rows = [(f"line {lines.line_num}", list(cells)) for cells in lines if cells]
    if separator == ";":
        # So Excel writes tables where the comma is that of numbers.
        rows = [(at, [_DECIMAL_COMMA.sub(r"\1.\2", cell) for cell in cells]) for at, cells in rows]
    return Table(names, rows)


def _text(content: bytes) -> str:
    """Decode a table as programs write it: UTF-8, Excel's UTF-16, or Windows' own code."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Names of files need not be UTF-8, but what has the line ends of Windows was written there.
        is_windows = b"\r\n" in content
        return content.decode(
            *(("cp1252", "replace") if is_windows else ("utf-8-sig", "surrogateescape"))
        )


def _read_parquet(path: Path, purpose: str, columns: Collection[str] | None) -> Table:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError(purpose, "research") from error
    if columns is None:
        table = parquet.read_table(path)
        names = list(table.column_names)
    else:
        names = list(parquet.read_schema(path).names)
        table = parquet.read_table(path, columns=[name for name in names if name in columns])
    empty = [None] * table.num_rows
    read = iter(table.columns)
    cells = [
        next(read).to_pylist() if columns is None or name in columns else empty for name in names
    ]
    rows = zip(*cells, strict=True)
    return Table(names, [(f"row {number}", list(row)) for number, row in enumerate(rows, 1)])
