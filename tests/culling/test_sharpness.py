"""Blur in pixels: what was added is measured, whatever contrast, exposure and noise."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from face_samples import portrait
from mlsp.base.arrays import UInt8Array
from mlsp.culling.sharpness import blur_of

# Rockets and helmet: edges of all kinds.
PIECE = (slice(180, 500), slice(180, 500))


def blurred(pixels: UInt8Array, sigma: float) -> UInt8Array:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(sigma)))


def measured(pixels: UInt8Array) -> float:
    blur = blur_of(pixels[PIECE])
    assert blur is not None
    return blur


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.5])
def test_edges_of_known_blur(sigma: float) -> None:
    """A step between two greys; Pillow's Gaussian is three boxes and somewhat off."""
    step = np.full((200, 200, 3), 60, np.uint8)
    step[:, 100:] = 190
    step[100:] = np.flip(step[100:], 1)
    assert blur_of(blurred(step, sigma)) == pytest.approx(sigma, rel=0.2)


def test_half_a_pixel_shows_whatever_else_differs() -> None:
    sharp = portrait()
    rng = np.random.default_rng(0)
    for gain, moved, noise in ((1.0, 0, 0.0), (0.7, 3, 0.0), (1.0, 5, 4.0)):
        values = []
        for sigma in (0.0, 0.5, 1.0, 2.0):
            pixels = blurred(sharp, sigma) * gain + rng.normal(0, noise, sharp.shape)
            values.append(measured(np.roll(np.clip(pixels, 0, 255).astype(np.uint8), moved, 1)))
        assert values == sorted(values)
        assert values[1] > 1.02 * values[0]
        assert values[3] > 1.5 * values[0]


def test_contrast_and_exposure_do_not_count() -> None:
    sharp = portrait()
    assert measured((sharp * 0.5).astype(np.uint8)) == pytest.approx(measured(sharp), rel=0.03)


def test_noise_and_flat_pieces_have_no_edges() -> None:
    rng = np.random.default_rng(0)
    noise = np.clip(rng.normal(128, 4, (200, 200, 3)), 0, 255).astype(np.uint8)
    assert blur_of(noise) is None
    assert blur_of(np.full((200, 200, 3), 90, np.uint8)) is None
    assert blur_of(portrait()[:19, :200]) is None
