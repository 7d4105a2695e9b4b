r"""Reports as Parquet: typed columns, numbers in full, the model and the version of mlsp in the file's metadata.

Parquet's texts are UTF-8: bytes of a name that are not are written as `\xff`, as in CSV; JSON lines keep them.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from mlsp.base.atomic_file import atomic_write
from mlsp.base.errors import MissingExtraError
from mlsp.base.text import escape_bytes
from mlsp.reports.rows import Table


def check_parquet() -> None:
    """Check that Parquet can be written.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("A .parquet report", "research") from error


def write_parquet(path: Path, table: Table) -> None:
    """Write a table.

    Raises:
        MissingExtraError: pyarrow is not installed.
        OSError: the file cannot be written.
    """
    check_parquet()
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = [
        pa.list_(pa.string()) if column.type == "strings" else pa.type_for_alias(column.type)
        for column in table.columns
    ]
    by_column = list(zip(*table.rows, strict=True)) or [()] * len(types)
    arrays = [
        pa.array(
            (escape_bytes(str(cell)) for cell in cells) if pa.types.is_string(kind) else cells, kind
        )
        for cells, kind in zip(by_column, types, strict=True)
    ]
    metadata = {name: escape_bytes(text) for name, text in table.metadata.items()}
    schema = pa.schema(
        [
            pa.field(name, kind, nullable=False)
            for name, kind in zip(table.names, types, strict=True)
        ],
        metadata={**metadata, "mlsp.version": version("mlsp")},
    )
    with atomic_write(path) as file:
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), file)


def parquet_columns(path: Path) -> list[str]:
    """Return the names of a file's columns, whatever it is.

    Raises:
        OSError: it cannot be read. ValueError: it is not Parquet.
        MissingExtraError: pyarrow is not installed.
    """
    check_parquet()
    import pyarrow.parquet as pq

    return list(pq.read_schema(path).names)
