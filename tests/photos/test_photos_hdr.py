from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mlsp.base.arrays import UInt8Array
from mlsp.photos import read_photo
from mlsp.photos.hdr import ColourCode, hdr_to_srgb
from photo_samples import encode, heic

PQ, HLG = 16, 18


def pq(nits: float) -> int:
    """The value of 255 for a brightness; SMPTE ST 2084."""
    power = (nits / 10_000) ** 0.1593017578125
    value: float = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    return round(255 * value)


def mapped(value: int, transfer: int = PQ, primaries: int = 9) -> UInt8Array:
    pixels = np.full((1, 1, 3), value, np.uint8)
    found: UInt8Array = hdr_to_srgb(pixels, ColourCode(primaries, transfer))[0, 0]
    return found


def test_black_and_the_brightest_are_black_and_white() -> None:
    assert (mapped(0) == 0).all()
    assert (mapped(pq(1000)) >= 254).all()
    assert (mapped(255) == 255).all()
    assert (mapped(0, HLG) == 0).all()
    assert (mapped(255, HLG) >= 254).all()


def test_the_white_of_paper_is_a_bright_grey() -> None:
    # (1 + 1 / 4.926²) / (1 + 1) of the light, in sRGB.
    assert np.abs(mapped(pq(203)).astype(int) - 191).max() <= 2
    # HLG puts it at 75 %.
    assert np.abs(mapped(191, HLG).astype(int) - 191).max() <= 3


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_brightness_grows_with_the_value(transfer: int) -> None:
    values = [int(mapped(value, transfer)[1]) for value in range(256)]
    assert values == sorted(values)


def test_colours_of_a_wide_gamut_become_stronger() -> None:
    pixels = np.array([[[150, 100, 100]]], np.uint8)
    wide, p3, narrow = (
        hdr_to_srgb(pixels, ColourCode(code, PQ))[0, 0].astype(int) for code in (9, 12, 1)
    )
    assert wide[0] - wide[1] > p3[0] - p3[1] > narrow[0] - narrow[1] > 0


def test_photos_of_each_format_that_has_it_are_tone_mapped() -> None:
    image = Image.new("RGB", (64, 64), (pq(203),) * 3)
    chunk = b"cICP" + bytes((9, PQ, 0, 1))
    whole = struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    png = encode(image, "PNG")
    coded = heic(
        image,
        color_primaries=9,
        transfer_characteristics=PQ,
        matrix_coefficients=9,
        full_range_flag=1,
    )
    for content in (png[:33] + whole + png[33:], coded):
        assert np.abs(read_photo(content).pixels.astype(int) - 191).max() <= 4
    assert np.abs(read_photo(heic(image)).pixels.astype(int) - pq(203)).max() <= 4
