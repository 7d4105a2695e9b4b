"""Bursts as rows: a table of groups for people, tab-separated lines and CSV for programs."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

from mlsp.base.text import printable
from mlsp.reports.csv_report import write_csv
from mlsp.reports.formats import write_failures, writing
from mlsp.reports.rows import Cell, Column, Table, report_columns, report_row, rounded
from mlsp.reports.table import GAP, plain_table, print_lines, shorten

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

    from mlsp.base.results import ScoreFailure
    from mlsp.culling.bursts import Burst, ScoredShot

_MIN_NAME_WIDTH = 16


def burst_table(
    bursts: Iterable[Burst], picked: Collection[Path], *, model_name: str, heads: Sequence[str]
) -> Table:
    """Lay bursts out as a table.

    Args:
        bursts: in the order of the report.
        picked: photos that were picked.
        model_name: name of the model that scored them.
        heads: names of the model's heads, in the model's order.

    Returns:
        One row per photo: its path, the burst's number from 1, what set it is, if it is one, the photo's rank in it from 1, whether it is picked, when it was
        taken, the rest of `report_columns`, and what was seen at full size, empty where it was not looked at: the number of
        prominent faces, of those with closed eyes, of those that the border cuts off, the blur of the subject
        (`mlsp.culling.close_ups.CloseUp`), and why the photo has its rank.
    """
    photo, *scores = report_columns(heads)
    columns = (
        photo,
        Column("burst", "int32"),
        Column("set"),
        Column("rank", "int32"),
        Column("picked"),
        Column("captured"),
        *scores,
        Column("faces"),
        Column("closed_eyes"),
        Column("faces_cut_off"),
        Column("blur", "double", partial(rounded, decimals=3)),
        Column("reason"),
    )
    rows = (
        (
            name,
            number,
            burst.kind or "",
            rank,
            "yes" if shot.scored.source in picked else "no",
            shot.captured.isoformat() if shot.captured else "",
            *cells,
            *_seen(shot),
        )
        for number, burst in enumerate(bursts, start=1)
        for rank, shot in enumerate(burst.shots, start=1)
        for name, *cells in [report_row(shot.scored, model_name=model_name, heads=heads)]
    )
    return Table(columns, rows)


def _heading(number: int, burst: Burst) -> str:
    """Return what stands before the first shot of a burst."""
    return f"{number} {burst.kind}" if burst.kind else str(number)


def _seen(shot: ScoredShot) -> tuple[Cell, ...]:
    """Return what was seen of a shot at full size."""
    found = shot.close_up
    if found is None:
        return ("", "", "", math.nan, shot.reason)
    counts = (len(found.prominent_faces), found.closed_eyes, found.faces_cut_off)
    blur = math.nan if found.blur is None else found.blur
    return (*map(str, counts), blur, shot.reason)


def write_burst_report(
    path: Path,
    bursts: Iterable[Burst],
    picked: Collection[Path],
    failed: Sequence[ScoreFailure],
    *,
    model_name: str,
    heads: Sequence[str],
) -> list[Path]:
    """Write a report of bursts as CSV, and beside it the list of failed photos, as `mlsp.reports.write_report` does.

    Args:
        path: the report's file; replaced whole.
        bursts: as for `burst_table`, like the rest.
        picked: photos that were picked.
        failed: photos that could not be scored or copied.
        model_name: name of the model that scored them.
        heads: names of the model's heads, in the model's order.

    Returns:
        The files that were written.

    Raises:
        OutputError: a file cannot be written.
    """
    with writing(path, "the report"):
        write_csv(path, burst_table(bursts, picked, model_name=model_name, heads=heads))
        return [path, *write_failures(path, failed)]


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
        stream: stdout, for example.
    """
    if stream.isatty():
        from rich.console import Console

        console = Console(file=stream, highlight=False)
        several = [burst for burst in bursts if not burst.is_alone]
        if several:
            console.print(render_bursts(several, picked, heads=heads, console=console))
        return
    table = burst_table(bursts, picked, model_name=model_name, heads=heads)
    print_lines(table, stream=stream)


