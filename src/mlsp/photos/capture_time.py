"""Time at which a photo was taken, as its camera wrote it into the EXIF data."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from PIL.ExifTags import IFD, Base
from PIL.Image import Exif

from mlsp.photos.find_exif import find_exif
from mlsp.photos.pillow_warnings import pillow_is_quiet

# The time, and its fraction of a second: when it was taken, when it was digitised, when the file was changed.
_TIMES = (
    (Base.DateTimeOriginal, Base.SubsecTimeOriginal),
    (Base.DateTimeDigitized, Base.SubsecTimeDigitized),
    (Base.DateTime, Base.SubsecTime),
)

# Some programs write it like the ISO's times, with a zone, or without seconds.
_TIME = re.compile(
    r"\s*(\d{4})[-:/. ](\d\d?)[-:/. ](\d\d?)[ T:]+(\d\d?):(\d\d?)(?::(\d\d?)(?:[.,](\d+))?)?"
)
_FRACTION = re.compile(r"\s*(\d+)")


def capture_time(source: Path) -> datetime | None:
    """Read when a photo was taken. Safe to call from several threads at once.

    Args:
        source: the photo, of any format; no pixels are decoded.

    Returns:
        Local time by the camera's clock, without a zone, with fractions of a second where the camera
        wrote them: the first there is of EXIF's DateTimeOriginal, DateTimeDigitized and DateTime.
        None where the file has none, or none that can be understood, or cannot be read.
    """
    # What Pillow raises for damaged data is no closed list.
    with suppress(Exception), pillow_is_quiet(), _open(source) as file:
        for exif in find_exif(file):
            time = _time_in(exif)
            if time is not None:
                return time
    return None


def shown_time(source: Path) -> tuple[str | None, bool]:
    """Return the time to show with a photo.

    Returns:
        The capture time as ISO text in seconds; where the photo has none, the time at which its file
        was changed, and None where that cannot be read either. Then whether it is the file's.
    """
    time = capture_time(source)
    if time is not None:
        return time.isoformat(timespec="seconds"), False
    try:
        # Local, as cameras' times are.
        changed = datetime.fromtimestamp(source.stat().st_mtime)
    except (OSError, ValueError, OverflowError):
        return None, False
    return changed.isoformat(timespec="seconds"), True


def _open(source: Path) -> BinaryIO:
    # A named pipe would wait for someone to write into it.
    if not stat.S_ISREG(source.stat().st_mode):
        raise OSError(f"{source} is no regular file")
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    return open(os.open(source, flags), "rb")


def _time_in(exif: Exif) -> datetime | None:
    inner: dict[int, Any] = {}
    # That directory may be damaged; what the first one has counts.
    with suppress(Exception):
        inner = exif.get_ifd(IFD.Exif)
    values = inner | dict(exif)
    for time_tag, fraction_tag in _TIMES:
        time = _parse(_text(values, time_tag), _text(values, fraction_tag))
        if time is not None:
            return time
    return None


def _text(values: dict[int, Any], tag: int) -> str:
    value = values.get(tag)
    return value.split("\0")[0] if isinstance(value, str) else ""


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
