"""Results as a data set of Parquet files, one per shard, each there whole or not at all.

    DATASET/_manifest.json                    what it was made from
    DATASET/000000-3f2a9c01b7de.parquet       the first shard: its number, and a hash of its identity
    DATASET/000001-…

pyarrow, pandas, polars, DuckDB and Spark read the folder as one table.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlsp.base.errors import MissingExtraError, OutputError, SettingsError
from mlsp.base.parallel import map_in_order
from mlsp.bulk.manifest import FORMAT, MANIFEST_FILE, Manifest
from mlsp.bulk.records import Shard, ShardReport
from mlsp.bulk.shard_scoring import ResultRow
from mlsp.bulk.stores import (
    absolute,
    is_url,
    join,
    list_folder,
    local,
    open_file,
    read_file,
    write_file,
)

_SUFFIX = ".parquet"
_FAILED_KEY = b"mlsp.failed"
_FOOTER_READERS = 16


def columns(
    heads: Iterable[str], format_: int = FORMAT, labels: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return the names of the columns: those of the reports of `mlsp score`, and the error.

    Args:
        heads: names of the model's heads, in the model's order.
        format_: of the data set, from its manifest; one that version 0.1 began is continued with its columns.
        labels: `kind` and `faults`, of those two what the model finds.

    Examples:
        >>> columns(["quality"])
        ('photo', 'overall', 'quality', 'quality_percentile', 'width', 'height', 'model', 'error')
        >>> columns(["quality"], 1)
        ('id', 'quality', 'quality_percentile', 'overall', 'width', 'height', 'model', 'error')
    """
    scores = tuple(column for head in heads for column in (head, f"{head}_percentile"))
    first = ("id", *scores, "overall") if format_ == 1 else ("photo", "overall", *scores, *labels)
    return (*first, "width", "height", "model", "error")


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
        heads: names of the model's heads, in the model's order.
        model: name of the model.
        format: see `columns`.
        labels: see `columns`.
    """

    location: str
    heads: tuple[str, ...]
    model: str
    format: int = FORMAT
    labels: tuple[str, ...] = ()

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
        return cls(absolute(local(location)), names, model, labels=found)

    def begin(self, manifest: Manifest) -> ResultDataset:
        """Make sure that results of a run belong here: write the manifest, or compare it with the one that is there.

        Returns:
            This data set, in the format it was begun with.

        Raises:
            SettingsError: it was begun with something else.
            OutputError: it is not a data set of results.
            ShardError: the store cannot be reached.
        """
        file = join(self.location, MANIFEST_FILE)
        found = read_file(file)
        if found is not None:
            begun = Manifest.from_json(found, file)
            begun.check_continued_by(manifest, self.location)
            return replace(self, format=begun.format)
        if any(not name.startswith(".") for name in self._names()):
            raise OutputError(
                f"{self.location} is not empty and has no {MANIFEST_FILE}: name another folder for the data set"
            )
        write_file(file, manifest.to_json())
        return self

    def exists(self, shard: Shard) -> bool:
        """Return whether the data set has a shard, as listed when this object first looked."""
        return shard.name in self.done

    @cached_property
    def done(self) -> frozenset[str]:
        """Names of the shards that were there at the first look."""
        ending = len(_SUFFIX)
        return frozenset(name[:-ending] for name in self._names() if name.endswith(_SUFFIX))

    def failed_in(self, names: Iterable[str]) -> Iterator[tuple[str, int]]:
        """Count the rows with an error in shards that are done.

        Args:
            names: of the shards.

        Yields:
            Name and count, in their order.

        Raises:
            OutputError: a file is damaged.
            ShardError: the store cannot be reached.
        """
        return map_in_order(self._failed_in, names, workers=_FOOTER_READERS)

    def write(self, shard: Shard, rows: Iterable[ResultRow]) -> ShardReport:
        """Write a shard, whole or not at all; replaces what an earlier run wrote of it.

        Args:
            shard: which.
            rows: of all its photos.

        Raises:
            OutputError: it may not be written.
            ShardError: the store cannot be reached, or the disk is full.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        names = columns(self.heads, labels=self.labels)
        cells = [row.cells(len(self.heads), len(self.labels)) for row in rows]
        *numbers, errors = list(zip(*cells, strict=True)) or [()] * (len(names) - 1)
        failed = sum(error is not None for error in errors)
        metadata = {
            _FAILED_KEY: str(failed).encode(),
            b"mlsp.model": self.model.encode(),
            b"mlsp.version": version("mlsp").encode(),
        }
        schema = self._schema().with_metadata(metadata)
        values = [*numbers, (self.model,) * len(cells), errors]
        by_name = dict(zip(names, values, strict=True))
        if self.format == 1:
            by_name["id"] = by_name.pop("photo")
        arrays = [pa.array(by_name[field.name], field.type) for field in schema]
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), buffer, compression="zstd")
        write_file(join(self.location, shard.name + _SUFFIX), buffer.getvalue())
        return ShardReport(shard.name, len(cells), failed)

    def _schema(self) -> Any:
        import pyarrow as pa

        types = {"width": pa.int32(), "height": pa.int32(), "faults": pa.list_(pa.string())}
        texts = {"photo", "id", "model", "error", "kind"}
        return pa.schema(
            [
                pa.field(
                    name,
                    pa.string() if name in texts else types.get(name, pa.float64()),
                    nullable=name not in {"photo", "id", "model"},
                )
                for name in columns(self.heads, self.format, self.labels)
            ]
        )

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

    def _failed_in(self, name: str) -> tuple[str, int]:
        import pyarrow.parquet as pq

        location = join(self.location, name + _SUFFIX)
        with open_file(location) as file:
            try:
                metadata = pq.read_schema(file).metadata or {}
                return name, int(metadata[_FAILED_KEY])
            except (OSError, ValueError, KeyError) as error:
                raise OutputError(
                    f"{location} is damaged or not of mlsp: {error}. Remove it, and the same command scores its photos again"
                ) from error
