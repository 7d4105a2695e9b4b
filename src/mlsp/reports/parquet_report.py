r"""Reports as Parquet: typed columns, numbers in full, the model and the version of mlsp in the file's metadata.

Parquet's texts are UTF-8: bytes of a name that are not are written as `\xff`. Where such photos matter, CSV and JSON lines keep
their names.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from mlsp.base.atomic_file import atomic_write
from mlsp.base.errors import MissingExtraError
from mlsp.reports.rows import ReportRow, columns


def check_parquet() -> None:
    """Make sure that Parquet can be written.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("a .parquet report", "parquet") from error


def write_parquet(
    path: Path, rows: Iterable[ReportRow], *, model_name: str, heads: Sequence[str]
) -> None:
    """Write a report.

    Args:
        path: the file; replaced whole.
        rows: the report's rows.
        model_name: goes into the metadata, as `mlsp.models.model`.
        heads: names of the model's heads.

    Raises:
        MissingExtraError: pyarrow is not installed.
        OSError: the file cannot be written.
    """
    check_parquet()
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"photo": pa.string(), "model": pa.string(), "width": pa.int32(), "height": pa.int32()}
    schema = pa.schema(
        [pa.field(name, types.get(name, pa.float64()), nullable=False) for name in columns(heads)],
        metadata={"mlsp.models.model": _valid(model_name), "mlsp.version": version("mlsp")},
    )
    table = [
        (_valid(photo), *numbers, _valid(model))
        for photo, *numbers, model in (row.cells() for row in rows)
    ]
    by_column = list(zip(*table, strict=True)) or [()] * len(schema)
    arrays = [pa.array(cells, field.type) for cells, field in zip(by_column, schema, strict=True)]
    with atomic_write(path) as file:
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), file)


def _valid(text: object) -> str:
    """Turn lone surrogates back into the bytes that they stand for, and escape those."""
    name = str(text).encode(errors=sys.getfilesystemencodeerrors())
    return name.decode(errors="backslashreplace")
