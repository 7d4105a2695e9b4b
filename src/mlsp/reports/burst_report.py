"""Bursts as rows: a table of groups for people, tab-separated lines and CSV for programs."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

from mlsp.base.atomic_file import atomic_write_text
from mlsp.base.errors import OutputError
from mlsp.base.text import printable
from mlsp.reports.csv_report import csv_name, write_errors
from mlsp.reports.rows import columns, rounded, rows
from mlsp.reports.table import shorten

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mlsp.base.results import ScoreFailure
    from mlsp.culling.bursts import Burst

_SMALLEST_NAME = 16
# The gap that a column takes, too.
_GAP = 2


def burst_columns(heads: Sequence[str]) -> tuple[str, ...]:
    """Name the columns of a report of bursts.

    Examples:
        >>> burst_columns(["quality"])[:6]
        ('photo', 'burst', 'rank', 'picked', 'captured', 'overall')
    """
    return ("photo", "burst", "rank", "picked", "captured", *columns(heads)[1:])


def burst_rows(
    bursts: Iterable[Burst], picked: Collection[Path], *, model_name: str, heads: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    """Lay bursts out as rows.

    Args:
        bursts: in the order that the report shall have.
        picked: photos that were picked.
        model_name: of the model that scored them.
        heads: names of the model's heads, in the model's order.

    Yields:
        One row a photo, its cells those of `burst_columns`: the burst's number from 1, the photo's rank in it from 1, yes or no.
    """
    for number, burst in enumerate(bursts, start=1):
        scored = [shot.scored for shot in burst.shots]
        table = rows(scored, model_name=model_name, heads=heads)
        for rank, (shot, row) in enumerate(zip(burst.shots, table, strict=True), start=1):
            yield (
                row.photo,
                str(number),
                str(rank),
                "yes" if shot.scored.source in picked else "no",
                shot.captured.isoformat() if shot.captured else "",
                *row.rounded_cells()[1:],
            )


def write_burst_report(
    path: Path,
    bursts: Iterable[Burst],
    picked: Collection[Path],
    failed: Sequence[ScoreFailure],
    *,
    model_name: str,
    heads: Sequence[str],
) -> list[Path]:
    """Write a report of bursts as CSV, and beside it the list of failed photos, as for `mlsp.reports.formats.write_report`.

    Args:
        path: the report's file; replaced whole.
        bursts: as for `burst_rows`, like the rest.
        picked: photos that were picked.
        failed: photos that could not be scored or copied.
        model_name: of the model that scored them.
        heads: names of the model's heads, in the model's order.

    Returns:
        The files that were written.

    Raises:
        OutputError: a file cannot be written.
    """
    written = [path]
    try:
        with atomic_write_text(path, errors=sys.getfilesystemencodeerrors()) as file:
            writer = csv.writer(file, lineterminator="\r\n")
            writer.writerow(burst_columns(heads))
            for photo, *cells in burst_rows(bursts, picked, model_name=model_name, heads=heads):
                writer.writerow((csv_name(photo), *cells))
        errors = path.with_suffix(".errors.csv")
        if failed or errors.exists():
            write_errors(errors, failed)
            written.append(errors)
    except OSError as error:
        raise OutputError(
            f"cannot write the report {str(path)!r}: {error}: free some space or name another file"
        ) from error
    return written


def print_bursts(
    bursts: Sequence[Burst],
    picked: Collection[Path],
    *,
    model_name: str,
    heads: Sequence[str],
    stream: TextIO,
) -> None:
    """Show bursts: where there is a terminal a table of those of several photos, else all as tab-separated lines.

    Args:
        bursts: in the order to be shown.
        picked: photos that were picked.
        model_name: of the model that scored them.
        heads: names of the model's heads, in the model's order.
        stream: stdout, say.
    """
    if stream.isatty():
        from rich.console import Console

        console = Console(file=stream, highlight=False)
        several = [burst for burst in bursts if not burst.is_alone]
        if several:
            console.print(render_bursts(several, picked, heads=heads, console=console))
        return
    encoding = stream.encoding or "utf-8"
    lines = burst_rows(bursts, picked, model_name=model_name, heads=heads)
    for cells in (burst_columns(heads), *lines):
        stream.write("\t".join(printable(cell, encoding=encoding) for cell in cells) + "\n")


def print_names(photos: Iterable[Path], *, stream: TextIO) -> None:
    """Write the names of photos, a line each: as they are for programs, made safe to show on a terminal.

    Args:
        photos: in the order to be written.
        stream: stdout, say.
    """
    if stream.isatty():
        for photo in photos:
            stream.write(printable(os.fspath(photo), encoding=stream.encoding or "utf-8") + "\n")
        return
    stream.flush()
    binary: BinaryIO = stream.buffer
    binary.writelines(os.fsencode(photo) + b"\n" for photo in photos)
    binary.flush()


def describe_pick(
    bursts: Sequence[Burst], picked: int, *, are_new: Sequence[bool] = (), verb: str = "copied"
) -> str:
    """Say in one line what came out.

    Args:
        bursts: all of them.
        picked: number of picked photos.
        are_new: for each that was copied, False where it was there already.
        verb: `copied` or `linked`.

    Examples:
        >>> describe_pick([], 3, are_new=[True, True, False])
        '0 bursts and 0 alone, 3 picked, 2 copied, 1 was there already'
    """
    several = sum(not burst.is_alone for burst in bursts)
    parts = [
        f"{several} {'burst' if several == 1 else 'bursts'} and {len(bursts) - several} alone",
        f"{picked} picked",
    ]
    if are_new:
        old = len(are_new) - sum(are_new)
        parts.append(f"{sum(are_new)} {verb}")
        if old:
            parts.append(f"{old} {'was' if old == 1 else 'were'} there already")
    return ", ".join(parts)


def render_bursts(
    bursts: Sequence[Burst], picked: Collection[Path], *, heads: Sequence[str], console: Console
) -> Table:
    """Lay bursts out as a table that fits the terminal, with a line between them.

    Args:
        bursts: in the order to be shown.
        picked: photos that were picked; they are marked.
        heads: names of the model's heads, in the model's order.
        console: where the table will be shown.

    Returns:
        The burst's number, whether it is picked, photo, time, and each head's score.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    is_ascii = console.options.ascii_only
    ascii_box = box.Box(str(box.SIMPLE_HEAD).replace("─", "-"), ascii=True)
    table = Table(
        box=ascii_box if is_ascii else box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    shown_heads = [printable(head, encoding=console.encoding) for head in heads]
    number_width = len(str(len(bursts)))
    # A time has 19 characters, a score 5.
    taken = number_width + _GAP + 1 + _GAP + 19 + _GAP
    taken += sum(max(cell_len(head), 5) + _GAP for head in shown_heads)
    name_width = max(console.width - taken, _SMALLEST_NAME)
    table.add_column("", justify="right", style="dim", no_wrap=True, min_width=number_width)
    table.add_column("", no_wrap=True, style="green")
    table.add_column("photo", no_wrap=True, overflow="ellipsis")
    table.add_column("taken", no_wrap=True, style="dim")
    for head in shown_heads:
        table.add_column(Text(head), justify="right", no_wrap=True)
    mark, ellipsis = ("*", "...") if is_ascii else ("✓", "…")
    for number, burst in enumerate(bursts, start=1):
        for rank, shot in enumerate(burst.shots):
            name = printable(os.fspath(shot.scored.source), encoding=console.encoding)
            is_picked = shot.scored.source in picked
            table.add_row(
                str(number) if rank == 0 else "",
                mark if is_picked else "",
                # Text, because a plain str would be searched for markup such as [red].
                Text(shorten(name, name_width, ellipsis=ellipsis)),
                f"{shot.captured:%Y-%m-%d %H:%M:%S}" if shot.captured else "",
                *(rounded(shot.scored.scores[head].value, 3) for head in heads),
                style="bold" if is_picked else "",
                end_section=rank == len(burst.shots) - 1,
            )
    return table
