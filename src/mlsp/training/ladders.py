"""Ladders: copies of a photo that are known to be worse step by step, and copies that are known to be equal.

People rate photos as others took them; a head that learns from ratings alone need not notice that the *same* photo became
dark, noisy or hazy. `LADDERS` makes it worse in steps, `EQUAL_COPIES` leaves it as good as it was, `not_photos` are frames
without a subject. All take and return sRGB pixels, uint8 (H, W, 3), and draw what is random from the generator they are given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mlsp.base.arrays import Float64Array, UInt8Array
from mlsp.base.errors import RatingsError
from mlsp.ratings.table import RatingTable
from mlsp.training.degradations import (
    Copy,
    Degradation,
    banded,
    blurred,
    centre_blurred,
    compressed,
    cropped,
    encoded_again,
    enlarged,
    exposed,
    from_size,
    grey,
    hazy,
    mirrored,
    moved,
    oversharpened,
    surroundings_blurred,
    tilted,
    tinted,
    turned,
    with_coarse_noise,
    with_compressed_noise,
    with_grey_noise,
    with_noise,
    with_photon_noise,
)

_HELD_BACK = 40
_LEARNED = 120
_SEED = 2021


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


EQUAL_COPIES: Mapping[str, Copy] = {
    "grey": grey,
    "mirrored": mirrored,
    "turned": turned,
    "cropped": cropped,
    "encoded_again": encoded_again,
    "size_513": from_size(513 / 512),
    "size_700": from_size(700 / 512),
    "size_1000": from_size(1000 / 512),
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
