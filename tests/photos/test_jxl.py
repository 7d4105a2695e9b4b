"""JPEG XL, by OpenImageIO and Brotli of the extra `jxl`; README.md in the folder `jxl` says how its files were made."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colour_profiles import DISPLAY_P3, SRGB, rgb_profile, srgb_curve
from mlsp.base.arrays import Float64Array, UInt8Array
from mlsp.base.errors import PhotoTooLargeError, UnreadablePhotoError
from mlsp.photos import DecodeSettings, read_photo
from mlsp.photos.camera_data import camera_data
from mlsp.photos.find_xmp import find_xmp
from mlsp.photos.jxl_boxes import jxl_size
from photo_samples import encode

pytest.importorskip("OpenImageIO")

FILES = Path(__file__).parent / "jxl"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
COLOURS = np.array(
    [[(200, 80, 60), (60, 180, 90), (70, 90, 190), (128, 128, 128), (250, 250, 250), (30, 20, 25)]],
    np.uint8,
)
# Six squares of sixteen pixels, with a little noise: files of less than 128 bytes are not read.
SQUARES = COLOURS.repeat(16, axis=0).repeat(16, axis=1)
SQUARES += np.random.default_rng(0).integers(0, 4, SQUARES.shape, dtype=np.uint8)
CLEAR = 255 * np.ones((16, 32, 3), np.uint8)


def pixels_of(name: str) -> UInt8Array:
    photo = read_photo(FILES / name)
    assert (photo.width, photo.height) == (96, 16)
    return photo.pixels


def means(pixels: UInt8Array | Float64Array) -> Float64Array:
    """Mean colour of each square, (6, 3)."""
    found: Float64Array = pixels.reshape(16, 6, 16, 3).mean((0, 2))
    return found


def test_pixels_are_those_that_were_written() -> None:
    np.testing.assert_array_equal(pixels_of("srgb.jxl"), SQUARES)
    np.testing.assert_allclose(means(pixels_of("lossy.jxl")), means(SQUARES), atol=3)
    red = SQUARES[..., :1].repeat(3, axis=2)
    np.testing.assert_array_equal(pixels_of("grey.jxl"), red)
    np.testing.assert_array_equal(pixels_of("deep.jxl"), red)
    over_white = np.hstack([CLEAR, SQUARES[:, 32:]])
    np.testing.assert_array_equal(pixels_of("transparent.jxl"), over_white)
    # Of two pictures the second; a GIF has 256 colours.
    last = pixels_of("moving.jxl").astype(int)
    np.testing.assert_allclose(last, 255 - SQUARES.astype(int), atol=1)


def test_it_is_reduced_as_other_formats() -> None:
    settings = DecodeSettings(longest_side=12)
    png = read_photo(encode(Image.fromarray(SQUARES), "PNG"), settings=settings)
    np.testing.assert_array_equal(
        read_photo(FILES / "srgb.jxl", settings=settings).pixels, png.pixels
    )


def srgb_of_display_p3(pixels: UInt8Array) -> Float64Array:
    """By the standard, which has the curve of sRGB."""
    share = pixels / 255
    light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return srgb_curve(light @ (np.linalg.inv(SRGB) @ DISPLAY_P3).T)


@pytest.mark.parametrize("name", ["display_p3.jxl", "display_p3_lossy.jxl"])
def test_colours_without_a_profile_are_converted_to_srgb(name: str) -> None:
    expected = means(srgb_of_display_p3(SQUARES))
    assert np.abs(expected - means(SQUARES)).max() > 10
    np.testing.assert_allclose(means(pixels_of(name)), expected, atol=2)


def test_profiles_are_converted_to_srgb() -> None:
    content = encode(Image.fromarray(SQUARES), "PNG", icc_profile=rgb_profile(DISPLAY_P3, 2.2))
    np.testing.assert_array_equal(pixels_of("profile.jxl"), read_photo(content).pixels)


def test_high_dynamic_range_is_tone_mapped() -> None:
    found = means(pixels_of("pq.jxl"))
    # PQ's 128 is about 93 cd/m², where paper has 203; its 250 is far brighter than paper.
    assert 150 < found[3, 0] < 190
    assert found[4].min() > 250


def test_a_packed_jpeg_is_turned_upright_and_keeps_its_camera_data() -> None:
    file = FILES / "turned.jxl"
    photo = read_photo(file)
    assert (photo.width, photo.height) == (64, 40)
    corners = photo.pixels[[1, -2, 1, -2], [1, 1, -2, -2]].astype(int)
    expected = [(255, 0, 0), (0, 0, 255), (255, 255, 255), (255, 255, 255)]
    np.testing.assert_allclose(corners, expected, atol=60)
    captured = camera_data(file).captured
    assert captured is not None
    assert captured.isoformat() == "2024-05-06T07:08:09"
    assert list(find_xmp(io.BytesIO(file.read_bytes()))) == [XMP]
    assert b"2024:05:06" not in file.read_bytes()


def test_metadata_that_is_not_packed_is_found(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    data = bytes(4) + exif.tobytes().removeprefix(b"Exif\0\0")
    boxes = [
        (b"JXL ", b"\r\n\x87\n"),
        (b"ftyp", b"jxl \0\0\0\0jxl "),
        (b"Exif", data),
        (b"xml ", XMP),
        (b"jxlc", (FILES / "srgb.jxl").read_bytes()),
    ]
    file = tmp_path / "photo.jxl"
    file.write_bytes(b"".join(struct.pack(">I4s", 8 + len(box), kind) + box for kind, box in boxes))
    captured = camera_data(file).captured
    assert captured is not None
    assert captured.isoformat() == "2024-05-06T07:08:09"
    assert list(find_xmp(io.BytesIO(file.read_bytes()))) == [XMP]
    np.testing.assert_array_equal(read_photo(file).pixels, SQUARES)


@pytest.mark.parametrize("name", ["srgb.jxl", "turned.jxl", "deep.jxl"])
def test_size_is_known_before_pixels(name: str) -> None:
    with (FILES / name).open("rb") as file:
        size = jxl_size(file)
    photo = read_photo(FILES / name)
    assert sorted(size) == sorted((photo.width, photo.height))


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(PhotoTooLargeError, match=r"96 × 16 = 1,536 pixels"):
        read_photo(FILES / "srgb.jxl", settings=DecodeSettings(max_pixels=1535))
    # A codestream that says 2^30 pixels a side, and no more.
    side = ((1 << 30) - 1) << 2 | 3
    bits = side << 1 | side << 36
    with pytest.raises(PhotoTooLargeError, match="1073741824 × 1073741824"):
        read_photo(b"\xff\n" + bits.to_bytes(12, "little"))


def test_damage_is_said() -> None:
    content = (FILES / "turned.jxl").read_bytes()
    for length in (20, 150, len(content) // 2, len(content) - 3):
        with pytest.raises(UnreadablePhotoError, match="^damaged or truncated JXL"):
            read_photo(content[:length])
