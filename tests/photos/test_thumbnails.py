from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colour_profiles import SRGB, rgb_profile
from mlsp.base.errors import SettingsError, UnreadablePhotoError, UnsupportedPhotoError
from mlsp.photos import DecodeSettings, read_photo
from mlsp.photos.thumbnails import MIN_BYTES, THUMBNAIL_MEDIA_TYPE, thumbnail


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    assert Image.MIME[image.format or ""] == THUMBNAIL_MEDIA_TYPE
    return image


def noise(path: Path, size: tuple[int, int]) -> Path:
    """A photo that no codec can make small."""
    pixels = np.random.default_rng(5).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_fits_into_its_side_and_shows_the_photo(examples: Path) -> None:
    for name in ("rocket.jpg", "chelsea.png"):
        photo = read_photo(examples / name)
        image = opened(thumbnail(examples / name, longest_side=200))
        assert max(image.size) == 200
        assert image.width / image.height == pytest.approx(photo.width / photo.height, rel=0.01)
        shrunk = Image.fromarray(photo.pixels).resize(image.size, Image.Resampling.BOX)
        difference = np.abs(np.asarray(image, float) - np.asarray(shrunk, float)).mean()
        assert difference < 5


@pytest.mark.parametrize("side", [320, 240, 180, 100])
def test_a_large_jpeg_is_as_sharp_as_by_means_of_all_its_pixels(
    examples: Path, tmp_path: Path, side: int
) -> None:
    with Image.open(examples / "rocket.jpg") as image:
        # A quarter is decoded for the first two, an eighth for the others.
        image.resize((1960, 1308), Image.Resampling.LANCZOS).save(tmp_path / "a.jpg", quality=95)
    found = opened(thumbnail(tmp_path / "a.jpg", longest_side=side, max_bytes=10**6))
    means = read_photo(tmp_path / "a.jpg", settings=DecodeSettings(longest_side=side)).pixels
    coded = io.BytesIO()
    # As a JPEG too, since that alone changes it.
    Image.fromarray(means).save(coded, "JPEG", quality=75)
    sharpness = []
    for picture in (found, opened(coded.getvalue())):
        assert picture.size == (means.shape[1], means.shape[0])
        pixels = np.asarray(picture.convert("L"), float)
        sharpness.append(np.abs(np.diff(pixels, axis=1)).mean())
    assert sharpness[0] > 0.98 * sharpness[1]


def test_a_colour_profile_counts_in_a_large_jpeg_too(tmp_path: Path) -> None:
    # 128 of linear light is 188 of sRGB.
    image = Image.new("RGB", (1400, 900), (128, 128, 128))
    image.save(tmp_path / "a.jpg", icc_profile=rgb_profile(SRGB, 1.0))
    found = np.asarray(opened(thumbnail(tmp_path / "a.jpg")))
    assert found.shape == (206, 320, 3)
    assert np.abs(found.astype(int) - 188).max() <= 2


def test_a_large_jpeg_is_not_decoded_whole(examples: Path, tmp_path: Path) -> None:
    with Image.open(examples / "rocket.jpg") as image:
        image.resize((1960, 1308)).save(tmp_path / "large.jpg")
    settings = DecodeSettings(longest_side=320, is_preview=True)
    photo = read_photo(tmp_path / "large.jpg", settings=settings)
    # A quarter; an eighth would be too small.
    assert photo.pixels.shape == (327, 490, 3)
    assert (photo.width, photo.height) == (1960, 1308)
    for side in (784, 400):
        settings = DecodeSettings(longest_side=side, is_preview=True)
        assert read_photo(tmp_path / "large.jpg", settings=settings).pixels.shape[1] == 980
    settings = DecodeSettings(longest_side=785, is_preview=True)
    assert read_photo(tmp_path / "large.jpg", settings=settings).pixels.shape[1] == 1960


def test_a_small_photo_keeps_its_size(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "teal").save(tmp_path / "small.png")
    assert opened(thumbnail(tmp_path / "small.png")).size == (40, 30)


@pytest.mark.parametrize("size", [(60, 40), (1200, 800)], ids=["small file", "large file"])
def test_is_upright_and_has_no_metadata(tmp_path: Path, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    exif[0x013B] = "somebody"
    photo = np.full((size[1], size[0], 3), 128, np.uint8)
    photo[:, : size[0] // 2] = (250, 0, 0)
    path = tmp_path / "turned.jpg"
    if size[0] > 1000:
        # Noise in blue makes the file large enough for the other way of reduction.
        photo[..., 2] = np.random.default_rng(1).integers(0, 256, photo.shape[:2])
    Image.fromarray(photo).save(path, quality=100, exif=exif)
    assert (path.stat().st_size > 400_000) == (size[0] > 1000)
    image = opened(thumbnail(path, longest_side=120))
    assert image.width < image.height
    assert dict(image.getexif()) == {}
    pixels = np.asarray(image, int)
    # What was left is on top.
    assert (pixels[: image.height // 2 - 8, :, 0] > 200).all()
    assert (pixels[image.height // 2 + 8 :, :, 0] < 160).all()


@pytest.mark.parametrize("max_bytes", [20_000, 5_000, MIN_BYTES])
def test_never_takes_more_bytes(tmp_path: Path, max_bytes: int) -> None:
    photo = noise(tmp_path / "noise.png", (600, 400))
    content = thumbnail(photo, max_bytes=max_bytes)
    assert len(content) <= max_bytes
    assert min(opened(content).size) >= 1
    # A picture that fits is as good as it can be: one of half as many bytes would waste what it may take.
    if max_bytes > MIN_BYTES:
        assert len(content) > max_bytes / 2


def test_a_photo_of_one_row_still_fits(tmp_path: Path) -> None:
    photo = noise(tmp_path / "row.png", (5000, 1))
    content = thumbnail(photo, longest_side=5000, max_bytes=MIN_BYTES)
    assert len(content) <= MIN_BYTES
    assert opened(content).height == 1


def test_ink_and_grey_become_rgb(tmp_path: Path) -> None:
    for mode, name in (("CMYK", "ink.jpg"), ("L", "grey.jpg"), ("LA", "clear.png")):
        Image.new(mode, (50, 50)).save(tmp_path / name)
        assert opened(thumbnail(tmp_path / name)).mode == "RGB"


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no photo")
    with pytest.raises(UnsupportedPhotoError):
        thumbnail(tmp_path / "text.jpg")
    with pytest.raises(UnreadablePhotoError):
        thumbnail(tmp_path / "gone.jpg")


def test_settings_out_of_range(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        thumbnail(tmp_path / "a.jpg", longest_side=0)
    assert str(caught.value) == "longest_side must be at least 1, got 0"
    with pytest.raises(SettingsError) as caught:
        thumbnail(tmp_path / "a.jpg", max_bytes=999)
    assert str(caught.value) == "max_bytes must be at least 1000, got 999"
