"""What a camera wrote about a shot into the EXIF data of its photos: time, exposure, lens, and ids."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL.ExifTags import Base

from mlsp.photos.capture_time import original_time, time_in
from mlsp.photos.find_exif import exif_values

# The value of EXIF's ExposureMode for a shot of a bracket.
_AUTO_BRACKET = 2


@dataclass(frozen=True, slots=True)
class CameraData:
    """What a camera wrote about a shot. None where a file does not have it, or has nonsense.

    Attributes:
        captured: local time by the camera's clock: the first there is of EXIF's DateTimeOriginal, DateTimeDigitized and DateTime.
        original: DateTimeOriginal alone, which programs that edit a photo leave as it was.
        camera: model.
        lens: model.
        exposure_seconds: shutter time, above 0.
        aperture: f-number, above 0.
        iso: sensitivity, above 0.
        exposure_bias: exposure compensation in EV.
        focal_length: in mm, above 0.
        subject_distance: in m, above 0.
        is_bracketed: whether the camera says that the shot is of an exposure bracket.
        unique_id: EXIF's ImageUniqueID, the same in all files of a shot.
    """

    captured: datetime | None = None
    original: datetime | None = None
    camera: str | None = None
    lens: str | None = None
    exposure_seconds: float | None = None
    aperture: float | None = None
    iso: float | None = None
    exposure_bias: float | None = None
    focal_length: float | None = None
    subject_distance: float | None = None
    is_bracketed: bool = False
    unique_id: str | None = None

    @property
    def is_from_camera(self) -> bool:
        """Whether a camera took it: it has an exposure, or a camera and its time. Exports and thumbnails often have neither."""
        has_camera = self.camera is not None and self.original is not None
        return self.exposure_seconds is not None or has_camera


def camera_data(source: Path) -> CameraData:
    """Read what a camera wrote about a shot. Safe to call from several threads at once.

    Args:
        source: the photo, of any format; no pixels are decoded.

    Returns:
        What there is; nothing of a file that has no EXIF data or cannot be read.
    """
    values: dict[int, Any] = {}
    for part in exif_values(source):
        values = part | values
    return CameraData(
        captured=time_in(values),
        original=original_time(values),
        camera=_text(values, Base.Model),
        lens=_text(values, Base.LensModel),
        exposure_seconds=_positive(values, Base.ExposureTime),
        aperture=_positive(values, Base.FNumber),
        iso=_positive(values, Base.ISOSpeedRatings),
        exposure_bias=_number(values, Base.ExposureBiasValue),
        focal_length=_positive(values, Base.FocalLength),
        subject_distance=_positive(values, Base.SubjectDistance),
        is_bracketed=values.get(Base.ExposureMode) == _AUTO_BRACKET,
        unique_id=_text(values, Base.ImageUniqueID),
    )


def _text(values: dict[int, Any], tag: int) -> str | None:
    value = values.get(tag)
    text = value.split("\0")[0].strip() if isinstance(value, str) else ""
    # Some cameras fill an id with zeros.
    return text if text.strip("0 ") else None


def _number(values: dict[int, Any], tag: int) -> float | None:
    value = values.get(tag)
    if isinstance(value, tuple) and value:
        value = value[0]
    # A fraction of Pillow's may have the denominator 0.
    with suppress(TypeError, ValueError, ZeroDivisionError, OverflowError):
        number = float(value)  # type: ignore[arg-type]
        return number if math.isfinite(number) else None
    return None


def _positive(values: dict[int, Any], tag: int) -> float | None:
    number = _number(values, tag)
    return number if number is not None and number > 0 else None
