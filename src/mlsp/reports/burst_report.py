"""Bursts as rows: a table of groups for people, tab-separated lines and CSV for programs."""

from __future__ import annotations

import itertools
import math
import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TextIO

from mlsp.base.text import printable
from mlsp.reports.csv_report import write_csv
from mlsp.reports.formats import write_failures, writing
from mlsp.reports.rows import Cell, Column, ReportModel, Table, report_columns, report_row, rounded
from mlsp.reports.table import GAP, plain_table, print_lines, print_more, shorten

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

    from mlsp.base.results import ScoreFailure
    from mlsp.culling.bursts import Burst, ScoredShot

# That a terminal shows.
_MAX_BURSTS = 10
_MIN_NAME_WIDTH = 16
_MAX_REASON_WIDTH = 32
_DATE_AND_TIME, _TIME = "%Y-%m-%d %H:%M:%S", "%H:%M:%S"
_TIME_WIDTHS = {_DATE_AND_TIME: 19, _TIME: 8}


def burst_table(bursts: Sequence[Burst], picked: Collection[Path], model: ReportModel) -> Table:
    """Lay bursts out as a table.

    Args:
        bursts: in the order of the report.
        picked: photos that were picked.
        model: that scored them.

    Returns:
        One row per photo: its path, the number from 1 of its burst or set, what set it is, if it is one, the photo's rank in it
        from 1, whether it is picked, when it was taken, the rest of `report_columns`, and what was seen at full size, empty where it was not looked at: the number of
        prominent faces, of those with closed eyes, of those that the border cuts off, the blur of the subject
        (`mlsp.culling.close_ups.CloseUp`), and why the photo has its rank. A photo that stands alone has neither number nor rank,
        a copy no rank.
    """
    photo, *scores = report_columns(model)
    columns = (
        photo,
        Column("burst"),
        Column("set"),
        Column("rank"),
        Column("picked"),
        Column("captured"),
        *scores,
        Column("faces"),
        Column("closed_eyes"),
        Column("faces_cut_off"),
        Column("blur", "double", partial(rounded, decimals=3)),
        Column("reason"),
    )
    # As a terminal numbers them, which shows no others.
    numbers = itertools.accumulate(int(not burst.is_alone) for burst in bursts)
    rows = (
        (
            name,
            "" if burst.is_alone else number,
            burst.kind or "",
            "" if burst.is_alone or shot.is_copy else rank,
            "yes" if shot.scored.source in picked else "no",
            shot.captured.isoformat() if shot.captured else "",
            *cells,
            *_seen(shot),
        )
        for number, burst in zip(numbers, bursts, strict=True)
        for rank, shot in enumerate(burst.shots, start=1)
        for name, *cells in [report_row(shot.scored, model)]
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
    bursts: Sequence[Burst],
    picked: Collection[Path],
    failed: Sequence[ScoreFailure],
    model: ReportModel,
) -> list[Path]:
    """Write a report of bursts as CSV, and beside it the list of failed photos, as `mlsp.reports.write_report` does.

    Args:
        path: the report's file; replaced whole.
        bursts: as for `burst_table`, like the rest.
        picked: photos that were picked.
        failed: photos that could not be scored or copied.
        model: that scored them.

    Returns:
        The files that were written.

    Raises:
        OutputError: a file cannot be written.
    """
    with writing(path, "the report"):
        write_csv(path, burst_table(bursts, picked, model))
        return [path, *write_failures(path, failed)]


def print_bursts(
    bursts: Sequence[Burst],
    picked: Collection[Path],
    model: ReportModel,
    *,
    stream: TextIO,
) -> None:
    """Show bursts: where there is a terminal a table of the first of those of several photos, else all as tab-separated lines."""
    if stream.isatty():
        from rich.console import Console

        console = Console(file=stream, highlight=False)
        several = [burst for burst in bursts if not burst.is_alone]
        if several:
            shown = several[:_MAX_BURSTS]
            console.print(render_bursts(shown, picked, heads=model.heads, console=console))
            print_more(console, len(several) - len(shown), "--output FILE.csv writes all")
        return
    print_lines(burst_table(bursts, picked, model), stream=stream)


def print_names(photos: Iterable[Path], *, stream: TextIO) -> None:
    """Write the names of photos, one per line: as they are for programs, made safe to show on a terminal."""
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

    Returns:
        The burst's number, whether it is picked, photo, time, each head's score, and the reason of its rank. Where there is no room
        for all, the date is left out, then the scores; on a very narrow terminal the reason.
    """
    from rich.text import Text

    mark, ellipsis = ("*", "...") if console.options.ascii_only else ("✓", "…")
    layout = _layout(bursts, heads, console)
    shown_heads = heads if layout.has_scores else ()
    table = plain_table(console)
    table.add_column("", justify="right", style="dim", no_wrap=True, min_width=layout.number_width)
    table.add_column("", no_wrap=True, style="green")
    table.add_column("photo", no_wrap=True, overflow="ellipsis")
    table.add_column("taken", no_wrap=True, style="dim")
    for head in shown_heads:
        title = Text(printable(head, encoding=console.encoding))
        table.add_column(title, justify="right", no_wrap=True)
    if layout.reason_width:
        table.add_column("", no_wrap=True, style="dim")
    for number, burst in enumerate(bursts, start=1):
        for rank, shot in enumerate(burst.shots):
            name, reason = (
                printable(text, encoding=console.encoding)
                for text in (os.fspath(shot.scored.source), shot.reason)
            )
            is_picked = shot.scored.source in picked
            table.add_row(
                _heading(number, burst) if rank == 0 else "",
                mark if is_picked else "",
                # Text, because a plain str would be searched for markup such as [red].
                Text(shorten(name, layout.name_width, ellipsis=ellipsis)),
                format(shot.captured, layout.time_format) if shot.captured else "",
                *(rounded(shot.scored.scores[head].value, 3) for head in shown_heads),
                *(
                    [Text(shorten(reason, layout.reason_width, ellipsis=ellipsis))]
                    if layout.reason_width
                    else []
                ),
                style="bold" if is_picked else "",
                end_section=rank == len(burst.shots) - 1,
            )
    return table


class _Layout(NamedTuple):
    """What of bursts a terminal has room for; widths in its cells, 0 for what is not shown."""

    number_width: int
    name_width: int
    time_format: str
    has_scores: bool
    reason_width: int


def _layout(bursts: Sequence[Burst], heads: Sequence[str], console: Console) -> _Layout:
    from rich.cells import cell_len

    number_width = max(len(_heading(number, burst)) for number, burst in enumerate(bursts, 1))
    reasons = (cell_len(shot.reason) for burst in bursts for shot in burst.shots)
    reason_width = min(max(reasons, default=0), _MAX_REASON_WIDTH)
    # A score has 5 characters.
    scores_width = sum(
        max(cell_len(printable(head, encoding=console.encoding)), 5) + GAP for head in heads
    )
    # With as much as fits, the most wanted last to go.
    candidates = [
        (_DATE_AND_TIME, True, reason_width),
        (_TIME, True, reason_width),
        (_TIME, False, reason_width),
    ]
    for time, has_scores, reason in [
        *(candidates if reason_width else []),
        (_DATE_AND_TIME, True, 0),
    ]:
        widths = [number_width, 1, _TIME_WIDTHS[time], *([reason] if reason else [])]
        taken = sum(widths) + GAP * len(widths) + scores_width * has_scores
        if console.width - taken >= _MIN_NAME_WIDTH:
            break
    name_width = max(console.width - taken, _MIN_NAME_WIDTH)
    return _Layout(number_width, name_width, time, has_scores, reason)
