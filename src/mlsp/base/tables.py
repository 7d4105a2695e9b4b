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
from mlsp.base.text_lines import TextLines, read_csv_header

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
    """Turn what goes wrong while a table is read into one of our errors, which names the table."""
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
        path: a parquet file, by its ending, else CSV with a header, as `mlsp.base.text_lines` reads it; with semicolons, numbers may
            have a decimal comma.
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
        # Whole, so that it may be a pipe.
        lines = TextLines(io.BytesIO(stream.read()))
    header = read_csv_header(lines)
    reader = csv.reader(lines, delimiter=header.separator)
    rows = [(f"line {header.lines + reader.line_num}", cells) for cells in reader if cells]
    if header.separator == ";":
        # So Excel writes tables where the comma is that of numbers.
        rows = [(at, [_DECIMAL_COMMA.sub(r"\1.\2", cell) for cell in cells]) for at, cells in rows]
    return Table(header.names, rows)


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
