"""Columns of tables, a few rows at a time, from any row on: .csv, .jsonl, .parquet, on disk or on an object store."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat
from operator import itemgetter
from typing import Any, BinaryIO, Protocol

from mlsp.base.errors import MissingExtraError, SettingsError
from mlsp.base.json_text import parse_object
from mlsp.base.text_lines import TextLines, read_csv_header
from mlsp.bulk.stores import open_file

TABLE_SUFFIXES = (".csv", ".jsonl", ".parquet")
# Of a Parquet file in memory at a time.
_BATCH_BYTES = 16_000_000
_MAX_BATCH_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Rows:
    """A few rows of a table, one after the other.

    Attributes:
        number: of the first, from 1.
        offset: where its text begins, in bytes; 0 in a Parquet file.
        count: of rows.
        columns: the cells of each wanted column, in their order; None where a row has none.
    """

    number: int
    offset: int
    count: int
    columns: Sequence[Sequence[object]]


class Table(Protocol):
    """Table that can be read from any row on."""

    columns: tuple[str, ...]

    def rows(
        self, columns: Sequence[str], size: int, first_row: int = 1, offset: int = 0
    ) -> Iterator[Rows]:
        """Read rows, lazily, `size` at a time; the last may be fewer.

        Args:
            columns: wanted.
            size: at least 1.
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
                header = read_csv_header(lines)
            except (csv.Error, ValueError) as error:
                raise SettingsError(f"table {location} cannot be read: {error}") from error
            self._first_offset = lines.offset
        self._separator = header.separator
        self.columns = tuple(header.names)

    def rows(
        self, columns: Sequence[str], size: int, first_row: int = 1, offset: int = 0
    ) -> Iterator[Rows]:
        wanted = [self.columns.index(name) for name in columns]
        # Two more than are wanted: of one alone it makes no tuple.
        picked = itemgetter(0, 0, *wanted)
        missing: list[str | None] = [None] * (max(wanted, default=0) + 1)

        def whole(cells: list[str]) -> Sequence[str | None]:
            # A row that was cut off lacks its last cells.
            return cells if len(cells) >= len(missing) else cells + missing

        with open_file(self._location) as file:
            lines = TextLines(file, offset or self._first_offset)
            # The reader takes just the lines of one row, so what was read so far ends where the next row begins.
            reader = csv.reader(lines, delimiter=self._separator)
            number, begin = first_row, lines.offset
            found: list[tuple[str | None, ...]] = []
            try:
                for cells in reader:
                    if cells:
                        some = chain([cells], islice(filter(None, reader), size - 1))
                        found.extend(map(picked, map(whole, some)))
                        yield Rows(number, begin, len(found), list(zip(*found, strict=True))[2:])
                        number += len(found)
                        found = []
                    begin = lines.offset
            except csv.Error as error:
                raise SettingsError(
                    f"row {number + len(found)} of table {self._location} cannot be read: {error}"
                ) from error


class _JsonTable:
    def __init__(self, location: str) -> None:
        self._location = location
        with open_file(location) as file:
            first = next(filter(str.strip, TextLines(file)), None)
        self.columns = () if first is None else tuple(self._parse(first, 1))

    def rows(
        self, columns: Sequence[str], size: int, first_row: int = 1, offset: int = 0
    ) -> Iterator[Rows]:
        with open_file(self._location) as file:
            lines = TextLines(file, offset)
            number, begin = first_row, lines.offset
            for line in lines:
                if line.strip():
                    texts = chain([line], islice(filter(str.strip, lines), size - 1))
                    records = (self._parse(text, row) for row, text in enumerate(texts, number))
                    found = [[record.get(name) for name in columns] for record in records]
                    yield Rows(number, begin, len(found), list(zip(*found, strict=True)))
                    number += len(found)
                begin = lines.offset

    def _parse(self, line: str, number: int) -> dict[str, object]:
        try:
            cells = parse_object(line)
        except ValueError as error:
            raise SettingsError(
                f"row {number} of table {self._location} cannot be read: {error}"
            ) from error
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

    def rows(
        self, columns: Sequence[str], size: int, first_row: int = 1, offset: int = 0
    ) -> Iterator[Rows]:
        del offset
        with open_file(self._location) as file:
            parquet = self._open(file)
            cells: Iterator[tuple[object, ...]]
            if columns:
                cells = chain.from_iterable(self._batches(parquet, columns, first_row))
            else:
                cells = repeat((), parquet.metadata.num_rows - first_row + 1)
            number = first_row
            while found := list(islice(cells, size)):
                yield Rows(number, 0, len(found), list(zip(*found, strict=True)))
                number += len(found)

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

    def _batches(
        self, parquet: Any, columns: Sequence[str], first_row: int
    ) -> Iterator[Iterator[tuple[object, ...]]]:
        number = 1
        try:
            for group in range(parquet.num_row_groups):
                metadata = parquet.metadata.row_group(group)
                if number + metadata.num_rows <= first_row:
                    number += metadata.num_rows
                    continue
                batches = parquet.iter_batches(
                    _batch_rows(metadata, columns),
                    row_groups=[group],
                    columns=list(dict.fromkeys(columns)),
                    use_threads=False,
                )
                for batch in batches:
                    wanted = batch.slice(max(0, first_row - number))
                    yield zip(*(_batch_cells(wanted, name) for name in columns), strict=True)
                    number += batch.num_rows
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


def _batch_cells(batch: Any, name: str) -> list[object]:
    if name in batch.schema.names:
        found: list[object] = batch.column(name).to_pylist()
        return found
    column, _, child = name.partition(".")
    records = batch.column(column).to_pylist()
    return [None if record is None else record[child] for record in records]
