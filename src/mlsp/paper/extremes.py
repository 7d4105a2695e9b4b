"""Figures 8 and 9: high-rated photos with the smallest and the largest errors, as contact sheets."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from mlsp.base.errors import PhotoError
from mlsp.base.machine import usable_cores
from mlsp.base.parallel import map_in_order
from mlsp.evaluation.model_result import high_rated_by_error
from mlsp.evaluation.records import JudgedPhoto
from mlsp.paper.records import Outcome
from mlsp.photos.thumbnails import thumbnail

# The paper's: 5,000 of 19,928 test photos, of which 40 of either kind.
_HIGH_RATED, _SHOWN = 5000 / 19928, 40
# Of a sheet.
_COLUMNS, _SIDE, _LINE, _MARGIN = 8, 200, 20, 6
_GREY = (128, 128, 128)
# A folder, which no photo is.
_NO_FILE = Path()


@dataclass(frozen=True, slots=True)
class Extremes:
    """Photos of Fig. 8 and 9.

    Attributes:
        model: whose scores, in words.
        smallest: photos with the smallest errors, smallest first (Fig. 8).
        largest: with the largest, largest first (Fig. 9).
    """

    model: str
    smallest: tuple[JudgedPhoto, ...]
    largest: tuple[JudgedPhoto, ...]


def find_extremes(
    outcomes: Sequence[Outcome], files: Mapping[str, Path] | None = None
) -> Extremes | None:
    """Choose the photos by the row whose validation photos agree best; None where no row has scores.

    Args:
        outcomes: of rows with test photos and their scores.
        files: of the photos by their names, for sheets that show them.
    """
    found = [(one, one.result) for one in outcomes if one.result and one.result.scores]
    if not found:
        return None
    best, result = max(
        found,
        key=lambda pair: (
            not math.isnan(pair[1].validation_srcc),
            pair[1].validation_srcc,
        ),
    )
    known = files or {}
    photos = [
        JudgedPhoto(name, known.get(name, _NO_FILE), mos, score)
        for name, mos, score in zip(result.photo_ids, result.mos, result.scores, strict=True)
    ]
    by_error = high_rated_by_error(photos, max(1, round(len(photos) * _HIGH_RATED)))
    shown = min(_SHOWN, len(by_error) // 2)
    row = best.row
    return Extremes(
        f"{row.label} on {row.backbone}, {row.views}: {result.how}",
        tuple(by_error[:shown]),
        tuple(by_error[::-1][:shown]),
    )


def contact_sheet(title: str, shown: Sequence[JudgedPhoto]) -> Image.Image:
    """Draw photos with their scores, and people's ratings in brackets, as the paper does.

    Args:
        title: lines above the photos.
        shown: photos, row by row; one that cannot be read is a grey frame with its name.
    """
    pictures = list(map_in_order(_picture, shown, workers=usable_cores()))
    font = ImageFont.load_default(size=14)
    step = _SIDE + _MARGIN
    lines = title.splitlines()
    top = _MARGIN + _LINE * len(lines)
    rows = math.ceil(len(shown) / _COLUMNS)
    size = (_MARGIN + _COLUMNS * step, top + rows * (step + _LINE) + _MARGIN)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    draw.multiline_text((_MARGIN, _MARGIN), title, fill="black", font=font)
    for index, (photo, picture) in enumerate(zip(shown, pictures, strict=True)):
        left = _MARGIN + index % _COLUMNS * step
        upper = top + index // _COLUMNS * (step + _LINE) + _MARGIN
        if picture is None:
            draw.rectangle((left, upper, left + _SIDE, upper + _SIDE), outline=_GREY)
            draw.text((left + _MARGIN, upper + _MARGIN), photo.photo_id, fill=_GREY, font=font)
        else:
            x = left + (_SIDE - picture.width) // 2
            sheet.paste(picture, (x, upper + (_SIDE - picture.height) // 2))
        text = f"{photo.score:.2f} ({photo.rating:.2f})"
        draw.text((left, upper + _SIDE), text, fill="black", font=font)
    return sheet


def _picture(photo: JudgedPhoto) -> Image.Image | None:
    try:
        return Image.open(io.BytesIO(thumbnail(photo.photo, longest_side=_SIDE)))
    except PhotoError:
        return None
