"""Parity of an exported model with the model itself, as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from mlsp.scoring.parity import Parity


def print_parity(rows: Sequence[Parity], *, stream: TextIO) -> None:
    """Print one line per runtime and output."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(
        box=SIMPLE_HEAD,
        title=f"The file's scores less the model's, {rows[0].photo_count:,} photos",
        title_justify="left",
    )
    table.add_column("runtime")
    table.add_column("output")
    for name in ("largest", "mean", "spread of the scores"):
        table.add_column(name, justify="right")
    for row in rows:
        numbers = (f"{row.largest:.1e}", f"{row.mean:.1e}", f"{row.spread:.3g}")
        table.add_row(row.runtime, row.output, *numbers)
    Console(file=stream, highlight=False, width=None if stream.isatty() else 120).print(table)
