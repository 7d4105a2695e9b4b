from __future__ import annotations

import math
import struct
from typing import Any

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


def test_an_underexposed_raw_photo_stays_dark() -> None:
    pytest.importorskip("rawpy")
    well, dark = (
        read_photo(dng(np.full((64, 96, 3), value, np.uint16))).pixels.mean()
        for value in (40_000, 2_500)
    )
    # Four stops less light; what LibRaw would have brightened to the same picture.
    assert well > 190
    assert dark < 60


def with_preview(size: tuple[int, int], orientation: int = 1, **options: Any) -> bytes:
    """A raw photo that is dark, 1200 × 900, with a light preview whose first quarter is green."""
    preview = Image.new("RGB", size, (200, 200, 200))
    preview.paste((0, 220, 0), (0, 0, size[0] // 2, size[1] // 2))
    return dng(
        np.full((900, 1200, 3), 2_000, np.uint16),
        orientation,
        preview=encode(preview, "JPEG", quality=95, **options),
    )


@pytest.mark.parametrize(
    ("size", "longest_side", "is_preview"),
    [
        ((1200, 900), 512, True),
        ((1200, 900), None, True),
        ((1000, 750), 512, True),
        ((1000, 750), 1000, True),
        ((1000, 750), 1100, False),  # smaller than what is wanted
        ((1000, 750), None, False),
        ((990, 742), 512, False),
        ((160, 120), 100, False),
    ],
)
def test_a_preview_that_is_large_enough_is_the_photo(
    size: tuple[int, int], longest_side: int | None, is_preview: bool
) -> None:
    pytest.importorskip("rawpy")
    settings = DecodeSettings(longest_side=longest_side)
    photo = read_photo(with_preview(size), settings=settings)
    assert (photo.width, photo.height) == (1200, 900)
    assert max(photo.pixels.shape) == (1200 if longest_side is None else longest_side)
    assert (photo.pixels[-20:, -20:].mean() > 150) == is_preview


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("has_own", [False, True])
def test_previews_are_upright(orientation: int, has_own: bool) -> None:
    pytest.importorskip("rawpy")
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = with_preview((1200, 900), orientation, **({"exif": exif} if has_own else {}))
    photo = read_photo(content, settings=DecodeSettings(longest_side=400))
    assert photo.pixels.shape[:2] == ((400, 300) if orientation in (6, 8) else (300, 400))
    assert (photo.height > photo.width) == (orientation in (6, 8))
    corners = [photo.pixels[y, x].tolist() for y, x in ((9, 9), (-9, -9), (9, -9), (-9, 9))]
    is_green = [red < 100 < green for red, green, _ in corners]
    assert is_green == [orientation == one for one in (1, 3, 6, 8)]


def test_a_preview_that_is_turned_already_is_not_turned_again() -> None:
    pytest.importorskip("rawpy")
    exif = Image.Exif()
    exif[0x0112] = 6
    content = with_preview((900, 1200), 6, exif=exif)
    photo = read_photo(content, settings=DecodeSettings(longest_side=400))
    assert photo.pixels.shape[:2] == (400, 300)
    red, green, _ = photo.pixels[9, 9].tolist()
    assert red < 100 < green


def test_a_damaged_preview_leaves_the_sensor() -> None:
    pytest.importorskip("rawpy")
    content = with_preview((1200, 900))
    start = content.rindex(b"\xff\xd8\xff")
    damaged = content[: start + 400] + bytes(len(content) - start - 400)
    photo = read_photo(damaged, settings=DecodeSettings(longest_side=512))
    assert photo.pixels.mean() < 100


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
    with pytest.raises(UnreadablePhotoError, match=r"^damaged raw photo: the file ends before"):
        read_photo(content[: len(content) // 2])
    with pytest.raises(
        UnsupportedPhotoError, match=r"^LibRaw does not read this raw photo \(.+\): if"
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
