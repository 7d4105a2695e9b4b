"""Results on the terminal: a table for people, tab-separated lines for programs.

A file's name may hold anything but a zero byte and a slash: line breaks, codes that rewrite the terminal or turn the direction of
writing, markup. Here all of these are shown as what they are and take no effect.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from mlsp.base.text import percentile_text, printable
from mlsp.models.records import label_words
from mlsp.reports import rows
from mlsp.reports.rows import rounded

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mlsp.scoring.results import ScoreResult


_BAR_CELLS = 8
_EIGHTHS = " ▏▎▍▌▋▊▉"
_MIN_NAME_WIDTH = 12
_NAMED_UNRANKED = 5
GAP = 2  # a cell of padding and one of the box between two columns


def shorten(text: str, width: int, *, ellipsis: str = "…") -> str:
    """Cut the middle out of a text, and keep more of its end, where a path has its name.

    Args:
        text: a printable text.
        width: cells of the terminal that it may take; a Chinese character takes two.
        ellipsis: what stands for the part that is cut out.

    Returns:
        The text, or its two ends.

    Examples:
        >>> shorten("holiday/2024/beach/IMG_1234.jpg", 20)
        'holida…/IMG_1234.jpg'
    """
    from rich.cells import cell_len

    if cell_len(text) <= width:
        return text
    room = width - cell_len(ellipsis)
    if room < 0:
        return ellipsis[: max(width, 0)]
    start = _fitting(text, room // 3)
    end = _fitting(text[::-1], room - cell_len(start))[::-1]
    return f"{start}{ellipsis}{end}"


def render_table(scored: Iterable[ScoreResult], *, heads: Sequence[str], console: Console) -> Table:
    """Lay results out as a table that fits the terminal.

    Where there is little room the bar goes first, then the heads' percentiles; names are shortened in their middle.

    Returns:
        Rank, photo, overall (0…100, with a bar), each head's score with its percentile, and the faults where a photo has any.
    """
    from rich.cells import cell_len
    from rich.text import Text

    is_ascii = console.options.ascii_only
    results = list(scored)
    names = [printable(os.fspath(one.source), encoding=console.encoding) for one in results]
    # Each column but the photo's as its heading, its cells and its style.
    rank = ("", [str(number) for number in range(1, len(results) + 1)], "dim")
    overall = ("overall", [rounded(one.overall, 1) for one in results], "bold")
    bar = ("", [_bar(one.overall, is_ascii=is_ascii) for one in results], "cyan")
    values = [
        (
            printable(head, encoding=console.encoding),
            [rounded(one.scores[head].value, 3) for one in results],
            "",
        )
        for head in heads
    ]
    percentiles = [
        ("%ile", [percentile_text(one.scores[head].percentile) for one in results], "dim")
        for head in heads
    ]
    pairs = [column for pair in zip(values, percentiles, strict=True) for column in pair]
    faults = ("faults", [", ".join(map(label_words, one.faults)) for one in results], "yellow")
    last = [faults] if any(faults[1]) else []
    for right in (
        [overall, bar, *pairs, *last],
        [overall, *pairs, *last],
        [overall, *values, *last],
        [overall, *values],
    ):
        taken = sum(
            max(map(cell_len, [heading, *cells])) + GAP for heading, cells, _ in [rank, *right]
        )
        name_width = console.width - taken
        if name_width >= _MIN_NAME_WIDTH:
            break
    name_width = max(name_width, _MIN_NAME_WIDTH)

    table = plain_table(console)
    table.add_column(Text(rank[0]), justify="right", style=rank[2], no_wrap=True)
    table.add_column(Text("photo"), no_wrap=True, overflow="ellipsis")
    for column in right:
        table.add_column(
            Text(column[0]),
            justify="left" if column is bar or column is faults else "right",
            style=column[2],
            no_wrap=True,
        )
    ellipsis = "..." if is_ascii else "…"
    for index, name in enumerate(names):
        # Text, because a plain str would be searched for markup such as [red].
        photo = Text(shorten(name, name_width, ellipsis=ellipsis))
        table.add_row(rank[1][index], photo, *(Text(cells[index]) for _, cells, _ in right))
    return table


def plain_table(console: Console) -> Table:
    """Return an empty table without vertical lines, in ASCII where the terminal has nothing else."""
    from rich import box
    from rich.table import Table

    rule = box.SIMPLE_HEAD
    if console.options.ascii_only:
        # rich's own replacement on an ASCII terminal has lines between the columns.
        rule = box.Box(str(box.SIMPLE_HEAD).replace("─", "-"), ascii=True)
    return Table(box=rule, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))


def plain_lines(table: rows.Table, *, encoding: str = "utf-8") -> Iterator[str]:
    """Lay a table out as tab-separated lines, for other programs.

    Yields:
        The headings, then one line per row, without line ends. All is `printable`.
    """
    for cells in (table.names, *table.texts()):
        yield "\t".join(printable(cell, encoding=encoding) for cell in cells)


def print_lines(table: rows.Table, *, stream: TextIO) -> None:
    """Write `plain_lines`."""
    for line in plain_lines(table, encoding=stream.encoding or "utf-8"):
        stream.write(f"{line}\n")


def small_line(count: int, side: int) -> str:
    """Return a line that states what small photos' scores are worth.

    Args:
        count: of them, at least 1.
        side: longest side, in pixels, from which photos are not small.
    """
    verb = "is" if count == 1 else "are"
    return f"{count} {verb} smaller than {side} pixels: the smaller a photo, the less sure its percentiles"


def unranked_line(others: Sequence[ScoreResult], *, encoding: str | None = None) -> str:
    """Return a line that names what is no photo.

    Args:
        others: at least one.
        encoding: of the terminal.
    """
    names = [
        printable(one.source.name, encoding=encoding or "utf-8") for one in others[:_NAMED_UNRANKED]
    ]
    rest = len(others) - len(names)
    more = f" and {rest} more" if rest else ""
    count = "1 is no photo" if len(others) == 1 else f"{len(others)} are no photos"
    return f"{count}, and not ranked: {', '.join(names)}{more}"


def print_table(
    scored: Sequence[ScoreResult],
    model: rows.ReportModel,
    *,
    stream: TextIO,
    limit: int | None = None,
    every: bool = False,
) -> None:
    """Show results: as a table where there is a terminal, else as tab-separated lines.

    Args:
        scored: results, ranked; what is no photo is named below the table, and has the last of the lines.
        model: that scored them.
        stream: stdout, for example.
        limit: rows of the table, which then ends with how many more there are; None for all. Programs always get all lines.
        every: in the lines all columns of `mlsp.reports.rows.report_columns`.
    """
    if not stream.isatty():
        print_lines(rows.report_table(scored, model, every=every), stream=stream)
        return
    from rich.console import Console

    console = Console(file=stream, highlight=False)
    photos = [one for one in scored if one.is_photo]
    others = [one for one in scored if not one.is_photo]
    if photos:
        console.print(render_table(photos[:limit], heads=model.heads, console=console))
    more = 0 if limit is None else len(photos) - limit
    print_more(console, more, f"--top {len(photos)} shows all, --output FILE writes them")
    if others:
        console.print(unranked_line(others, encoding=console.encoding), markup=False)


def print_more(console: Console, more: int, hint: str) -> None:
    """End a table that does not show all.

    Args:
        console: where the table was shown.
        more: how many more there are; nothing is shown for 0 or less.
        hint: how to see them.
    """
    if more > 0:
        ellipsis = "..." if console.options.ascii_only else "…"
        console.print(f"{ellipsis} {more:,} more ({hint})", style="dim", soft_wrap=True)


def _fitting(text: str, width: int) -> str:
    """Return the longest start that takes at most `width` cells."""
    from rich.cells import cell_len

    start = ""
    taken = 0
    for character in text:
        taken += cell_len(character)
        if taken > width:
            break
        start += character
    return start


def _bar(percent: float, *, is_ascii: bool) -> str:
    """Draw 0…100 in eighths of a cell."""
    if not percent > 0:
        return ""
    eighths = round(min(percent, 100) / 100 * _BAR_CELLS * 8)
    if is_ascii:
        return "#" * round(eighths / 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()
