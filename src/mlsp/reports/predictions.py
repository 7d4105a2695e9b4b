"""Predictions of stored features as a file: a row each, its name and one column a head, numbers in full."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlsp.base.atomic_file import atomic_write, atomic_write_text
from mlsp.base.errors import OutputError
from mlsp.reports.csv_report import csv_name
from mlsp.reports.parquet_report import check_parquet

if TYPE_CHECKING:
    from mlsp.scoring.predictor import Predicted


def write_predictions(
    path: Path, predicted: Sequence[Predicted], *, column: str, heads: Sequence[str]
) -> None:
    """Write predictions; the file is replaced whole or stays as it was.

    Args:
        path: ends with .csv, .jsonl or .parquet; see `mlsp.reports.formats.check_output`.
        predicted: in the order that the file shall have.
        column: what names a row, `photo` or `row`.
        heads: names of the model's heads, in the model's order.

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: .parquet without pyarrow.
    """
    names = (column, *heads)
    lines = [(row.source, *(row.scores[head] for head in heads)) for row in predicted]
    try:
        match path.suffix.lower():
            case ".jsonl":
                with atomic_write_text(path) as file:
                    for line in lines:
                        file.write(json.dumps(dict(zip(names, line, strict=True))) + "\n")
            case ".parquet":
                _write_parquet(path, names, lines)
            case _:
                with atomic_write_text(path, errors=sys.getfilesystemencodeerrors()) as file:
                    writer = csv.writer(file, lineterminator="\r\n")
                    writer.writerow(names)
                    for source, *scores in lines:
                        name = csv_name(source) if isinstance(source, str) else source
                        writer.writerow([name, *(f"{score:.7g}" for score in scores)])
    except OSError as error:
        raise OutputError(
            f"cannot write the predictions {str(path)!r}: {error}: free some space or name another file"
        ) from error


def _write_parquet(
    path: Path, names: Sequence[str], lines: Sequence[tuple[str | int | float, ...]]
) -> None:
    check_parquet()
    import pyarrow as pa
    import pyarrow.parquet as pq

    is_named = names[0] == "photo"
    types = [pa.string() if is_named else pa.int64()] + [pa.float64()] * (len(names) - 1)
    schema = pa.schema(
        [pa.field(name, kind, nullable=False) for name, kind in zip(names, types, strict=True)]
    )
    columns = list(zip(*lines, strict=True)) or [()] * len(names)
    if is_named:
        # Parquet's texts are UTF-8; see `parquet_report`.
        columns[0] = tuple(
            str(name)
            .encode(errors=sys.getfilesystemencodeerrors())
            .decode(errors="backslashreplace")
            for name in columns[0]
        )
    arrays = [pa.array(cells, kind) for cells, kind in zip(columns, types, strict=True)]
    with atomic_write(path) as file:
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), file)
