"""Results as a data set of Parquet files, one per shard, each there whole or not at all.

    DATASET/_manifest.parquet                 what it was made from: no rows, and a text in its metadata
    DATASET/000000-3f2a9c01b7de.parquet       the first shard: its number, and a hash of its identity
    DATASET/000001-…

pyarrow, pandas, polars, DuckDB and Spark read the folder as one table. There is no file of another kind, on which some of them stumble.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from mlsp.base.errors import MissingExtraError, OutputError, SettingsError
from mlsp.base.parallel import map_in_order
from mlsp.bulk.manifest import FORMAT, MANIFEST_FILE, OLD_MANIFEST_FILE, Manifest
from mlsp.bulk.records import Shard, ShardError, ShardReport
from mlsp.bulk.result_files import Failed, ResultFiles, columns, failed_in
from mlsp.bulk.shard_scoring import ResultRow
from mlsp.bulk.stores import (
    absolute,
    is_url,
    join,
    list_folder,
    local,
    open_file,
    read_file,
    remove_file,
    size_of,
    write_file,
)

_SUFFIX = ".parquet"
_SHARD_FILE = re.compile(r"\d{6,}-[0-9a-f]{12}\.parquet")
_FOOTER_READERS = 16


def check_folder(dataset: str) -> None:
    """Refuse a data set at the path of a file; nothing is written.

    Args:
        dataset: folder or URL, as the user gave it.

    Raises:
        OutputError: it, or a folder above it, is a file on this machine.
    """
    location = local(dataset)
    if is_url(location):
        return
    target = Path(location)
    found = next((path for path in (target, *target.parents) if path.exists()), target)
    if found.exists() and not found.is_dir():
        raise OutputError(
            f"--output {dataset} cannot be a folder of results: {str(found)!r} is a file. Name a folder, new or of an earlier run;"
            " a single file of scores is written by mlsp score --output"
        )


@dataclass(frozen=True)
class ResultDataset:
    """A data set of results; can be pickled, and several processes may write different shards of it at once.

    Attributes:
        location: folder or URL.
        files: what its files contain.
    """

    location: str
    files: ResultFiles

    @classmethod
    def at(
        cls, location: str, *, heads: Iterable[str], model: str, labels: Iterable[str] = ()
    ) -> ResultDataset:
        """Make a data set object; nothing is read or written.

        Raises:
            MissingExtraError: pyarrow is not installed.
            SettingsError: a head's name is that of another column.
        """
        try:
            import pyarrow as pa  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("A data set of results", "bulk") from error
        names, found = tuple(heads), tuple(labels)
        known = columns(names, labels=found)
        if len(set(known)) < len(known):
            raise SettingsError(f"heads {list(names)} make two columns of one name: rename a head")
        return cls(absolute(local(location)), ResultFiles(names, model, FORMAT, found))

    def begun(self) -> Manifest | None:
        """Read the manifest of an earlier run; None where there was none.

        Raises:
            OutputError: it is damaged, or this is not a data set of results.
            ShardError: the store cannot be reached.
        """
        for name in (MANIFEST_FILE, OLD_MANIFEST_FILE):
            file = join(self.location, name)
            found = read_file(file)
            if found is not None:
                return Manifest.of_file(name, found, file)
        if any(not name.startswith(".") for name in self._names()):
            raise OutputError(
                f"{self.location} is not empty and has no {MANIFEST_FILE}: name another folder for the data set"
            )
        return None

    def begin(
        self, manifest: Manifest, begun: Manifest | None, continued: Shard | None
    ) -> ResultDataset:
        """Make sure that results of a run belong here: write its manifest, or compare it with that of an earlier run.

        Args:
            manifest: of the run.
            begun: of the earlier run; None for none.
            continued: the shard in which the earlier run's input ends; None where the run's does not begin with that one.

        Returns:
            This data set, in the format it was begun with.

        Raises:
            SettingsError: it was begun with something else.
            OutputError: it may not be written.
            ShardError: the store cannot be reached.
        """
        found = self
        if begun is not None:
            found = replace(self, files=replace(self.files, format=begun.format))
            is_appended = continued is not None
            begun.check_continued_by(manifest, self.location, is_appended=is_appended)
            if begun.input_sha256 == manifest.input_sha256:
                return found
            if continued is not None and continued.name != begun.last_shard:
                # Its photos and those behind them are one shard now.
                remove_file(self._file(begun.last_shard))
            manifest = replace(manifest, format=begun.format)
        content = found.files.content(found.files.table(()), more=manifest.to_metadata())
        write_file(join(self.location, MANIFEST_FILE), content)
        return found

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.files.schema().names)

    @cached_property
    def done(self) -> frozenset[str]:
        """Names of the shards that were there at the first look."""
        return self.shards_now()

    def shards_now(self) -> frozenset[str]:
        """List the names of the shards that are there."""
        ending = len(_SUFFIX)
        return frozenset(name[:-ending] for name in self._names() if _SHARD_FILE.fullmatch(name))

    def failed_in(self, names: Iterable[str]) -> Iterator[tuple[str, Failed]]:
        """Find the rows with an error in shards that are done.

        Yields:
            Name and rows, in their order.

        Raises:
            OutputError: a file is damaged.
            ShardError: the store cannot be reached.
        """
        return map_in_order(self._failed_in, names, workers=_FOOTER_READERS)

    def failed_rows(self, name: str) -> tuple[int, ...]:
        """Return the positions of the rows with an error in a shard that is done."""
        errors = self.read(name, "error")["error"].to_pylist()
        return tuple(row for row, error in enumerate(errors) if error is not None)

    def write(self, shard: Shard, rows: Iterable[ResultRow]) -> ShardReport:
        """Write a shard, whole or not at all. One that another worker or run has written meanwhile stays as it is.

        Args:
            shard: which; of one with rows, those that still have an error in its file are replaced.
            rows: of all its photos.

        Returns:
            What is in its file now.

        Raises:
            OutputError: it may not be written.
            ShardError: the store cannot be reached, or the disk is full; or its photos are others than those of its file.
        """
        found = list(rows)
        if shard.rows is None and size_of(self._file(shard.name)) is not None:
            # Else a slow worker could replace what the caller has a report of.
            _, there = self._failed_in(shard.name)
            return ShardReport(shard.name, len(found), there.count, len(there.temporary))
        table = self.files.table(found)
        positions = range(len(found)) if shard.rows is None else shard.rows
        whole = table if shard.rows is None else self._replaced(shard, table)
        has_error = whole["error"].is_valid().to_pylist()
        failed = [
            (position, row)
            for position, row in zip(positions, found, strict=False)
            if has_error[position]
        ]
        temporary = [position for position, row in failed if row.is_temporary]
        content = self.files.content(whole, temporary=temporary)
        write_file(self._file(shard.name), content)
        return ShardReport(shard.name, len(found), len(failed), len(temporary))

    def _replaced(self, shard: Shard, table: Any) -> Any:
        """Return the table of a shard's file with some of its rows, where they have an error, replaced by others of the same photos."""
        import pyarrow as pa

        before = self.read(shard.name)
        column = self.files.photo_column
        rows = shard.rows or ()
        if before[column].take(list(rows)).to_pylist() != table[column].to_pylist():
            raise ShardError(
                f"the photos of shard {shard.name} are not those of its file: remove the file, and they are scored again"
            )
        order = list(range(len(before)))
        for new, row in enumerate(rows, len(before)):
            if before["error"][row].is_valid:
                order[row] = new
        return pa.concat_tables([before.cast(table.schema), table]).take(order)

    def read(self, name: str, *names: str) -> Any:
        """Read a shard that is done as a pyarrow table.

        Args:
            name: of the shard.
            names: of its columns; none for all.

        Raises:
            OutputError: its file is damaged.
            ShardError: the store cannot be reached.
        """
        import pyarrow.parquet as pq

        with self._opened(name) as file:
            return pq.read_table(file, columns=list(names) or None)

    def _names(self) -> list[str]:
        if is_url(self.location):
            return [entry.name for entry in list_folder(self.location)]
        import os

        try:
            return os.listdir(self.location)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise OutputError(
                f"{self.location} cannot be listed: {error.strerror}. Name a folder for the data set"
            ) from error

    def _failed_in(self, name: str) -> tuple[str, Failed]:
        with self._opened(name) as file:
            return name, failed_in(file)

    @contextmanager
    def _opened(self, name: str) -> Iterator[BinaryIO]:
        """Open the file of a shard that is done, and say of what is wrong in it what to do."""
        location = self._file(name)
        with open_file(location) as file:
            try:
                yield file
            except (OSError, ValueError, KeyError) as error:
                raise OutputError(
                    f"{location} is damaged or not of mlsp: {error}. Remove it, and the same command scores its photos again"
                ) from error

    def _file(self, name: str) -> str:
        return join(self.location, name + _SUFFIX)
