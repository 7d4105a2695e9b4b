from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from PIL import Image

from mlsp.base.errors import PhotoTooLargeError, UnreadablePhotoError, UnsupportedPhotoError
from mlsp.photos import DecodeSettings, read_photo
from mlsp.photos.formats import photo_format
from photo_samples import dng, encode


def scene(left: tuple[int, int, int], right: tuple[int, int, int]) -> bytes:
    pixels = np.zeros((64, 96, 3), np.uint16)
    pixels[:, :48], pixels[:, 48:] = left, right
    # Automatic brightness makes the brightest hundredth white.
    pixels[:4] = 65535
    return dng(pixels)


def test_a_raw_photo_is_developed_to_srgb() -> None:
    pytest.importorskip("rawpy")
    photo = read_photo(scene((40_000, 0, 20_000), (40_000, 40_000, 20_000)))
    assert (photo.width, photo.height, photo.pixels.shape) == (96, 64, (64, 96, 3))
    assert photo.pixels.dtype == np.uint8

    def srgb(linear: float) -> float:
        return 255 * (1.055 * math.pow(linear / 65535, 1 / 2.4) - 0.055)

    bright, dark = srgb(40_000), srgb(20_000)
    left, right = (photo.pixels[30:40, x : x + 10].mean(axis=(0, 1)) for x in (20, 70))
    np.testing.assert_allclose(left, (bright, 0, dark), atol=3)
    np.testing.assert_allclose(right, (bright, bright, dark), atol=3)


@pytest.mark.parametrize("longest_side", [None, 40, 20])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_raw_photos_are_upright(orientation: int, longest_side: int | None) -> None:
    pytest.importorskip("rawpy")
    pixels = np.full((64, 96, 3), 10_000, np.uint16)
    pixels[:32, :48] = 60_000
    settings = DecodeSettings(longest_side=longest_side)
    photo = read_photo(dng(pixels, orientation), settings=settings)
    turned = orientation in (6, 8)
    assert (photo.width, photo.height) == ((64, 96) if turned else (96, 64))
    longest = 96 if longest_side is None else longest_side
    assert photo.pixels.shape[:2][:: -1 if turned else 1] == (round(longest * 64 / 96), longest)
    quarter = {1: (0, 0), 3: (1, 1), 6: (0, 1), 8: (1, 0)}[orientation]
    height, width = (size // 2 for size in photo.pixels.shape[:2])
    means = [
        photo.pixels[y * height : (y + 1) * height, x * width : (x + 1) * width].mean()
        for y, x in ((0, 0), (0, 1), (1, 0), (1, 1))
    ]
    assert divmod(int(np.argmax(means)), 2) == quarter


def test_damaged_and_foreign_raw_photos() -> None:
    pytest.importorskip("rawpy")
    content = scene((0, 0, 0), (1, 1, 1))
    with pytest.raises(UnreadablePhotoError, match=r"^damaged raw photo: Input/output error$"):
        read_photo(content[: len(content) // 2])
    with pytest.raises(
        UnsupportedPhotoError, match=r"^LibRaw does not read this raw photo \(.+\): conv"
    ):
        read_photo(b"IIRO" + bytes(5000))
    with pytest.raises(
        PhotoTooLargeError, match=r"^96 × 64 = 6,144 pixels, more than the limit of"
    ):
        read_photo(content, settings=DecodeSettings(max_pixels=6143))


def preview_with_sensor_below(photometric: int) -> bytes:
    """How NEF, ARW and many DNG files look: a small RGB picture, and a sub-directory for the sensor."""
    preview = encode(Image.new("RGB", (16, 12)), "TIFF", tiffinfo={330: 0})
    content = bytearray(preview) + bytes(len(preview) % 2)
    entry = content.index(struct.pack("<H", 330) + b"\4\0")
    struct.pack_into("<HHII", content, entry, 330, 4, 1, len(content))
    return bytes(content) + struct.pack("<HHHII", 1, 262, 3, 1, photometric) + bytes(4)


def test_raw_photos_are_told_from_tiff_by_what_the_sensor_saw() -> None:
    assert photo_format(preview_with_sensor_below(32803)) == "RAW"
    assert photo_format(preview_with_sensor_below(34892)) == "RAW"
    assert photo_format(preview_with_sensor_below(2)) == "TIFF"
    assert photo_format(encode(Image.new("RGB", (16, 12)), "TIFF")) == "TIFF"
    assert photo_format(scene((0, 0, 0), (1, 1, 1))) == "RAW"


@pytest.mark.parametrize(
    "head",
    [
        b"II*\0\x10\0\0\0CR\x02\0",
        b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
        b"FUJIFILMCCD-RAW 0201",
        b"IIRO\x08\0\0\0",
        b"IIRS\x08\0\0\0",
        b"MMOR\0\0\0\x08",
        b"IIU\0\x18\0\0\0",
        b"II*\0\x08\0\0\0IIII",
        b"II\x1a\0\0\0HEAPCCDR",
        b"\0MRM\0\0\0\0",
        b"FOVb\0\0\0\0",
    ],
)
def test_formats_of_the_makers(head: bytes) -> None:
    assert photo_format(head) == "RAW"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypavis\0\0\0\0avismsf1", "AVIF"),
        (b"\0\0\0\x10ftypheix\0\0\0\0", "HEIC"),
        (b"II+\0\x08\0\0\0", "TIFF"),
    ],
)
def test_containers_of_several_codings(head: bytes, expected: str) -> None:
    assert photo_format(head) == expected
