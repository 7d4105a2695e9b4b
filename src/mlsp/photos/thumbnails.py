"""Thumbnails of photos, for pages that show many."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from mlsp.base.errors import SettingsError
from mlsp.photos.files import read_bytes
from mlsp.photos.formats import photo_format
from mlsp.photos.photo import read_photo
from mlsp.photos.settings import DecodeSettings
from mlsp.photos.sizes import reduced_size

THUMBNAIL_MEDIA_TYPE = "image/jpeg"
# Every picture of one pixel fits.
MIN_BYTES = 1_000

_QUALITIES = (75, 60, 45, 30, 20)
# A file of at most so many bytes that is no JPEG is decoded whole and reduced by Pillow, in half the time of exact means; in a larger
# one, the decoder's short cuts for large photos are worth more.
_SMALL_FILE_BYTES = 400_000


def thumbnail(source: Path, *, longest_side: int = 320, max_bytes: int = 30_000) -> bytes:
    """Make a thumbnail of a photo. Safe to call from several threads at once.

    Args:
        source: the photo.
        longest_side: of the picture, in pixels; a smaller photo keeps its size.
        max_bytes: of the file; a larger one is encoded more coarsely, and if need be made smaller.

    Returns:
        A JPEG file (`THUMBNAIL_MEDIA_TYPE`), upright, sRGB, with nothing of the photo's metadata.

    Raises:
        PhotoError: the photo cannot be read; the subclass is the reason.
        SettingsError: `longest_side` is below 1, or `max_bytes` below `MIN_BYTES`.
    """
    if longest_side < 1:
        raise SettingsError(f"longest_side must be at least 1, got {longest_side}")
    if max_bytes < MIN_BYTES:
        raise SettingsError(f"max_bytes must be at least {MIN_BYTES}, got {max_bytes}")
    content = read_bytes(source)
    if photo_format(content) == "JPEG":
        settings = DecodeSettings(longest_side=longest_side, is_preview=True)
    else:
        is_small = len(content) <= _SMALL_FILE_BYTES
        settings = DecodeSettings(longest_side=None if is_small else longest_side)
    photo = read_photo(content, settings=settings, source_path=source)
    picture = Image.fromarray(photo.pixels)
    side = longest_side
    while True:
        # Of the whole photo, not of the fraction that was decoded, whose sides are rounded already.
        size = reduced_size(photo.width, photo.height, side)
        if picture.size != size:
            picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2)
        for quality in _QUALITIES:
            encoded = _encode(picture, quality)
            if len(encoded) <= max_bytes:
                return encoded
        side = max(1, max(picture.size) * 2 // 3)


def _encode(picture: Image.Image, quality: int) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return stream.getvalue()
