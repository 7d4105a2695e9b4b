"""Ladders: copies of a photo that are known to be worse step by step, and copies that are known to be equal.

People rate photos as others took them; a head that learns from ratings alone need not notice that the *same* photo became
dark, noisy or hazy. `LADDERS` makes it worse in steps, `EQUAL_COPIES` leaves it as good as it was, `not_photos` are frames
without a subject. All take and return sRGB pixels, uint8 (H, W, 3), and draw what is random from the generator they are given.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mlsp.base.arrays import Float32Array, Float64Array, UInt8Array
from mlsp.base.errors import RatingsError
from mlsp.photos import reduce_pixels
from mlsp.ratings.table import RatingTable

Degradation: TypeAlias = Callable[[UInt8Array, float, Generator], UInt8Array]
Copy: TypeAlias = Callable[[UInt8Array, Generator], UInt8Array]

# Of a photo with detail to its edges, so that a crop or a smaller copy still shows all of it.
_KEPT_BY_CROP = 0.92
_HELD_BACK = 40
_LEARNED = 120
_SEED = 2021
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Ladder:
    """A way to make a photo worse in steps.

    Attributes:
        meaning: what the steps are, with their unit.
        steps: strengths, each worse than the one before.
        degrade: makes a copy of one strength.
        loss: share of a photo's rating that the last step costs; steps before it cost evenly less.
    """

    meaning: str
    steps: tuple[float, ...]
    degrade: Degradation
    loss: float = 0.7

    def copies(self, pixels: UInt8Array, generator: Generator) -> Iterator[UInt8Array]:
        """Yield a copy of each step, each made from the photo itself, with noise or a direction of its own."""
        for step in self.steps:
            yield self.degrade(pixels, step, generator)


@dataclass(frozen=True, slots=True)
class LadderPhotos:
    """Which rated photos ladders are made of, as indices into the table.

    Attributes:
        learned: those that a head learns from.
        held_back: those that only measure it, and are in no fit at all.
    """

    learned: NDArray[np.intp]
    held_back: NDArray[np.intp]


def ladder_photos(table: RatingTable, *, group: str, min_rating: float) -> LadderPhotos:
    """Choose good photos of the train split by a fixed seed: 40 to measure by, 120 to learn from.

    Args:
        table: has the published split.
        group: photos of this group are chosen from.
        min_rating: they are rated so high or higher: a copy of a bad photo need not be worse.

    Raises:
        RatingsError: fewer photos are as good.
    """
    good = [
        index
        for index, rating in enumerate(table)
        if rating.split == "train" and rating.group == group and rating.mos >= min_rating
    ]
    needed = _HELD_BACK + _LEARNED
    if len(good) < needed:
        raise RatingsError(
            f"{table.name}: {len(good)} train photos of {group!r} are rated {min_rating:g} or higher, ladders need {needed}"
        )
    drawn = np.random.default_rng(_SEED).permutation(np.array(good, dtype=np.intp))
    return LadderPhotos(drawn[_HELD_BACK:needed], drawn[:_HELD_BACK])


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


LADDERS: Mapping[str, Ladder] = {
    "dark": Ladder("exposure, EV", (-1, -2, -3, -4), exposed),
    "bright": Ladder("exposure, EV", (1, 2, 3, 4), exposed, loss=0.95),
    "noise": Ladder("coloured noise, sigma of 255", (6, 12, 24, 48), with_noise),
    "grey_noise": Ladder("grey noise, sigma of 255", (6, 12, 24, 48), with_grey_noise),
    "coarse_noise": Ladder("noise of two pixels, sigma of 255", (5, 10, 20, 40), with_coarse_noise),
    "photon_noise": Ladder(
        "photon noise, sigma of 255 at white", (8, 16, 32, 64), with_photon_noise
    ),
    "compressed_noise": Ladder("noise before JPEG, sigma", (6, 12, 24, 48), with_compressed_noise),
    "haze": Ladder("share of grey", (0.25, 0.45, 0.65, 0.8), hazy),
    "blur": Ladder("Gaussian, pixels", (0.8, 1.6, 3.2, 6.4), blurred),
    "motion": Ladder("line, pixels", (4, 8, 16, 32), moved),
    "jpeg": Ladder("JPEG quality", (40, 20, 10, 5), compressed),
    "colour_cast": Ladder("white balance, EV", (0.5, 1, 1.5, 2.2), tinted, loss=0.4),
    "banding": Ladder("tones", (24, 12, 7, 4), banded, loss=0.6),
    "oversharpening": Ladder("amount", (1.5, 3, 6, 10), oversharpened, loss=0.4),
    "enlarging": Ladder("factor", (1.6, 2.4, 3.6, 5.5), enlarged),
    "tilt": Ladder("degrees", (3, 8), tilted, loss=0.15),
    "centre_blur": Ladder("Gaussian, pixels", (1.5, 3, 6), centre_blurred),
    "surroundings_blur": Ladder("Gaussian, pixels", (1.5, 3, 6), surroundings_blurred, loss=0.05),
}


def _grey(pixels: UInt8Array, generator: Generator) -> UInt8Array:
    grey = _encoded(_linear(pixels) @ _LUMINANCE)
    return np.repeat(grey[..., None], 3, axis=2)


def _mirrored(pixels: UInt8Array, generator: Generator) -> UInt8Array:
    return np.ascontiguousarray(pixels[:, ::-1])


def _turned(pixels: UInt8Array, generator: Generator) -> UInt8Array:
    return np.ascontiguousarray(np.rot90(pixels, generator.choice((-1, 1))))


def _cropped(pixels: UInt8Array, generator: Generator) -> UInt8Array:
    height, width = (round(side * _KEPT_BY_CROP) for side in pixels.shape[:2])
    top = generator.integers(pixels.shape[0] - height + 1)
    left = generator.integers(pixels.shape[1] - width + 1)
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def _encoded_again(pixels: UInt8Array, generator: Generator) -> UInt8Array:
    return compressed(pixels, 93, generator)


def _from_size(factor: float) -> Copy:
    """Return a copy that was enlarged, and reduced again as a photo of that size is before it is scored."""

    def resized(pixels: UInt8Array, generator: Generator) -> UInt8Array:
        photo = Image.fromarray(pixels)
        size = (max(1, round(photo.width * factor)), max(1, round(photo.height * factor)))
        larger = np.asarray(photo.resize(size, Image.Resampling.LANCZOS))
        return reduce_pixels(larger, max(pixels.shape[:2]))

    return resized


EQUAL_COPIES: Mapping[str, Copy] = {
    "grey": _grey,
    "mirrored": _mirrored,
    "turned": _turned,
    "cropped": _cropped,
    "encoded_again": _encoded_again,
    "size_513": _from_size(513 / 512),
    "size_700": _from_size(700 / 512),
    "size_1000": _from_size(1000 / 512),
}


@dataclass(frozen=True, slots=True)
class Copies:
    """A photo, its copies, and pairs of them of which one is better.

    Attributes:
        pixels: the photo itself first.
        better: index of each pair's better one, (pairs,).
        worse: index of the other.
        margins: by how much the better one's rating is higher, (pairs,); 0 for a photo and an equal copy.
    """

    pixels: tuple[UInt8Array, ...]
    better: NDArray[np.intp]
    worse: NDArray[np.intp]
    margins: Float64Array


def learning_copies(pixels: UInt8Array, rating: float, number: int, generator: Generator) -> Copies:
    """Make the copies of one photo that a head learns from.

    Args:
        pixels: the photo.
        rating: of it, above the lowest of the scale, which a loss is a share of.
        number: of the photo; those of even and of odd number take turns, each climbs down every other ladder.
        generator: decides what is random.

    Returns:
        Each step as better than the next one, and equal copies as equal.
    """
    made = [pixels]
    pairs: list[tuple[int, int, float]] = []
    for turn, ladder in enumerate(LADDERS.values()):
        if (number + turn) % 2:
            continue
        better = 0
        for copy in ladder.copies(pixels, generator):
            pairs.append((better, len(made), rating * ladder.loss / len(ladder.steps)))
            better = len(made)
            made.append(copy)
    for equal in EQUAL_COPIES.values():
        pairs.append((0, len(made), 0.0))
        made.append(equal(pixels, generator))
    indices = np.array([pair[:2] for pair in pairs], dtype=np.intp)
    margins = np.array([margin for _, _, margin in pairs])
    return Copies(tuple(made), indices[:, 0], indices[:, 1], margins)


def not_photos(count: int, side: int, generator: Generator) -> Iterator[UInt8Array]:
    """Yield `count` square frames that show nothing: even colours (black and white among them) and noise of several grains."""
    for number in range(count):
        colour = np.full((side, side, 3), generator.integers(0, 256, 3), dtype=np.uint8)
        match number % 4:
            case 0:
                yield np.full_like(colour, (0, 255, 128, 16)[number // 4 % 4])
            case 1:
                yield colour
            case 2:
                grain = int(2 ** generator.integers(0, 4))
                noise = generator.integers(
                    0, 256, (side // grain, side // grain, 3), dtype=np.uint8
                )
                yield noise.repeat(grain, axis=0).repeat(grain, axis=1)
            case _:
                yield with_noise(colour, generator.uniform(10, 100), generator)


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
