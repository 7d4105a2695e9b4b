"""Ways to make a photo worse, and copies that are as good as the photo.

All take and return sRGB pixels, uint8 (H, W, 3), and draw what is random from the generator they are given.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter

from mlsp.base.arrays import Float32Array, Float64Array, UInt8Array
from mlsp.photos import reduce_pixels

Degradation: TypeAlias = Callable[[UInt8Array, float, Generator], UInt8Array]
Copy: TypeAlias = Callable[[UInt8Array, Generator], UInt8Array]

# Of a photo with detail to its edges, so that a crop or a smaller copy still shows all of it.
_KEPT_BY_CROP = 0.92
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)


def exposed(pixels: UInt8Array, stops: float, generator: Generator) -> UInt8Array:
    """Expose by `stops` EV more or less, in linear light; what exceeds white is clipped."""
    return _encoded(_linear(pixels) * np.float32(2.0**stops))


def with_noise(pixels: UInt8Array, sigma: float, generator: Generator) -> UInt8Array:
    """Add Gaussian noise of standard deviation `sigma` (of 255) to each channel."""
    return _rounded(pixels + _normal(generator, pixels.shape) * np.float32(sigma))


def with_grey_noise(pixels: UInt8Array, sigma: float, generator: Generator) -> UInt8Array:
    """Add Gaussian noise of standard deviation `sigma` (of 255), alike in all channels."""
    return _rounded(pixels + _normal(generator, pixels.shape[:2])[..., None] * np.float32(sigma))


def with_coarse_noise(pixels: UInt8Array, sigma: float, generator: Generator) -> UInt8Array:
    """Add coloured noise of standard deviation `sigma` (of 255) with a grain of two pixels, as of a reduced or denoised photo."""
    height, width = pixels.shape[:2]
    noise = _normal(generator, ((height + 1) // 2, (width + 1) // 2, 3))
    grain = noise.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    return _rounded(pixels + grain * np.float32(sigma))


def with_photon_noise(pixels: UInt8Array, sigma: float, generator: Generator) -> UInt8Array:
    """Add noise whose variance grows with the light: `sigma` is its standard deviation (of 255) at white, in linear light."""
    light = _linear(pixels)
    noise = _normal(generator, light.shape) * np.sqrt(light + np.float32(0.002))
    return _encoded(light + noise * np.float32(sigma / 255))


def with_compressed_noise(pixels: UInt8Array, sigma: float, generator: Generator) -> UInt8Array:
    """Add Gaussian noise as `with_noise`, then compress as JPEG of quality 75."""
    return compressed(with_noise(pixels, sigma, generator), 75, generator)


def hazy(pixels: UInt8Array, share: float, generator: Generator) -> UInt8Array:
    """Pull all colours towards one grey of 120 to 215; `share` 1 is only grey."""
    grey = np.float32(generator.uniform(120, 215))
    return _rounded(pixels * np.float32(1 - share) + grey * np.float32(share))


def blurred(pixels: UInt8Array, radius: float, generator: Generator) -> UInt8Array:
    """Blur by a Gaussian of standard deviation `radius` pixels."""
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def moved(pixels: UInt8Array, length: float, generator: Generator) -> UInt8Array:
    """Blur along a straight line of `length` pixels, in a random direction."""
    height, width = pixels.shape[:2]
    count, angle = round(length), generator.uniform(0, np.pi)
    padded = np.pad(pixels, ((count, count), (count, count), (0, 0)), "edge")
    total = np.zeros(pixels.shape, dtype=np.float32)
    for offset in np.linspace(-count / 2, count / 2, count):
        top = count + round(offset * np.sin(angle))
        left = count + round(offset * np.cos(angle))
        total += padded[top : top + height, left : left + width]
    return _rounded(total / count)


def compressed(pixels: UInt8Array, quality: float, generator: Generator) -> UInt8Array:
    """Compress as JPEG of this quality (1 to 100)."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=round(quality))
    return np.asarray(Image.open(stream).convert("RGB"))


def tinted(pixels: UInt8Array, stops: float, generator: Generator) -> UInt8Array:
    """Shift the white balance in a random direction, one channel by `stops` EV, in linear light."""
    shift = generator.standard_normal(3)
    shift -= shift.mean()
    shift *= stops / np.abs(shift).max()
    return _encoded(_linear(pixels) * (2.0**shift).astype(np.float32))


def banded(pixels: UInt8Array, tones: float, generator: Generator) -> UInt8Array:
    """Leave only `tones` tones in each channel."""
    width = 256 / round(tones)
    return _rounded((np.floor(pixels / width) + 0.5) * width)


def oversharpened(pixels: UInt8Array, amount: float, generator: Generator) -> UInt8Array:
    """Add `amount` times the difference to a copy blurred by 1.2 pixels."""
    soft = blurred(pixels, 1.2, generator).astype(np.float32)
    return _rounded(pixels + (pixels - soft) * np.float32(amount))