def print_names(photos: Iterable[Path], *, stream: TextIO) -> None:
    """Write the names of photos, one per line: as they are for programs, made safe to show on a terminal.

    Args:
        photos: in the order to be written.
        stream: stdout, for example.
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
    """Return the summary line of a run.

    Args:
        bursts: all of them.
        picked: number of picked photos.
        are_new: for each that was copied, False where it was there already.
        verb: `copied` or `linked`.

    Examples:
        >>> describe_pick([], 3, are_new=[True, True, False])
        '0 bursts and 0 alone, 3 picked, 2 copied, 1 was there already'
    """
    several = sum(burst.competes for burst in bursts)
    alone = sum(burst.is_alone for burst in bursts)
    parts = [f"{several} {'burst' if several == 1 else 'bursts'} and {alone} alone"]
    sets = Counter(burst.kind for burst in bursts if burst.kind)
    parts += [f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in sorted(sets.items())]
    copies = sum(shot.is_copy for burst in bursts for shot in burst.shots)
    parts += [f"{copies} {'copy' if copies == 1 else 'copies'}"] if copies else []
    parts += [f"{picked} picked"]
    if are_new:
        old = len(are_new) - sum(are_new)
        parts.append(f"{sum(are_new)} {verb}")
        if old:
            parts.append(f"{old} {'was' if old == 1 else 'were'} there already")
    return ", ".join(parts)


def render_bursts(
    bursts: Sequence[Burst], picked: Collection[Path], *, heads: Sequence[str], console: Console
) -> RichTable:
    """Lay bursts out as a table that fits the terminal, with a line between them.

    Args:
        bursts: in the order to be shown.
        picked: photos that were picked; they are marked.
        heads: names of the model's heads, in the model's order.
        console: where the table will be shown.

    Returns:
        The burst's number, whether it is picked, photo, time, each head's score, and the reason of its rank where there is room.
    """
    from rich.cells import cell_len
    from rich.text import Text

    is_ascii = console.options.ascii_only
    table = plain_table(console)
    shown_heads = [printable(head, encoding=console.encoding) for head in heads]
    number_width = max(len(_heading(number, burst)) for number, burst in enumerate(bursts, 1))
    # A time has 19 characters, a score 5.
    taken = number_width + GAP + 1 + GAP + 19 + GAP
    taken += sum(max(cell_len(head), 5) + GAP for head in shown_heads)
    reason_width = max(
        (cell_len(shot.reason) for burst in bursts for shot in burst.shots), default=0
    )
    has_reasons = 0 < reason_width + GAP <= console.width - taken - _MIN_NAME_WIDTH
    if has_reasons:
        taken += reason_width + GAP
    name_width = max(console.width - taken, _MIN_NAME_WIDTH)
    table.add_column("", justify="right", style="dim", no_wrap=True, min_width=number_width)
    table.add_column("", no_wrap=True, style="green")
    table.add_column("photo", no_wrap=True, overflow="ellipsis")
    table.add_column("taken", no_wrap=True, style="dim")
    for head in shown_heads:
        table.add_column(Text(head), justify="right", no_wrap=True)
    if has_reasons:
        table.add_column("", no_wrap=True, style="dim")
    mark, ellipsis = ("*", "...") if is_ascii else ("✓", "…")
    for number, burst in enumerate(bursts, start=1):
        for rank, shot in enumerate(burst.shots):
            name = printable(os.fspath(shot.scored.source), encoding=console.encoding)
            is_picked = shot.scored.source in picked
            table.add_row(
                _heading(number, burst) if rank == 0 else "",
                mark if is_picked else "",
                # Text, because a plain str would be searched for markup such as [red].
                Text(shorten(name, name_width, ellipsis=ellipsis)),
                f"{shot.captured:%Y-%m-%d %H:%M:%S}" if shot.captured else "",
                *(rounded(shot.scored.scores[head].value, 3) for head in heads),
                *([Text(printable(shot.reason, encoding=console.encoding))] if has_reasons else []),
                style="bold" if is_picked else "",
                end_section=rank == len(burst.shots) - 1,
            )
    return table
