"""Rows of tables in order, from any row on: .csv, .jsonl, .parquet, on disk or on an object store."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple, Protocol

from mlsp.base.errors import MissingExtraError, SettingsError
from mlsp.base.json_text import parse_json
from mlsp.base.text_lines import TextLines, read_csv_header
from mlsp.bulk.stores import open_file

TABLE_SUFFIXES = (".csv", ".jsonl", ".parquet")
# Of a Parquet file in memory at a time.
_BATCH_BYTES = 16_000_000
_MAX_BATCH_ROWS = 4096


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        number: from 1.
        offset: where its text begins, in bytes; 0 in a Parquet file.
        cells: of the wanted columns, in their order; None where the row has none.
    """

    number: int
    offset: int
    cells: tuple[object, ...]


class Table(Protocol):
    """Table that can be read from any row on."""

    columns: tuple[str, ...]

    def rows(self, columns: Sequence[str], first_row: int = 1, offset: int = 0) -> Iterator[Row]:
        """Read rows, lazily.

        Args:
            columns: wanted.
            first_row: number of the first row, from 1.
            offset: of that row.

        Raises:
            SettingsError: the table cannot be read.
        """


def open_table(location: str) -> Table:
    """Open a table by its ending.

    Raises:
        SettingsError: there is none, or it cannot be read.
        MissingExtraError: a `.parquet` table without pyarrow.
    """
    ending = location[location.rfind(".") :].lower()
    if ending == ".parquet":
        return _ParquetTable(location)
    return _CsvTable(location) if ending == ".csv" else _JsonTable(location)


class _CsvTable:
    def __init__(self, location: str) -> None:
        self._location = location
        with open_file(location) as file:
            try:
                lines = TextLines(file)
                names, self._separator = read_csv_header(lines)
            except (csv.Error, ValueError) as error:
                raise SettingsError(f"table {location} cannot be read: {error}") from error
            self._first_offset = lines.offset
        self.columns = tuple(names)

    def rows(self, columns: Sequence[str], first_row: int = 1, offset: int = 0) -> Iterator[Row]:
        wanted = [self.columns.index(name) for name in columns]
        with open_file(self._location) as file:
            lines = TextLines(file, offset or self._first_offset)
            # The reader takes just the lines of one row, so what was read so far ends where the next row begins.
            reader = csv.reader(lines, delimiter=self._separator)
            number, begin = first_row, lines.offset
            try:
                for cells in reader:
                    if cells:
                        # A row that was cut off lacks its last cells.
                        width = len(cells)
                        found = tuple([cells[at] if at < width else None for at in wanted])
                        yield Row(number, begin, found)
                        number += 1
                    begin = lines.offset
            except csv.Error as error:
                raise SettingsError(
                    f"row {number} of table {self._location} cannot be read: {error}"
                ) from error


class _JsonTable:
    def __init__(self, location: str) -> None:
        self._location = location
        first = next(self._records(1, 0), None)
        self.columns = () if first is None else tuple(first[2])

    def rows(self, columns: Sequence[str], first_row: int = 1, offset: int = 0) -> Iterator[Row]:
        for number, begin, record in self._records(first_row, offset):
            yield Row(number, begin, tuple(map(record.get, columns)))

    def _records(self, first_row: int, offset: int) -> Iterator[tuple[int, int, dict[str, object]]]:
        with open_file(self._location) as file:
            lines = TextLines(file, offset)
            number, begin = first_row, lines.offset
            for line in lines:
                if line.strip():
                    yield number, begin, self._parse(line, number)
                    number += 1
                begin = lines.offset

    def _parse(self, line: str, number: int) -> dict[str, object]:
        try:
            cells = parse_json(line)
        except ValueError as error:
            raise SettingsError(
                f"row {number} of table {self._location} is not JSON: {error}"
            ) from error
        if not isinstance(cells, dict):
            raise SettingsError(
                f"row {number} of table {self._location} is not a JSON object: expected {{…}} on each line"
            )
        # As in a Parquet table, what is in a record is a column too.
        for name, record in list(cells.items()):
            if isinstance(record, dict):
                cells |= {f"{name}.{child}": cell for child, cell in record.items()}
        return cells


class _ParquetTable:
    def __init__(self, location: str) -> None:
        self._location = location
        with open_file(location) as file:
            parquet = self._open(file)
            schema = parquet.schema_arrow
        columns = []
        for field in schema:
            columns.append(field.name)
            if str(field.type).startswith("struct"):
                columns += [f"{field.name}.{child.name}" for child in field.type]
        self.columns = tuple(columns)

    def rows(self, columns: Sequence[str], first_row: int = 1, offset: int = 0) -> Iterator[Row]:
        del offset
        with open_file(self._location) as file:
            parquet = self._open(file)
            number = 1
            for group in range(parquet.num_row_groups):
                count = parquet.metadata.row_group(group).num_rows
                if number + count <= first_row:
                    number += count
                elif columns:
                    for row in self._group(parquet, group, columns, number):
                        if row.number >= first_row:
                            yield row
                    number += count
                else:
                    yield from (Row(number + index, 0, ()) for index in range(count))
                    number += count

    def _open(self, file: BinaryIO) -> Any:
        try:
            from pyarrow import parquet
        except ImportError as error:
            raise MissingExtraError("A .parquet table of photos", "bulk") from error
        try:
            # Buffers of its own: without them a row group of photos is read at once.
            return parquet.ParquetFile(file, buffer_size=1024**2, pre_buffer=False)
        except (OSError, ValueError) as error:
            raise SettingsError(f"table {self._location} cannot be read: {error}") from error

    def _group(
        self, parquet: Any, group: int, columns: Sequence[str], number: int
    ) -> Iterator[Row]:
        try:
            batches = parquet.iter_batches(
                _batch_rows(parquet.metadata.row_group(group), columns),
                row_groups=[group],
                columns=list(dict.fromkeys(columns)),
                use_threads=False,
            )
            for batch in batches:
                for cells in zip(*(_cells(batch, name) for name in columns), strict=True):
                    yield Row(number, 0, cells)
                    number += 1
        except (OSError, ValueError) as error:
            # pyarrow's errors are of these.
            raise SettingsError(
                f"row {number} of table {self._location} cannot be read: {error}"
            ) from error


def _batch_rows(group: Any, columns: Sequence[str]) -> int:
    """Return how many rows of a group are read at a time: each may hold a photo, or only name one."""
    parts = [group.column(index) for index in range(group.num_columns)]
    size = sum(
        part.total_uncompressed_size
        for part in parts
        if any(f"{part.path_in_schema}.".startswith(f"{name}.") for name in columns)
    )
    fitting: int = _BATCH_BYTES * group.num_rows // max(1, size)
    return max(1, min(_MAX_BATCH_ROWS, fitting))


def _cells(batch: Any, name: str) -> list[object]:
    if name in batch.schema.names:
        found: list[object] = batch.column(name).to_pylist()
        return found
    column, _, child = name.partition(".")
    records = batch.column(column).to_pylist()
    return [None if record is None else record[child] for record in records]
