"""Lines of text files and headers of CSV tables, in whatever code and with whatever separator a program wrote them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import chain
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

    Attributes:
        offset: where the next line begins.
        number: of lines read so far.

    Raises:
        ValueError: its lines end in a lone carriage return.
    """

    def __init__(self, file: BinaryIO, offset: int = 0) -> None:
        file.seek(0)
        first = file.readline(_MAX_FIRST_LINE)
        self._utf16 = _UTF16_MARKS.get(first[:2])
        if self._utf16 is None and b"\n" not in first and b"\r" in first[:-1]:
            raise ValueError("its lines end in a lone carriage return: save it as CSV UTF-8")
        self._is_windows = first.endswith(b"\r\n")
        mark = 2 if self._utf16 else len(_UTF8_MARK) * first.startswith(_UTF8_MARK)
        self._file = file
        self.offset = offset or mark
        self.number = 0
        file.seek(self.offset)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline() if self._utf16 is None else self._utf16_line(self._utf16)
        if not line:
            raise StopIteration
        self.offset += len(line)
        self.number += 1
        return self._decoded(line)

    def _utf16_line(self, code: str) -> bytes:
        line = self._file.readline()
        end = "\n".encode(code)
        while line and (len(line) % 2 or not line.endswith(end)):
            # The byte of a line's end may also be half of another character.
            more = self._file.read(1) if len(line) % 2 else self._file.readline()
            if not more:
                break
            line += more
        return line

    def _decoded(self, line: bytes) -> str:
        if self._utf16 is not None:
            return line.decode(self._utf16, errors="replace")
        try:
            return line.decode()
        except UnicodeDecodeError:
            if self._is_windows:
                return line.decode("cp1252", errors="replace")
            return line.decode(errors="surrogateescape")


class CsvHeader(NamedTuple):
    """Header of a CSV table.

    Attributes:
        names: of the columns, in order, without spaces around them.
        separator: of cells.
    """

    names: list[str]
    separator: str


def read_csv_header(lines: Iterator[str]) -> CsvHeader:
    """Read the header of a CSV table, and no line more. Its separator is a comma, a semicolon or a tab.

    Args:
        lines: of the table, from its start.

    Raises:
        csv.Error: it is damaged.
    """
    # Cells may hold descriptions and photos, and the module's own limit is for the whole process.
    csv.field_size_limit(_MAX_CELL)
    line = next(lines, "")
    said = _SEPARATOR_LINE.fullmatch(line)
    if said:
        line = next(lines, "")
    separator = said[1] if said else max(",;\t", key=line.count)
    names = next(csv.reader(chain([line], lines), delimiter=separator), [])
    return CsvHeader([name.strip() for name in names], separator)
