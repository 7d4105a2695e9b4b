"""Photos of tables that list or contain them: .parquet, .csv, .jsonl."""

from __future__ import annotations

import base64
import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from mlsp.base.errors import SettingsError, missing_column
from mlsp.bulk.listed_photos import ListedPhoto, ListedPhotos, resolved
from mlsp.bulk.records import ShardError, SourcePhoto
from mlsp.bulk.stores import absolute, parent, size_of, written
from mlsp.bulk.table_rows import Rows, Table, open_table

ID_COLUMN = "id"
# Looked for in this order where no column is named.
LOCATION_COLUMNS = ("photo", "image", "image_name", "path", "url")
BYTES_COLUMNS = ("bytes", "image_bytes", "jpg")
_DATA_URI = re.compile(r"\s*data:[^,]*;base64,", re.IGNORECASE)
_URL_SAFE = str.maketrans("-_", "+/")


@dataclass(frozen=True, slots=True)
class TableColumns:
    """Names of the columns of a table, as a user chose them.

    Attributes:
        id: name of each photo in the results; by default the column `id` where there is one, else path or URL, else the row's number.
        path: paths, relative to the table's folder.
        url: URLs.
        bytes: the photos' files themselves; in text in base64.

    Raises:
        SettingsError: more than one of `path`, `url` and `bytes` is named.
    """

    id: str | None = None
    path: str | None = None
    url: str | None = None
    bytes: str | None = None

    def __post_init__(self) -> None:
        named = [name for name in (self.path, self.url, self.bytes) if name is not None]
        if len(named) > 1:
            raise SettingsError(
                f"photos are in one column, got {', '.join(map(repr, named))}: choose a path, a URL or a bytes column"
            )

    @property
    def are_named(self) -> bool:
        """Return whether any column was chosen."""
        return any((self.id, self.path, self.url, self.bytes))


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The columns of one table.

    Attributes:
        id: None where a table has none.
        photo: with locations or bytes.
        holds_bytes: whether it is bytes.
        path: of bytes, the column with the locations of photos that have none; None for none.
    """

    id: str | None
    photo: str
    holds_bytes: bool
    path: str | None = None


def _choose(wanted: TableColumns, table: str, columns: tuple[str, ...]) -> _Chosen:
    for kind in ("id", "path", "url", "bytes"):
        name = getattr(wanted, kind)
        if name is not None and name not in columns:
            option = f"--{kind}-column"
            raise SettingsError(missing_column(f"table {table}", name, columns, option))
    photo = wanted.path or wanted.url or wanted.bytes
    holds_bytes = wanted.bytes is not None
    if photo is None:
        known = (*LOCATION_COLUMNS, *BYTES_COLUMNS)
        photo = next((name for name in known if name in columns), None)
        holds_bytes = photo in BYTES_COLUMNS
    if photo is None:
        raise SettingsError(
            f"table {table} has the columns {', '.join(map(repr, columns)) or 'none'}: say by --path-column, --url-column or --bytes-column which has the photos"
        )
    photo_id = wanted.id or (ID_COLUMN if ID_COLUMN in columns else None)
    for name in (photo, photo_id):
        if columns.count(name) > 1:
            raise SettingsError(f"table {table} has column {name!r} more than once: rename one")
    # The Hugging Face libraries store a photo as a record of bytes and path, either of which may be missing.
    path = f"{photo}.path" if f"{photo}.path" in columns else None
    if f"{photo}.bytes" in columns:
        return _Chosen(photo_id, f"{photo}.bytes", True, path)
    return _Chosen(photo_id, path or photo, holds_bytes)


@dataclass(frozen=True, slots=True)
class TableSource:
    """The photos of a table.

    Attributes:
        location: path or URL of the table.
        columns: which of its columns say what.
    """

    location: str
    columns: TableColumns = TableColumns()

    def pieces(self, size: int) -> Iterator[ListedPhotos | HeldPhotos]:
        """Cut the table into pieces, lazily; see `mlsp.bulk.sources.Source`.

        Raises:
            SettingsError: the table cannot be read, lacks a column, or has a row without an id.
        """
        table = open_table(absolute(self.location))
        chosen = _choose(self.columns, self.location, table.columns)
        if chosen.holds_bytes:
            return self._held(table, chosen, size)
        return self._named(table, chosen, size)

    def _named(self, table: Table, chosen: _Chosen, size: int) -> Iterator[ListedPhotos]:
        folder = parent(absolute(self.location))
        columns = (chosen.photo,) if chosen.id is None else (chosen.photo, chosen.id)
        for rows in table.rows(columns, size):
            cells = rows.columns[0]
            self._check_named(cells, chosen.photo, rows.number)
            names = self._ids(rows, chosen.id, cells)
            locations = tuple([resolved(cell, folder) for cell in cells])
            yield ListedPhotos(names, locations, (-1,) * rows.count)

    def _check_named(self, cells: Sequence[object], column: str, number: int) -> None:
        for row, cell in enumerate(cells, number):
            if cell is not None and not isinstance(cell, str):
                raise SettingsError(
                    f"row {row} of table {self.location}: column {column!r} holds {type(cell).__name__},"
                    " expected a path or URL; bytes are read by --bytes-column"
                )

    def _held(self, table: Table, chosen: _Chosen, size: int) -> Iterator[HeldPhotos]:
        columns = (chosen.id,) if chosen.id else ()
        location = absolute(self.location)
        table_bytes = size_of(location)
        for rows in table.rows(columns, size):
            yield HeldPhotos(
                location,
                chosen.photo,
                chosen.path,
                self._ids(rows, chosen.id, [None] * rows.count),
                rows.number,
                rows.offset,
                -1 if table_bytes is None else table_bytes,
            )

    def _ids(self, rows: Rows, column: str | None, locations: Sequence[object]) -> tuple[str, ...]:
        """Return the last column of rows, in which ids are; without one their locations, or else their numbers."""
        if column is None:
            return tuple(
                written(str(location or f"{self.location}#{row}"))
                for row, location in enumerate(locations, rows.number)
            )
        ids = rows.columns[-1]
        for row, value in enumerate(ids, rows.number):
            if value is None or value == "":
                raise SettingsError(
                    f"row {row} of table {self.location} has no id in its column {column!r}: give it one"
                )
        return tuple([written(str(value)) for value in ids])


@dataclass(frozen=True, slots=True)
class HeldPhotos:
    """A piece of a table that contains the photos themselves.

    Attributes:
        table: where workers find it.
        column: with the photos.
        path_column: with the locations of those that are not in the table; None for none.
        names: ids of the rows, in their order.
        first_row: number of the first, from 1.
        offset: where its text begins, in bytes; 0 in a Parquet file.
        table_bytes: size of the table; -1 where the store does not say.
    """

    table: str
    column: str
    path_column: str | None
    names: tuple[str, ...]
    first_row: int
    offset: int
    table_bytes: int

    @property
    def photo_count(self) -> int:
        """Number of rows."""
        return len(self.names)

    def identity(self) -> object:
        """Return the ids, the offset of their text, and the size of the table."""
        return [self.names, self.offset, self.table_bytes]

    def first(self, count: int) -> None:
        """None: a piece of a larger file is another."""

    def read(self, rows: Container[int] | None = None) -> Iterator[SourcePhoto]:
        """Read the photos; see `mlsp.bulk.records.Piece`."""
        try:
            columns = (self.column, *([self.path_column] if self.path_column else ()))
            table = open_table(self.table).rows(columns, 1, self.first_row, self.offset)
            for position, photo_id in enumerate(self.names):
                row = next(table, None)
                if row is None:
                    raise ShardError(
                        f"table {self.table} ends before its row {self.first_row + len(self.names) - 1}, which it had when the run began"
                    )
                if rows is None or position in rows:
                    yield self._photo(photo_id, *(cells[0] for cells in row.columns))
        except SettingsError as error:
            # It could be read when the run began.
            raise ShardError(str(error)) from error

    def _photo(self, photo_id: str, value: object, location: object = None) -> SourcePhoto:
        if value is None or value in ("", b""):
            if location:
                return ListedPhoto(photo_id, resolved(location, parent(self.table))).read()
            reason = f"its row of the table has nothing in column {self.column!r}"
            return SourcePhoto(photo_id, None, reason)
        if isinstance(value, str):
            try:
                return SourcePhoto(photo_id, _from_base64(value), None)
            except ValueError as error:
                reason = f"column {self.column!r} holds no base64: {error}"
                return SourcePhoto(photo_id, None, reason)
        if not isinstance(value, bytes):
            reason = f"column {self.column!r} holds {type(value).__name__}, expected bytes"
            return SourcePhoto(photo_id, None, reason)
        return SourcePhoto(photo_id, value, None)


def _from_base64(text: str) -> bytes:
    """Decode base64 of either alphabet, with or without line ends, padding, and the start of a data URI; ValueError for what is none."""
    packed = "".join(_DATA_URI.sub("", text).split()).rstrip("=").translate(_URL_SAFE)
    return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
