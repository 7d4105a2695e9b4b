"""Pictures of photos for the page: made when they are asked for, the last ones kept in memory, none on disk."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path

from PIL import Image

from mlsp.photos import DecodeSettings, read_photo

_QUALITY = 88


class PictureCache:
    """Cache of the pictures that were used last. Safe for several threads.

    Args:
        max_bytes: of all pictures together.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._pictures: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """Return a picture; make it if it is not there, which several threads may do at the same time.

        Args:
            key: names it.
            make: makes it.
        """
        with self._lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
                return self._pictures[key]
        picture = make()
        with self._lock:
            if key not in self._pictures:
                self._pictures[key] = picture
                self._bytes += len(picture)
            while self._bytes > self._max_bytes and self._pictures:
                self._bytes -= len(self._pictures.popitem(last=False)[1])
        return picture


def preview(source: Path, longest_side: int) -> bytes:
    """Return a picture of a photo to look at full-screen.

    Args:
        source: the photo.
        longest_side: in pixels; a smaller photo keeps its size.

    Returns:
        A JPEG file, upright, sRGB, with nothing of the photo's metadata.

    Raises:
        PhotoError: the photo cannot be read; its subclass tells why.
    """
    photo = read_photo(source, settings=DecodeSettings(longest_side=longest_side))
    stream = io.BytesIO()
    Image.fromarray(photo.pixels).save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()
