"""Time at which a photo was taken, as its camera wrote it into the EXIF data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL.ExifTags import Base

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


def time_in(values: Mapping[int, Any]) -> datetime | None:
    """Return when a photo was taken, among its EXIF values.

    Returns:
        Local time by the camera's clock, without a zone, with fractions of a second where the camera
        wrote them: the first there is of EXIF's DateTimeOriginal, DateTimeDigitized and DateTime.
        None where there is none, or none that can be understood.
    """
    return _first_time(values, _TIMES)


def original_time(values: Mapping[int, Any]) -> datetime | None:
    """Return the time at which a photo was taken, DateTimeOriginal, among its EXIF values."""
    return _first_time(values, _TIMES[:1])


def shown_time(source: Path, captured: datetime | None) -> tuple[str | None, bool]:
    """Return the time to show with a photo.

    Returns:
        The capture time as ISO text in seconds; where the photo has none, the time at which its file
        was changed, and None where that cannot be read either. Then whether it is the file's.
    """
    if captured is not None:
        return captured.isoformat(timespec="seconds"), False
    try:
        # Local, as cameras' times are.
        changed = datetime.fromtimestamp(source.stat().st_mtime)
    except (OSError, ValueError, OverflowError):
        return None, False
    return changed.isoformat(timespec="seconds"), True


def _first_time(values: Mapping[int, Any], tags: Iterable[tuple[int, int]]) -> datetime | None:
    for time_tag, fraction_tag in tags:
        time = _parse(_text(values, time_tag), _text(values, fraction_tag))
        if time is not None:
            return time
    return None


def _text(values: Mapping[int, Any], tag: int) -> str:
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
