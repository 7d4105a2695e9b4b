from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from mlsp.base.arrays import UInt8Array
from mlsp.base.errors import SettingsError
from mlsp.features.pooling import area_weights
from mlsp.photos import DecodeSettings, read_photo
from mlsp.photos.sizes import (
    Reduction,
    area_means,
    parse_size,
    reduce_pixels,
    reduced_size,
    resize_pixels,
)
from photo_samples import camera_photo, encode


def exact(pixels: UInt8Array, width: int, height: int) -> NDArray[np.float64]:
    rows, columns = area_weights(pixels.shape[0], height), area_weights(pixels.shape[1], width)
    means: NDArray[np.float64] = np.einsum("gh,hwc,kw->gkc", rows, pixels, columns, optimize=True)
    return means


@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from([1, 3, 4]),
    st.integers(0, 2**32 - 1),
)
def test_reduction_is_the_mean_over_exact_areas(
    width: int, height: int, longest_side: int, channels: int, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    reduced = reduce_pixels(pixels, longest_side)
    assert reduced.shape[1::-1] == reduced_size(width, height, longest_side)
    # Half a step of rounding, and what float32 loses.
    assert np.abs(reduced - exact(pixels, *reduced.shape[1::-1])).max() <= 0.5001


def test_large_photos_are_reduced_in_pieces_without_seams() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (1501, 1999, 3), dtype=np.uint8)
    reduced = reduce_pixels(pixels, 512)
    assert np.abs(reduced - exact(pixels, 512, 384)).max() <= 0.5001


@pytest.mark.parametrize("block", [2, 4, 8])
def test_stored_pixels_may_be_means_of_blocks(block: int) -> None:
    """Where cells and blocks have common borders, the result is that of all pixels; 37 = 4·8 + 5 leaves a short block."""
    pixels = np.random.default_rng(2).integers(0, 256, (37, 16, 3)).astype(np.float64)
    starts = [np.arange(0, size, block) for size in (37, 16)]
    sums = np.add.reduceat(np.add.reduceat(pixels, starts[0], axis=0), starts[1], axis=1)
    counts = [np.diff(np.append(s, size)) for s, size in zip(starts, (37, 16), strict=True)]
    means = np.rint(sums / counts[0][:, None, None] / counts[1][:, None]).astype(np.uint8)
    one = area_means(lambda a, b: means[a:b], (16, 37), (1, 1), block=block)
    np.testing.assert_allclose(one[0, 0], pixels.mean(axis=(0, 1)), atol=1)


@pytest.mark.parametrize(
    ("size", "longest_side", "expected"),
    [
        ((400, 300), 400, (400, 300)),
        ((401, 300), 400, (400, 299)),
        ((300, 4000), 512, (38, 512)),
        ((10_000, 1), 10, (10, 1)),
        ((5, 2), 1, (1, 1)),
        ((5, 2), None, (5, 2)),
    ],
)
def test_reduced_size(
    size: tuple[int, int], longest_side: int | None, expected: tuple[int, int]
) -> None:
    assert reduced_size(*size, longest_side) == expected


@pytest.mark.parametrize("reduction", ["area", "lanczos"])
def test_smaller_photos_stay_as_they_are(reduction: Reduction) -> None:
    pixels = camera_photo()
    assert reduce_pixels(pixels, 451, reduction) is pixels


@pytest.mark.parametrize("name", ["JPEG", "PNG"])
@pytest.mark.parametrize("side", [513, 900, 1800, 5000])
def test_lanczos_keeps_a_photo_as_sharp_from_any_size(name: str, side: int) -> None:
    """What was enlarged comes back; area means of a size just above, or far above, are softer."""
    pixels = reduce_pixels(camera_photo(), 256, "lanczos")
    height, width = (round(length * side / 256) for length in pixels.shape[:2])
    larger = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)
    content = encode(larger, name, quality=95)
    errors = {}
    for reduction in ("area", "lanczos"):
        settings = DecodeSettings(longest_side=256, reduction=reduction)
        again = read_photo(content, settings=settings).pixels
        assert again.shape == pixels.shape
        errors[reduction] = float(np.abs(again.astype(int) - pixels).mean())
    assert errors["lanczos"] < 0.9 * errors["area"]
    assert errors["lanczos"] < 2


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_reduced_photos_look_like_the_whole_ones(name: str, mode: str) -> None:
    """JPEG is decoded at a fraction of its size where that is enough; it must not show."""
    if mode == "CMYK" and name in ("PNG", "WEBP"):
        pytest.skip(f"{name} has no ink")
    large = Image.fromarray(camera_photo()).resize((1804, 1197), Image.Resampling.BICUBIC)
    content = encode(large.convert(mode), name)
    whole = read_photo(content).pixels
    for longest_side in (100, 200, 400, 900):
        photo = read_photo(content, settings=DecodeSettings(longest_side=longest_side))
        assert (photo.width, photo.height) == (1804, 1197)
        error = photo.pixels - exact(whole, *photo.pixels.shape[1::-1])
        assert np.sqrt((error**2).mean()) < (0.8 if name == "JPEG" or mode == "CMYK" else 0.4)
        assert np.abs(error).max() < 12


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_resizing_to_less_is_the_mean_over_exact_areas(width: int, height: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (67, 61, 3), dtype=np.uint8)
    resized = resize_pixels(pixels, (width, height))
    assert np.abs(resized - exact(pixels, width, height)).max() <= 0.5001


def test_resizing_keeps_no_proportions_and_enlarges() -> None:
    """A ramp along a side that grows stays one, but at its ends; along the other side exact means are taken."""
    ramp = np.zeros((40, 20, 3), np.uint8)
    ramp[:] = (10 * np.arange(20))[:, None]
    ramp[::2, :, 0] = 0
    resized = resize_pixels(ramp, (40, 10))
    assert resized.shape == (10, 40, 3)
    expected = 10 * ((np.arange(40) + 0.5) / 2 - 0.5)
    assert np.abs(resized[:, 1:-1, 1] - expected[1:-1]).max() <= 1
    assert np.abs(resized[:, 1:-1, 0] - expected[1:-1] / 2).max() <= 1


def test_a_photo_of_the_size_is_left_as_it_is() -> None:
    pixels = camera_photo()
    assert resize_pixels(pixels, (pixels.shape[1], pixels.shape[0])) is pixels


def test_reading_resizes_what_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encode(Image.fromarray(camera_photo()), "JPEG", exif=exif)
    whole = read_photo(content)
    photo = read_photo(content, settings=DecodeSettings(resize=(20, 40)))
    np.testing.assert_array_equal(photo.pixels, resize_pixels(whole.pixels, (20, 40)))
    assert (photo.width, photo.height) == (whole.width, whole.height)


def test_sizes_as_users_write_them() -> None:
    assert parse_size("256X192") == parse_size("256×192") == (256, 192)
    for text in ("256", "0x5", "x", "-2x3", "2x3x4", "2.5x3"):
        with pytest.raises(SettingsError) as caught:
            parse_size(text)
        assert str(caught.value) == (
            f"expected width and height in pixels such as 256x256, got {text!r}"
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resize": (0, 5)}, "resize must be at least 1×1, got 0×5"),
        (
            {"resize": (256, 256), "longest_side": 512},
            "photos can be reduced to a longest side of 512 or resized to 256×256: choose one",
        ),
        ({"is_preview": True}, "a preview needs a longest_side"),
    ],
)
def test_sizes_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        DecodeSettings(**settings)
    assert str(caught.value) == message
