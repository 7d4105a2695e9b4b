"""Content of the Parquet files of a data set of results."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from mlsp.bulk.manifest import FORMAT
from mlsp.bulk.shard_scoring import ResultRow

# Columns of texts; `id` is that of format 1.
TEXT_COLUMNS = frozenset({"photo", "id", "kind", "model", "error"})
_FAILED_KEY = b"mlsp.failed"
_TEMPORARY_KEY = b"mlsp.temporary"


@dataclass(frozen=True, slots=True)
class Failed:
    """Rows with an error in a file.

    Attributes:
        count: of all of them.
        temporary: positions of those that may succeed later.
    """

    count: int
    temporary: tuple[int, ...]


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


@dataclass(frozen=True, slots=True)
class ResultFiles:
    """Writer and reader of the content of files; each row is one photo's.

    Attributes:
        heads: names of the model's heads, in the model's order.
        model: name of the model.
        format: see `columns`.
        labels: see `columns`.
    """

    heads: tuple[str, ...]
    model: str
    format: int
    labels: tuple[str, ...]

    @property
    def photo_column(self) -> str:
        """Name of the column with the photos' names."""
        return "id" if self.format == 1 else "photo"

    def table(self, rows: Iterable[ResultRow]) -> Any:
        """Make a pyarrow table of rows."""
        import pyarrow as pa

        names = columns(self.heads, labels=self.labels)
        cells = [row.cells(len(self.heads), len(self.labels)) for row in rows]
        *numbers, errors = list(zip(*cells, strict=True)) or [()] * (len(names) - 1)
        values = [*numbers, (self.model,) * len(cells), errors]
        by_name = dict(zip(names, values, strict=True))
        by_name[self.photo_column] = by_name.pop("photo")
        schema = self.schema()
        return pa.Table.from_arrays(
            [pa.array(by_name[field.name], field.type) for field in schema], schema=schema
        )

    def content(self, table: Any, *, temporary: Sequence[int] = (), more: Any = None) -> bytes:
        """Return the content of a file.

        Args:
            table: of its rows.
            temporary: positions of rows whose photos may be read later.
            more: further metadata.
        """
        import pyarrow.parquet as pq

        metadata = {
            _FAILED_KEY: str(len(table) - table["error"].null_count).encode(),
            _TEMPORARY_KEY: json.dumps(list(temporary)).encode(),
            b"mlsp.model": self.model.encode(),
            b"mlsp.version": version("mlsp").encode(),
        }
        buffer = io.BytesIO()
        pq.write_table(
            table.replace_schema_metadata(metadata | (more or {})), buffer, compression="zstd"
        )
        return buffer.getvalue()

    def schema(self) -> Any:
        """Return pyarrow's schema of a file."""
        import pyarrow as pa

        types = {"width": pa.int32(), "height": pa.int32(), "faults": pa.list_(pa.string())}
        return pa.schema(
            [
                pa.field(
                    name,
                    pa.string() if name in TEXT_COLUMNS else types.get(name, pa.float64()),
                    nullable=name not in {"photo", "id", "model"},
                )
                for name in columns(self.heads, self.format, self.labels)
            ]
        )


def failed_in(file: Any) -> Failed:
    """Read which rows of a file have an error.

    Raises:
        OSError, ValueError, KeyError: it is damaged, or none of ours. pyarrow's errors are of these.
    """
    import pyarrow.parquet as pq

    metadata = pq.read_schema(file).metadata or {}
    temporary = json.loads(metadata.get(_TEMPORARY_KEY, b"[]"))
    return Failed(int(metadata[_FAILED_KEY]), tuple(temporary))
