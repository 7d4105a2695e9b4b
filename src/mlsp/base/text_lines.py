"""Lines of text files and headers of CSV tables, in whatever code and with whatever separator a program wrote them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import methodcaller
from typing import BinaryIO, NamedTuple

_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
# A first line that is longer holds a photo, and is of no spreadsheet.
_MAX_FIRST_LINE = 1024**2
# What fits into a C long everywhere.
_MAX_CELL = 2**31 - 1
# Excel's own first line, for a separator that is not the country's.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


class TextLines:
    """Lines of a file, lazily.

    UTF-8; UTF-16 with its mark, as Excel and PowerShell write it; or, in files with the line ends of Windows, its code cp1252. Of
    other files, bytes that are no UTF-8 become the lone surrogates that name such files.

    Args:
        file: seekable.
        offset: where the first line begins, in bytes; 0 for the start of the file.

    Raises:
        ValueError: its lines end in a lone carriage return.
    """

    def __init__(self, file: BinaryIO, offset: int = 0) -> None:
        file.seek(0)
        first = file.readline(_MAX_FIRST_LINE)
        utf16 = _UTF16_MARKS.get(first[:2])
        if utf16 is None and b"\n" not in first and b"\r" in first[:-1]:
            raise ValueError("its lines end in a lone carriage return: save it as CSV UTF-8")
        mark = 2 if utf16 else len(_UTF8_MARK) * first.startswith(_UTF8_MARK)
        file.seek(offset or mark)
        self._file = file
        # Without a call of ours for each line: tables of millions are read so.
        if utf16 is not None:
            decode = methodcaller("decode", utf16, "replace")
            self._lines = map(decode, _utf16_lines(file, "\n".encode(utf16)))
        elif first.endswith(b"\r\n"):
            self._lines = map(_windows_text, file)
        else:
            self._lines = map(methodcaller("decode", "utf-8", "surrogateescape"), file)

    @property
    def offset(self) -> int:
        """Return where the next line begins."""
        return self._file.tell()

    def __iter__(self) -> Iterator[str]:
        return self._lines


def _utf16_lines(file: BinaryIO, end: bytes) -> Iterator[bytes]:
    while line := file.readline():
        while len(line) % 2 or not line.endswith(end):
            # The byte of a line's end may also be half of another character.
            more = file.read(1) if len(line) % 2 else file.readline()
            if not more:
                break
            line += more
        yield line


def _windows_text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


class CsvHeader(NamedTuple):
    """Header of a CSV table.

    Attributes:
        names: of the columns, in order, without spaces around them.
        separator: of cells.
        lines: number of lines that it takes.
    """

    names: list[str]
    separator: str
    lines: int


def read_csv_header(table: Iterable[str]) -> CsvHeader:
    """Read the header of a CSV table, and no line more. Its separator is a comma, a semicolon or a tab.

    Args:
        table: its lines, from its start.

    Raises:
        csv.Error: it is damaged.
    """
    # Cells may hold descriptions and photos, and the module's own limit is for the whole process.
    csv.field_size_limit(_MAX_CELL)
    lines = iter(table)
    line = next(lines, "")
    said = _SEPARATOR_LINE.fullmatch(line)
    if said:
        line = next(lines, "")
    separator = said[1] if said else max(",;\t", key=line.count)
    reader = csv.reader(chain([line], lines), delimiter=separator)
    names = [name.strip() for name in next(reader, [])]
    return CsvHeader(names, separator, reader.line_num + bool(said))
