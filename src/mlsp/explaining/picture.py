"""Heat maps of explanations as pictures."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from mlsp.base.arrays import Float64Array, UInt8Array
from mlsp.base.atomic_file import has_mark
from mlsp.base.errors import SettingsError
from mlsp.base.text import percentile_text
from mlsp.explaining.explanation import Explanation

# Blue and orange are distinct for people who do not see red and green, and on a grey photo for everybody.
_LOWERS = np.array([40.0, 120.0, 255.0])
_RAISES = np.array([255.0, 140.0, 20.0])
_STRONGEST = 0.8
# The photo behind the colours: grey, with half its contrast.
_DARKEST, _CONTRAST = 30.0, 0.5
_MAX_ENLARGEMENT = 2
# A picture of ours is recognised by this text, and may be replaced. The key is one of PNG's own.
_SOFTWARE_KEY, _SOFTWARE = "Software", "mlsp explain"
_BYTES_TO_MARK = 128
_BACKGROUND, _INK, _FAINT = (24, 24, 27), (244, 244, 245), (180, 180, 188)


def heat_map_png(
    pixels: UInt8Array, explanation: Explanation, *, longest_side: int = 1024
) -> bytes:
    """Draw what raised and lowered a score over the photo, and write score and legend below it.

    Args:
        pixels: of the upright photo, RGB, uint8 (H, W, 3), at any size.
        explanation: of its score.
        longest_side: of the photo in the picture, in pixels; a smaller photo is enlarged at most twice.

    Returns:
        A PNG file.

    Raises:
        SettingsError: `longest_side` is below 1.
    """
    if longest_side < 1:
        raise SettingsError(f"longest_side must be at least 1, got {longest_side}")
    height, width = pixels.shape[:2]
    enlargement = min(longest_side / max(height, width), _MAX_ENLARGEMENT)
    size = max(1, round(width * enlargement)), max(1, round(height * enlargement))
    photo = Image.fromarray(pixels).convert("L").resize(size, Image.Resampling.LANCZOS)
    # Score per hundredth of the photo's area.
    density = explanation.contributions * (explanation.contributions.size / 100)
    end = float(np.abs(density).max()) or 1.0
    # The borders of the cells mean nothing.
    map_image = Image.fromarray(density / np.float32(end)).resize(size, Image.Resampling.BICUBIC)
    grey = _DARKEST + _CONTRAST * np.asarray(photo, np.float64)
    coloured = Image.fromarray(_overlay(grey, np.asarray(map_image, np.float64)))
    stream = io.BytesIO()
    marks = PngInfo()
    marks.add_text(_SOFTWARE_KEY, _SOFTWARE)
    _with_legend(coloured, explanation, end).save(
        stream, "PNG", optimize=False, compress_level=7, pnginfo=marks
    )
    return stream.getvalue()


def is_heat_map(path: Path) -> bool:
    """Return whether a file is a heat map that `heat_map_png` drew.

    Raises:
        OSError: it cannot be read.
    """
    mark = b"tEXt" + f"{_SOFTWARE_KEY}\0{_SOFTWARE}".encode("ascii")
    # Right behind the picture's size. Pillow is not asked, which refuses some pictures of others and warns of some.
    return has_mark(path, mark, within=_BYTES_TO_MARK)


def _overlay(grey: Float64Array, strength: Float64Array) -> UInt8Array:
    """Colour a grey picture: -1 the strongest blue, 1 the strongest orange."""
    opacity = _STRONGEST * np.clip(np.abs(strength), 0, 1)[..., None]
    colour = np.where(strength[..., None] > 0, _RAISES, _LOWERS)
    mixed = grey[..., None] * (1 - opacity) + colour * opacity
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def _with_legend(photo: Image.Image, explanation: Explanation, end: float) -> Image.Image:
    """Write score and legend below a picture, which is made wider where it is too narrow for them."""
    unit = max(12, round(max(photo.size) / 42))
    font, small = ImageFont.load_default(unit * 1.1), ImageFont.load_default(unit * 0.85)
    lines = [(_title(explanation), font, _INK), (_meaning(explanation), small, _FAINT)]
    ends = f"-{end:.2g} lowers", f"raises +{end:.2g}"
    note = "score that 1 % of the photo adds, beside the average photo"
    gap, bar = unit // 2, unit * 8
    needed = [line_font.getlength(text) for text, line_font, _ in lines]
    needed.append(small.getlength(ends[0]) + small.getlength(ends[1]) + bar + 2 * gap)
    needed.append(small.getlength(note))
    width = max(photo.width, math.ceil(max(needed)) + 2 * unit)
    picture = Image.new("RGB", (width, photo.height + round(unit * 7.6)), _BACKGROUND)
    picture.paste(photo, ((width - photo.width) // 2, 0))
    draw = ImageDraw.Draw(picture)
    y = photo.height + unit * 0.7
    for text, line_font, ink in lines:
        draw.text((unit, y), text, ink, line_font)
        y += unit * 1.6
    scale = _DARKEST + _CONTRAST * 128
    strength = np.broadcast_to(np.linspace(-1, 1, bar), (unit, bar))
    x = unit + small.getlength(ends[0]) + gap
    draw.text((unit, y), ends[0], _INK, small)
    picture.paste(
        Image.fromarray(_overlay(np.full(strength.shape, scale), strength)), (round(x), round(y))
    )
    draw.text((x + bar + gap, y), ends[1], _INK, small)
    draw.text((unit, y + unit * 1.5), note, _FAINT, small)
    return picture


def _title(explanation: Explanation) -> str:
    score = explanation.score
    better = (
        ""
        if math.isnan(score.percentile)
        else f", above {percentile_text(score.percentile)} % of rated photos"
    )
    return f"{explanation.head} {score.value:.3g}{better}"


def _meaning(explanation: Explanation) -> str:
    return f"{explanation.meaning}; the average photo has {explanation.average:.3g}"
