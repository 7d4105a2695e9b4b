"""Memory for decoding: one budget for all photos that are decoded at the same time.

A decoder takes many times what its file has: a WebP of 38 bytes may be 100 megapixels. So each photo waits until the budget has
room for it, and one that is larger than the whole budget is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Protocol

from mlsp.base.errors import PhotoTooLargeError
from mlsp.base.machine import usable_memory
from mlsp.photos.formats import PhotoFormat

# Peak of decoding in bytes per decoded pixel, if the result is small; rounded up from benchmarks/decode_memory.py.
_BYTES_PER_PIXEL: Mapping[PhotoFormat, int] = {
    "JPEG": 8,
    "PNG": 8,
    "WebP": 18,
    "TIFF": 8,
    "HEIC": 11,
    "AVIF": 12,
    "BMP": 8,
    "GIF": 8,
    "PSD": 8,
    "JXL": 26,
    "RAW": 16,
}
# More for a result of all pixels, by channels: ink is converted whole.
_RESULT_BYTES = {"CMYK": 14}
_USUAL_RESULT_BYTES = 5
# A progressive JPEG's coefficients, which libjpeg keeps until the last scan, for each pixel of the photo.
_PROGRESSIVE_BYTES = 6

# The network, and whatever else runs here, have the other half.
_SHARE = 2


def bytes_needed(
    photo_format: PhotoFormat,
    pixels: int,
    *,
    decoded: int | None = None,
    is_progressive: bool = False,
    is_whole: bool = False,
    mode: str = "RGB",
) -> int:
    """Return about how many bytes decoding takes at its peak.

    Args:
        photo_format: of the photo.
        pixels: of the photo.
        decoded: pixels, where a fraction of a JPEG is decoded.
        is_progressive: of a JPEG.
        is_whole: the result has all pixels.
        mode: Pillow's.

    Examples:
        >>> bytes_needed("WebP", 100_000_000)
        1800000000
    """
    decoded = pixels if decoded is None else decoded
    result = _RESULT_BYTES.get(mode, _USUAL_RESULT_BYTES) if is_whole else 0
    progressive = _PROGRESSIVE_BYTES * pixels if is_progressive else 0
    return (_BYTES_PER_PIXEL[photo_format] + result) * decoded + progressive


class Budget(Protocol):
    """Bytes that photos take while they are decoded."""

    def take(self, size: int) -> None:
        """Wait until there are so many, and take them.

        Raises:
            PhotoTooLargeError: there are never so many.
        """

    def give_back(self, size: int) -> None:
        """Give bytes back."""


class MemoryBudget:
    """Bytes for the photos of this process, in the order in which they ask.

    Args:
        size: in bytes; None for no limit.
    """

    def __init__(self, size: int | None) -> None:
        self._size = size
        self._taken = 0
        # A large photo must not wait while small ones pass it.
        self._turn = threading.Lock()
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        """Wait until there are so many bytes, and take them; see `Budget`."""
        whole = self._size
        if whole is None:
            return
        if size > whole:
            raise PhotoTooLargeError(
                f"decoding it takes about {size / 1e6:,.0f} MB, more than the {whole / 1e6:,.0f} MB"
                " that may be used for it here: make the photo smaller, or give the program more memory"
            )
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._taken + size <= whole)
            self._taken += size

    def give_back(self, size: int) -> None:
        """Give bytes back."""
        if self._size is None:
            return
        with self._changed:
            self._taken -= size
            self._changed.notify_all()


@lru_cache(maxsize=1)
def process_budget() -> MemoryBudget:
    """Return the budget of this process: half of what its machine or container has."""
    memory = usable_memory()
    return MemoryBudget(None if memory is None else memory // _SHARE)


# Where photos are decoded for another process, its budget is asked instead.
_elsewhere: Budget | None = None


def ask_elsewhere(budget: Budget) -> None:
    """Ask another budget in this process from now on."""
    global _elsewhere
    _elsewhere = budget


@contextmanager
def memory_for(size: int) -> Iterator[None]:
    """Hold so many bytes of the budget.

    Raises:
        PhotoTooLargeError: it never has so many.
    """
    budget = _elsewhere or process_budget()
    budget.take(size)
    try:
        yield
    finally:
        budget.give_back(size)
