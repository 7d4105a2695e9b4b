"""Reading of files as authors of data sets publish them; errors name the file to give."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlsp.base.errors import RatingsError


def find_published(dataset: str, folder: Path, names: Sequence[str]) -> Path:
    """Find the first of some files that is there: archives unpack to different folders.

    Args:
        dataset: for the message.
        folder: as published.
        names: of the file, with `/` between the parts, the likeliest first.

    Raises:
        RatingsError: none is there.
    """
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise RatingsError(
        f"{dataset}: there is no {' or '.join(names)} in {folder}: give the published folder"
    )


def photo_folder(folder: Path, names: Sequence[str]) -> Path:
    """Find the first of some folders that is there, else name the first: photos may be missing.

    Args:
        folder: as published.
        names: of the folder with the photos, the likeliest first.
    """
    return next((folder / name for name in names if (folder / name).is_dir()), folder / names[0])


def read_published(
    dataset: str, path: Path, columns: Sequence[str], *, delimiter: str = ","
) -> Iterator[tuple[str, dict[str, str]]]:
    """Read a published table with a header.

    Args:
        dataset: for the messages.
        path: the table.
        columns: that it must have.
        delimiter: between the cells.

    Yields:
        For each row its position, for messages, and its cells by column.

    Raises:
        RatingsError: it cannot be read, lacks columns, or a row has fewer cells than the header.
    """
    text = read_text(dataset, path)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    missing = [name for name in columns if name not in (rows.fieldnames or ())]
    if missing:
        raise RatingsError(
            f"{dataset}: {path.name} lacks the columns {', '.join(map(repr, missing))}: give the published table"
        )
    for row in rows:
        where = f"{dataset}: {path.name} line {rows.line_num}"
        if None in row.values():
            raise RatingsError(f"{where}: expected {len(row)} cells: give the published table")
        yield where, row


def read_words(dataset: str, path: Path, count: int) -> Iterator[tuple[str, list[str]]]:
    """Read a published list whose lines are words with spaces between.

    Args:
        dataset: for the messages.
        path: the list.
        count: of words in a line.

    Yields:
        For each line that is not empty its position, for messages, and its words.

    Raises:
        RatingsError: it cannot be read, or a line has another number of words.
    """
    for number, line in enumerate(read_text(dataset, path).splitlines(), 1):
        words = line.split()
        if not words:
            continue
        where = f"{dataset}: {path.name} line {number}"
        if len(words) != count:
            raise RatingsError(
                f"{where}: expected {count} words, got {len(words)}: give the published list"
            )
        yield where, words


def number(where: str, what: str, text: str) -> float:
    """Read a number of a published file.

    Args:
        where: file and line, for the message.
        what: name of what the number is.
        text: of the cell.

    Raises:
        RatingsError: it is not a number.
    """
    try:
        return float(text)
    except ValueError as error:
        raise RatingsError(f"{where}: expected {what}, got {text!r}: correct the table") from error


def photos_by_lower_name(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by lower-case name: published tables and files differ in letter case.

    Raises:
        RatingsError: there is no such folder.
    """
    if not folder.is_dir():
        raise RatingsError(f"no folder {folder}: give the folder that holds the photos")
    return {path.name.lower(): path for path in sorted(folder.iterdir())}


def read_text(dataset: str, path: Path) -> str:
    """Read a published file, with or without a byte-order mark.

    Raises:
        RatingsError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise RatingsError(
            f"{dataset}: {path} cannot be read ({error.strerror}): give the published folder"
        ) from error