def enlarged(pixels: UInt8Array, factor: float, generator: Generator) -> UInt8Array:
    """Reduce width and height by `factor` and enlarge again."""
    photo = Image.fromarray(pixels)
    small = (max(1, round(photo.width / factor)), max(1, round(photo.height / factor)))
    return np.asarray(
        photo.resize(small, Image.Resampling.BOX).resize(photo.size, Image.Resampling.BICUBIC)
    )


def tilted(pixels: UInt8Array, degrees: float, generator: Generator) -> UInt8Array:
    """Rotate to either side by `degrees`; corners become black."""
    angle = degrees * generator.choice((-1, 1))
    return np.asarray(Image.fromarray(pixels).rotate(angle, Image.Resampling.BICUBIC))


def centre_blurred(pixels: UInt8Array, radius: float, generator: Generator) -> UInt8Array:
    """Blur the middle, where the subject is taken to be: an ellipse of two thirds of the height and the width."""
    mask = _middle(pixels)
    return _rounded(blurred(pixels, radius, generator) * mask + pixels * (1 - mask))


def surroundings_blurred(pixels: UInt8Array, radius: float, generator: Generator) -> UInt8Array:
    """Blur all but the middle, as a wide aperture does; see `centre_blurred`."""
    mask = _middle(pixels)
    return _rounded(pixels * mask + blurred(pixels, radius, generator) * (1 - mask))


def grey(pixels: UInt8Array, generator: Generator) -> UInt8Array:
    """Return the photo without colour, by its luminance in linear light."""
    grey = _encoded(_linear(pixels) @ _LUMINANCE)
    return np.repeat(grey[..., None], 3, axis=2)


def mirrored(pixels: UInt8Array, generator: Generator) -> UInt8Array:
    """Mirror left and right."""
    return np.ascontiguousarray(pixels[:, ::-1])


def turned(pixels: UInt8Array, generator: Generator) -> UInt8Array:
    """Turn by 90 degrees, to either side."""
    return np.ascontiguousarray(np.rot90(pixels, generator.choice((-1, 1))))


def cropped(pixels: UInt8Array, generator: Generator) -> UInt8Array:
    """Cut out 92 % of the height and the width, anywhere."""
    height, width = (round(side * _KEPT_BY_CROP) for side in pixels.shape[:2])
    top = generator.integers(pixels.shape[0] - height + 1)
    left = generator.integers(pixels.shape[1] - width + 1)
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def trimmed(pixels: UInt8Array, generator: Generator) -> UInt8Array:
    """Cut off 1 to 15 rows below and as many columns on the right."""
    rows, columns = generator.integers(1, 16, 2)
    return np.ascontiguousarray(pixels[:-rows, :-columns])


def encoded_again(pixels: UInt8Array, generator: Generator) -> UInt8Array:
    """Compress as JPEG of quality 93, which is hardly seen."""
    return compressed(pixels, 93, generator)


def from_size(factor: float) -> Copy:
    """Return a copy that was enlarged, and reduced again as a photo of that size is before it is scored."""

    def resized(pixels: UInt8Array, generator: Generator) -> UInt8Array:
        photo = Image.fromarray(pixels)
        size = (max(1, round(photo.width * factor)), max(1, round(photo.height * factor)))
        larger = np.asarray(photo.resize(size, Image.Resampling.LANCZOS))
        return reduce_pixels(larger, max(pixels.shape[:2]), "lanczos")

    return resized


def to_side(longest_side: float) -> Copy:
    """Return a copy of so many pixels on its longest side, reduced as photos are before they are scored; smaller photos stay as they are."""

    def reduced(pixels: UInt8Array, generator: Generator) -> UInt8Array:
        return reduce_pixels(pixels, round(longest_side), "lanczos")

    return reduced


def _linear(pixels: UInt8Array) -> Float32Array:
    """Return linear light, 0 to 1, of sRGB pixels."""
    table = np.arange(256, dtype=np.float64) / 255
    light = np.where(table <= 0.04045, table / 12.92, ((table + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)[pixels]


def _encoded(light: Float32Array) -> UInt8Array:
    """Return sRGB pixels of linear light."""
    clipped = light.clip(0, 1)
    return _rounded(
        np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055) * 255
    )


def _rounded(values: Float32Array | Float64Array) -> UInt8Array:
    return np.round(values).clip(0, 255).astype(np.uint8)


def _normal(generator: Generator, shape: tuple[int, ...]) -> Float32Array:
    return generator.standard_normal(shape, dtype=np.float32)


def _middle(pixels: UInt8Array) -> Float32Array:
    """Weights (H, W, 1), 1 within the middle ellipse, with a soft edge."""
    height, width = pixels.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    inside = ((rows - height / 2) / (height * 0.32)) ** 2 + (
        (columns - width / 2) / (width * 0.32)
    ) ** 2 < 1
    edge = ImageFilter.GaussianBlur(max(height, width) / 40)
    soft = Image.fromarray(inside.astype(np.uint8) * np.uint8(255)).filter(edge)
    return np.asarray(soft, dtype=np.float32)[..., None] / np.float32(255)
