"""Photos from files, bytes or memory: upright, sRGB, 8 bits, with listing, sizes and capture times.

`read_photo` decodes one and `find_photos` finds them. It knows no network; every package above uses it.

path ─ read_bytes ─ photo_format ─┬ pillow_decoder: header ─ pixel limit ─ decode ─ rows ─ reduce ─ sRGB ─ upright ─┬ Photo
                                  └ raw_decoder: header ─ pixel limit ─ preview, or develop ─ reduce ───────────────┘
"""

from __future__ import annotations

from mlsp.photos.files import PHOTO_SUFFIXES, read_bytes
from mlsp.photos.finding import find_photos
from mlsp.photos.photo import Photo, photo_of_pixels, read_photo
from mlsp.photos.settings import DecodeSettings, ReadAs
from mlsp.photos.sizes import check_pixels, reduce_pixels, resize_pixels

__all__ = [
    "PHOTO_SUFFIXES",
    "DecodeSettings",
    "Photo",
    "ReadAs",
    "check_pixels",
    "find_photos",
    "photo_of_pixels",
    "read_bytes",
    "read_photo",
    "reduce_pixels",
    "resize_pixels",
]
