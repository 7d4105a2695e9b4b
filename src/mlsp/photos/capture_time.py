"""When a photo was taken, as its camera wrote it into the EXIF data. Read without Pillow, which warns of data that it finds odd."""

from __future__ import annotations

import os
import re
import stat
import struct
import zlib
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from mlsp.photos.find_exif import find_exif

_EXIF_DIRECTORY = 0x8769
# The time, and its fraction of a second: when it was taken, when it was digitised, when the file was changed.
_TIMES = ((0x9003, 0x9291), (0x9004, 0x9292), (0x0132, 0x9290))
_WANTED = frozenset(tag for pair in _TIMES for tag in pair) | {_EXIF_DIRECTORY}
_TEXT = 2
_WHOLE_NUMBERS = {3: "H", 4: "I", 13: "I", 16: "Q"}

# Some programs write it like the ISO's times, with a zone, or without seconds.
_TIME = re.compile(
    r"\s*(\d{4})[-:/. ](\d\d?)[-:/. ](\d\d?)[ T:]+(\d\d?):(\d\d?)(?::(\d\d?)(?:[.,](\d+))?)?"
)
_FRACTION = re.compile(r"\s*(\d+)")

# A damaged file may claim any number of things.
_MOST_ENTRIES = 512
_MOST_TEXT_BYTES = 100


def capture_time(source: Path) -> datetime | None:
    """Find out when a photo was taken. Safe to call from several threads at once.

    Args:
        source: the photo, of any format; only its headers are read.

    Returns:
        Local time by the camera's clock, without a zone, with fractions of a second where the camera wrote them; None where the file
        says nothing, or nothing that can be understood, or cannot be read. The first there is of EXIF's DateTimeOriginal,
        DateTimeDigitized and DateTime.
    """
    # On damaged data: struct.error or IndexError where it ends early, ValueError and OverflowError for impossible places.
    with (
        suppress(OSError, ValueError, OverflowError, IndexError, struct.error, zlib.error),
        _open(source) as file,
    ):
        for holder, start in find_exif(file):
            time = _time_in(holder, start)
            if time is not None:
                return time
    return None


def _open(source: Path) -> BinaryIO:
    # A named pipe would wait for someone to write into it.
    if not stat.S_ISREG(source.stat().st_mode):
        raise OSError(f"{source} is no regular file")
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    return open(os.open(source, flags), "rb")


def _time_in(file: BinaryIO, start: int) -> datetime | None:
    """The time in a TIFF structure: in its first directory, or in the one for EXIF data."""
    head = _read(file, start, 16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None:
        return None
    is_big = struct.unpack_from(f"{order}H", head, 2)[0] == 43
    first = struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", head, 8 if is_big else 4)[0]
    texts: dict[int, str] = {}
    directory = _directory(file, start, first, order, is_big, texts)
    if directory is not None:
        # The directory is damaged, or an EXIF one of its own; what came before counts.
        with suppress(struct.error, OSError, ValueError, OverflowError):
            _directory(file, start, directory, order, is_big, texts)
    for time_tag, fraction_tag in _TIMES:
        time = _parse(texts.get(time_tag, ""), texts.get(fraction_tag, ""))
        if time is not None:
            return time
    return None


def _directory(
    file: BinaryIO, start: int, offset: int, order: str, is_big: bool, texts: dict[int, str]
) -> int | None:
    """Add a directory's texts that are wanted, and return where the EXIF directory is."""
    count_code, entry_code, value_code = ("Q", "HHQ", "Q") if is_big else ("H", "HHI", "I")
    count_size, value_size = struct.calcsize(count_code), struct.calcsize(value_code)
    entry_size = struct.calcsize(f"<{entry_code}") + value_size
    (entries,) = struct.unpack(f"{order}{count_code}", _read(file, start + offset, count_size))
    entries = min(entries, _MOST_ENTRIES)
    table = _read(file, start + offset + count_size, entries * entry_size)
    exif = None
    for at in range(0, len(table) - entry_size + 1, entry_size):
        tag, kind, count = struct.unpack_from(f"{order}{entry_code}", table, at)
        value_at = at + entry_size - value_size
        if tag not in _WANTED:
            continue
        if tag == _EXIF_DIRECTORY:
            if kind in _WHOLE_NUMBERS:
                exif = struct.unpack_from(f"{order}{_WHOLE_NUMBERS[kind]}", table, value_at)[0]
        elif kind == _TEXT and tag not in texts:
            if count <= value_size:
                text = table[value_at : value_at + count]
            else:
                (place,) = struct.unpack_from(f"{order}{value_code}", table, value_at)
                text = _read(file, start + place, min(count, _MOST_TEXT_BYTES))
            texts[tag] = text.split(b"\0")[0].decode("latin-1")
    return exif


def _parse(time: str, fraction: str) -> datetime | None:
    found = _TIME.match(time)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    digits = _FRACTION.match(fraction)
    part = found[7] or (digits[1] if digits else "0")
    microsecond = int(part[:6].ljust(6, "0"))
    # Zeros where the clock was never set.
    with suppress(ValueError):
        # No datetime holds a leap second.
        second = 59 if second == 60 else second
        return datetime(year, month, day, hour, minute, second, microsecond)
    return None


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)
