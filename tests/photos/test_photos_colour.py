from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from colour_profiles import (
    D50,
    DISPLAY_P3,
    SRGB,
    fixed,
    gamma,
    profile,
    rgb_profile,
    srgb_curve,
)
from mlsp.base.arrays import UInt8Array
from mlsp.photos import DecodeSettings, read_photo
from photo_samples import camera_photo, encode, heic

# Primaries (columns R, G, B) adapted to D50, as the profiles of these spaces hold them.
ADOBE_RGB = np.array(
    [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
)


def grey_profile(exponent: float) -> bytes:
    return profile(b"GRAY", {b"wtpt": b"XYZ " + bytes(4) + fixed(*D50), b"kTRC": gamma(exponent)})


def expected_srgb(
    pixels: UInt8Array, primaries: NDArray[np.float64], exponent: float
) -> NDArray[np.float64]:
    linear = (pixels / 255) ** exponent
    return srgb_curve(linear @ (np.linalg.inv(SRGB) @ primaries).T)


COLOURS = np.array(
    [[(200, 80, 60), (60, 180, 90), (70, 90, 190), (128, 128, 128), (255, 255, 255), (30, 20, 25)]],
    np.uint8,
)
COLOURS = np.kron(COLOURS, np.ones((16, 16, 1), np.uint8))


@pytest.mark.parametrize("primaries", [ADOBE_RGB, DISPLAY_P3], ids=["Adobe RGB", "Display P3"])
@pytest.mark.parametrize("name", ["PNG", "TIFF", "JPEG", "WEBP", "HEIC", "AVIF"])
def test_profiles_are_converted_to_srgb(primaries: NDArray[np.float64], name: str) -> None:
    image = Image.fromarray(COLOURS)
    icc = rgb_profile(primaries, 2.2)
    if name == "HEIC":
        image.info["icc_profile"] = icc
        content = heic(image)
    else:
        options = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}.get(name, {"quality": 100})
        content = encode(image, name, icc_profile=icc, **options)
    pixels = read_photo(content).pixels[8::16, 8::16]
    tolerance = 2 if name in ("PNG", "TIFF", "WEBP") else 8
    np.testing.assert_allclose(
        pixels, expected_srgb(COLOURS[8::16, 8::16], primaries, 2.2), atol=tolerance
    )
    assert np.abs(pixels[0, :3].astype(int) - COLOURS[8, 8:56:16]).max() > 10


def test_colours_are_converted_after_the_reduction_and_before_turning() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encode(
        Image.fromarray(COLOURS),
        "JPEG",
        quality=100,
        icc_profile=rgb_profile(ADOBE_RGB, 2.2),
        exif=exif.tobytes(),
    )
    photo = read_photo(content, settings=DecodeSettings(longest_side=6))
    assert photo.pixels.shape == (6, 1, 3)
    np.testing.assert_allclose(
        photo.pixels[:, 0], expected_srgb(COLOURS[0, 8::16], ADOBE_RGB, 2.2), atol=4
    )


def test_palettes_and_transparency_have_profiles_too() -> None:
    icc = rgb_profile(ADOBE_RGB, 2.2)
    expected = expected_srgb(COLOURS[8, 8::16], ADOBE_RGB, 2.2)
    palette = Image.fromarray(COLOURS).quantize(6)
    for image in (palette, Image.fromarray(COLOURS).convert("RGBA")):
        pixels = read_photo(encode(image, "PNG", icc_profile=icc)).pixels
        np.testing.assert_allclose(pixels[8, 8::16], expected, atol=2)


def test_grey_photos_have_grey_or_rgb_profiles() -> None:
    grey = np.arange(256, dtype=np.uint8)[None]
    for icc in (grey_profile(1.8), rgb_profile(ADOBE_RGB, 1.8)):
        pixels = read_photo(encode(Image.fromarray(grey), "PNG", icc_profile=icc)).pixels
        expected = srgb_curve((grey / 255) ** 1.8)[..., None]
        np.testing.assert_allclose(pixels, np.repeat(expected, 3, axis=2), atol=2)


@pytest.mark.parametrize(
    "icc",
    [
        b"no profile",
        rgb_profile(ADOBE_RGB, 2.2)[:200],
        rgb_profile(ADOBE_RGB, 2.2)[:128] + bytes(400),
        grey_profile(1.0),  # of another kind of colour
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    ],
    ids=["text", "truncated", "damaged", "grey", "sRGB"],
)
def test_damaged_foreign_and_srgb_profiles_change_nothing(icc: bytes) -> None:
    photo = camera_photo()
    content = encode(Image.fromarray(photo), "PNG", icc_profile=icc)
    np.testing.assert_array_equal(read_photo(content).pixels, photo)


def test_lab_photos() -> None:
    lab = ImageCms.createProfile("LAB")
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), lab, "RGB", "LAB")
    content = encode(to_lab.apply(Image.fromarray(COLOURS)), "TIFF")
    assert Image.open(io.BytesIO(content)).mode == "LAB"
    np.testing.assert_allclose(read_photo(content).pixels.astype(int), COLOURS, atol=3)
