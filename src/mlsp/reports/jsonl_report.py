r"""Reports as JSON lines: one object per line, in ASCII, numbers in full.

Bytes of a name that are not UTF-8 are lone surrogates (`"\udcff"`), as Python has them: `os.fsencode` gives the file's own name
back. NaN is null, for JSON has no name for it.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

from mlsp.base.atomic_file import atomic_write_text
from mlsp.base.json_text import parse_object
from mlsp.reports.rows import Cell, Table

_MAX_LINE_BYTES = 1_000_000


def write_jsonl(path: Path, table: Table) -> None:
    """Write a table.

    Raises:
        OSError: the file cannot be written.
    """
    names = table.names
    with atomic_write_text(path) as file:
        for row in table.rows:
            record = dict(zip(names, map(_finite, row), strict=True))
            file.write(json.dumps(record, allow_nan=False) + "\n")


def jsonl_columns(path: Path) -> list[str]:
    """Return the names in the first line of a file, whatever it is.

    Raises:
        OSError: it cannot be read. ValueError: its first line is no JSON object.
    """
    with path.open("rb") as file:
        return list(parse_object(file.readline(_MAX_LINE_BYTES).decode()))


def _finite(cell: Cell) -> Cell | None:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell
