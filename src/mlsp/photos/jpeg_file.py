"""JPEG as Pillow opens it, decoded by libjpeg-turbo through simplejpeg, which reports the decoder's warnings.

libjpeg makes up what a damaged file lacks and only warns of it, which Pillow hides. The pixels are the same, to the bit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import simplejpeg
from PIL import Image, JpegImagePlugin

from mlsp.base.arrays import UInt8Array
from mlsp.base.errors import UnsupportedPhotoError

# Progressive photos have about ten. Each is a pass over all pixels: 20,000 of them in 3 MB would take 20 minutes.
MAX_SCANS = 100
# The same of large photos: as much as the usual scans of 250 megapixels.
_USUAL_SCANS = 10
_MAX_SCANNED_PIXELS = 2_500_000_000
# Photos have dozens, with large metadata hundreds.
_MAX_SEGMENTS = 100_000

# Padding that some cameras leave before the end, in bytes. What is filled up with zeros leaves far more.
_MAX_EXTRA_BYTES = 1_000

# By Pillow's mode: what simplejpeg calls it, and how Pillow takes it; of ink it assumes that it is inverted, as Adobe writes it.
_COLOURS: Mapping[str, tuple[str, str]] = {
    "L": ("GRAY", "L"),
    "RGB": ("RGB", "RGB"),
    "CMYK": ("CMYK", "CMYK;I"),
}
_START_OF_SCAN, _END = b"\xff\xda", b"\xff\xd9"
# What may follow FF: no marker is 00 (an FF of the pixels), FF (filling) and D0 to D7 (restarts).
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_FRAMES = frozenset((0xC0, 0xC1, 0xC2, 0xC9, 0xCA))
# Start of frame of lossless and hierarchical pictures.
_UNKNOWN_PROCESSES = frozenset((0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF))
# libjpeg's words (jerror.h) for pixels that were made up.
_DAMAGE = re.compile(
    r"(?i)premature end|bad huffman code|bad arithmetic code|instead of RST|corrupt.* data: (?!\d)"
)
_EXTRA = re.compile(r"(\d+) extraneous bytes")
_HARMLESS = re.compile(
    r"extraneous bytes|JFIF revision|Adobe color transform|SOS parameters|progression sequence"
)


class JpegFile(JpegImagePlugin.JpegImageFile):
    """A JPEG in which nothing missing is made up.

    Its EXIF data Pillow does not read: it would look for the resolution only, and warn of what it finds odd.
    """

    def _open(self) -> None:
        super()._open()
        self._stored_pixels = self.width * self.height

    def getexif(self) -> Image.Exif:
        """Return no EXIF data."""
        return Image.Exif()

    def load(self) -> Any:
        """Decode the pixels, at the fraction that `draft` has chosen.

        Raises:
            UnsupportedPhotoError: it has too many scans, or is coded in a way that libjpeg does not know.
            OSError: pixels are missing or damaged.
        """
        if self.tile and self.fp is not None:
            self.fp.seek(0)
            content = _with_end(self.fp.read())
            _check_process(content)
            _check_scans(content, self._stored_pixels)
            colours, stored = _COLOURS[self.mode]
            pixels = _decode(content, colours, self.size)
            if pixels is not None:
                self.im = Image.frombuffer(self.mode, self.size, pixels, "raw", stored, 0, 1).im
                self.tile = []
        return super().load()


def _decode(content: bytes, colours: str, size: tuple[int, int]) -> UInt8Array | None:
    """Decode, (H, W, C); None for what only Pillow decodes."""
    options: dict[str, Any] = {
        "colorspace": colours,
        "min_width": size[0],
        "min_height": size[1],
        "min_factor": 1,
    }
    try:
        pixels: UInt8Array = simplejpeg.decode_jpeg(content, **options)
    except ValueError as error:
        message = str(error)
        extra = _EXTRA.search(message)
        if _DAMAGE.search(message) or (extra and int(extra[1]) > _MAX_EXTRA_BYTES):
            raise OSError(f"pixels are missing or damaged ({message})") from error
        if not _HARMLESS.search(message):
            return None
        # Warnings of the header are raised all the same.
        try:
            pixels = simplejpeg.decode_jpeg(content, **options, strict=False)
        except ValueError:
            return None
    return pixels


def _with_end(content: bytes) -> bytes:
    """Return a JPEG with its end marker, which some programs leave out: without one nothing tells that the last scan is whole.

    Raises:
        OSError: the end is missing, and scans before it.
    """
    if content.rfind(_END) > content.rfind(_START_OF_SCAN):
        return content
    if not _has_all_scans(content):
        raise OSError("pixels are missing or damaged (it ends before its last scan)")
    return content + _END


def _has_all_scans(content: bytes) -> bool:
    """Return whether each coefficient of each colour is there to its last bit."""
    missing: dict[int, set[int]] = {}
    for marker, segment in _segments(content):
        if marker in _FRAMES and len(segment) > 5:
            missing = {colour: set(range(64)) for colour in segment[6::3]}
        elif marker == _START_OF_SCAN[1] and len(segment) > 3:
            colours = segment[0]
            first, last, bits = segment[-3:]
            if bits & 15 == 0:
                for colour in segment[1 : 1 + 2 * colours : 2]:
                    missing.get(colour, set()).difference_update(range(first, last + 1))
    return not any(missing.values())


def _segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers up to the end of the first picture, and what is in their segments.

    Raises:
        UnsupportedPhotoError: they are absurdly many.
    """
    at = 2
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(content, at)
        if found is None or (marker := found[1][0]) == _END[1]:
            return
        start = found.end()
        at = start + max(2, int.from_bytes(content[start : start + 2], "big"))
        yield marker, content[start + 2 : at]
    raise UnsupportedPhotoError(f"it has more than {_MAX_SEGMENTS:,} segments: save it anew")


def _check_process(content: bytes) -> None:
    for marker, _ in _segments(content):
        if marker in _UNKNOWN_PROCESSES:
            raise UnsupportedPhotoError(
                f"its coding is lossless or hierarchical (SOF{marker & 15}), which is not read: save it as a common JPEG"
            )
        if marker == _START_OF_SCAN[1]:
            return


def _check_scans(content: bytes, pixels: int) -> None:
    most = min(MAX_SCANS, max(_USUAL_SCANS, _MAX_SCANNED_PIXELS // pixels))
    # Also those of its thumbnail, and of further photos in the file: only if they are many does it matter which.
    if content.count(_START_OF_SCAN) <= most:
        return
    scans = sum(marker == _START_OF_SCAN[1] for marker, _ in _segments(content))
    if scans > most:
        raise UnsupportedPhotoError(
            f"it has {scans:,} scans, each of which is a pass over all of its pixels,"
            f" more than the {most} that are decoded: save it anew"
        )
