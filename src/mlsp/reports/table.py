"""Results on the terminal: a table for people, tab-separated lines for programs.

A file's name may hold anything but a zero byte and a slash: line breaks, codes that rewrite the terminal or turn the direction of
writing, markup. Here all of these are shown as what they are and take no effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from mlsp.base.text import printable
from mlsp.reports.rows import ReportRow, columns, rounded, rows

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mlsp.scoring.results import ScoreResult


_BAR_CELLS = 8
_EIGHTHS = " ▏▎▍▌▋▊▉"
_SMALLEST_NAME = 12
_GAP = 2  # a cell of padding and one of the box between two columns


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
    room = max(width - cell_len(ellipsis), 0)
    start = _fitting(text, room // 3)
    end = _fitting(text[::-1], room - cell_len(start))[::-1]
    return f"{start}{ellipsis}{end}"[: max(width, 0)]


def render_table(scored: Iterable[ScoreResult], *, heads: Sequence[str], console: Console) -> Table:
    """Lay results out as a table that fits the terminal.

    Where there is little room the bar goes first, then the heads' percentiles; names are shortened in their middle.

    Args:
        scored: results, ranked.
        heads: names of the model's heads, in the model's order.
        console: where the table will be shown.

    Returns:
        Rank, photo, overall (0…100, with a bar), and each head's score with its percentile.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    is_ascii = console.options.ascii_only
    names: list[str] = []
    table_rows: list[ReportRow] = []
    for row in rows(scored, model_name="", heads=heads):
        names.append(printable(row.photo, encoding=console.encoding))
        table_rows.append(row)

    def shown(head: str) -> str:
        return printable(head, encoding=console.encoding)

    # Each column but the photo's as its heading, its cells and its style.
    rank = ("", [str(number) for number in range(1, len(table_rows) + 1)], "dim")
    overall = ("overall", [rounded(row.overall, 1) for row in table_rows], "bold")
    bar = ("", [_bar(row.overall, is_ascii=is_ascii) for row in table_rows], "cyan")
    values = [
        (shown(head), [rounded(row.scores[place].value, 3) for row in table_rows], "")
        for place, head in enumerate(heads)
    ]
    percentiles = [
        ("%ile", [rounded(row.scores[place].percentile, 0) for row in table_rows], "dim")
        for place in range(len(heads))
    ]
    pairs = [column for pair in zip(values, percentiles, strict=True) for column in pair]
    for right in ([overall, bar, *pairs], [overall, *pairs], [overall, *values]):
        taken = sum(
            max(map(cell_len, [heading, *cells])) + _GAP for heading, cells, _ in [rank, *right]
        )
        name_width = console.width - taken
        if name_width >= _SMALLEST_NAME:
            break
    name_width = max(name_width, _SMALLEST_NAME)

    # rich's own replacement on an ASCII terminal has lines between the columns.
    ascii_box = box.Box(str(box.SIMPLE_HEAD).replace("─", "-"), ascii=True)
    rule = ascii_box if is_ascii else box.SIMPLE_HEAD
    table = Table(box=rule, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(Text(rank[0]), justify="right", style=rank[2], no_wrap=True)
    table.add_column(Text("photo"), no_wrap=True, overflow="ellipsis")
    for column in right:
        table.add_column(
            Text(column[0]),
            justify="left" if column is bar else "right",
            style=column[2],
            no_wrap=True,
        )
    ellipsis = "..." if is_ascii else "…"
    for place, name in enumerate(names):
        # Text, because a plain str would be searched for markup such as [red].
        photo = Text(shorten(name, name_width, ellipsis=ellipsis))
        table.add_row(rank[1][place], photo, *(Text(cells[place]) for _, cells, _ in right))
    return table


def plain_lines(
    scored: Iterable[ScoreResult], *, model_name: str, heads: Sequence[str], encoding: str = "utf-8"
) -> Iterator[str]:
    """Lay results out as tab-separated lines, for other programs.

    Args:
        scored: results, ranked.
        model_name: of the model that scored them.
        heads: names of the model's heads, in the model's order.
        encoding: of what the lines go to.

    Yields:
        A heading, then a line a photo, without line ends; the columns of a report. Names are `printable`.
    """
    yield "\t".join(printable(name, encoding=encoding) for name in columns(heads))
    for row in rows(scored, model_name=model_name, heads=heads):
        yield "\t".join(printable(cell, encoding=encoding) for cell in row.rounded_cells())


def print_table(
    scored: Iterable[ScoreResult], *, model_name: str, heads: Sequence[str], stream: TextIO
) -> None:
    """Show results: as a table where there is a terminal, else as tab-separated lines.

    Args:
        scored: results, ranked.
        model_name: of the model that scored them.
        heads: names of the model's heads, in the model's order.
        stream: stdout, say.
    """
    if stream.isatty():
        from rich.console import Console

        console = Console(file=stream, highlight=False)
        console.print(render_table(scored, heads=heads, console=console))
    else:
        encoding = stream.encoding or "utf-8"
        for line in plain_lines(scored, model_name=model_name, heads=heads, encoding=encoding):
            stream.write(f"{line}\n")


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
