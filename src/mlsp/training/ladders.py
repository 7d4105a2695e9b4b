"""Ladders: copies of a photo that are known to be worse step by step, and copies that are known to be equal.

People rate photos as others took them; a head that learns from ratings alone need not notice that the *same* photo became
dark, noisy or hazy. `LADDERS` makes it worse in steps, `EQUAL_COPIES` leaves it as good as it was, `not_photos` are frames
without a subject. All take and return sRGB pixels, uint8 (H, W, 3), and draw what is random from the generator they are given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mlsp.base.arrays import UInt8Array
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
    to_side,
    trimmed,
    turned,
    with_coarse_noise,
    with_compressed_noise,
    with_grey_noise,
    with_noise,
    with_photon_noise,
)

_HELD_BACK = 40
_LEARNED = 450
_FAIR = 2 / 3
_SEED = 2021


@dataclass(frozen=True, slots=True)
class Ladder:
    """A way to make a photo worse in steps.

    Attributes:
        meaning: what the steps are, with their unit.
        steps: strengths, each worse than the one before.
        degrade: makes a copy of one strength.
        loss: share of a photo's rating that the last step costs; steps before it cost evenly less.
        weight: of a pair of its steps, against 1 of most ladders.
        spread: by how much the strengths that are learned from vary, as a power of two; in EV where `is_exposure`.
        is_exposure: steps are added to, not multiplied.
        limits: of the strengths.
    """

    meaning: str
    steps: tuple[float, ...]
    degrade: Degradation
    loss: float = 0.5
    weight: float = 1.0
    spread: float = 0.3
    is_exposure: bool = False
    limits: tuple[float, float] = (-math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class LadderPhotos:
    """Which rated photos ladders are made of, as indices into the table.

    Attributes:
        learned: those that a head learns from.
        held_back: those that only measure it, and are in no fit at all.
    """

    learned: NDArray[np.intp]
    held_back: NDArray[np.intp]


def ladder_photos(
    table: RatingTable, *, group: str, min_rating: float, look_alikes: NDArray[np.int64]
) -> LadderPhotos:
    """Choose photos of the train split by a fixed seed: 40 good ones to measure by, 450 to learn from.

    Args:
        table: has the published split.
        group: those that measure are of this group.
        min_rating: they are rated so high or higher, the others not below two thirds of it: a copy of a bad photo need not be worse.
        look_alikes: (photos,) numbers, the same for photos that look alike; no look-alike of one that measures is learned from.

    Raises:
        RatingsError: fewer photos are as good.
    """
    mos = table.mos
    is_train = np.array([rating.split == "train" for rating in table])
    of_group = np.array([rating.group == group for rating in table])
    good = np.flatnonzero(is_train & of_group & (mos >= min_rating))
    held_back = np.random.default_rng(_SEED).permutation(good)[:_HELD_BACK]
    fair = is_train & (mos >= min_rating * _FAIR) & ~np.isin(look_alikes, look_alikes[held_back])
    learned = np.random.default_rng(_SEED).permutation(np.flatnonzero(fair))[:_LEARNED]
    if len(held_back) < _HELD_BACK or len(learned) < _LEARNED:
        raise RatingsError(
            f"{table.name}: {len(good)} train photos of {group!r} are rated {min_rating:g} or higher, and {fair.sum()} others"
            f" {min_rating * _FAIR:g}: ladders need {_HELD_BACK} and {_LEARNED}"
        )
    return LadderPhotos(learned, held_back)


LADDERS: Mapping[str, Ladder] = {
    "dark": Ladder(
        "exposure, EV", (-1, -2, -3, -4), exposed, 0.55, 5, spread=0.35, is_exposure=True
    ),
    "bright": Ladder("exposure, EV", (1, 2, 3, 4), exposed, 0.55, 3, spread=0.35, is_exposure=True),
    "noise": Ladder("coloured noise, sigma of 255", (6, 12, 24, 48), with_noise),
    "grey_noise": Ladder("grey noise, sigma of 255", (6, 12, 24, 48), with_grey_noise, 0.45),
    "coarse_noise": Ladder("noise of two pixels, sigma of 255", (5, 10, 20, 40), with_coarse_noise),
    "photon_noise": Ladder(
        "photon noise, sigma of 255 at white", (8, 16, 32, 64), with_photon_noise
    ),
    "compressed_noise": Ladder("noise before JPEG, sigma", (6, 12, 24, 48), with_compressed_noise),
    "haze": Ladder(
        "share of grey", (0.25, 0.45, 0.65, 0.8), hazy, 0.5, 5, spread=0.15, limits=(0, 0.9)
    ),
    "blur": Ladder("Gaussian, pixels", (0.8, 1.6, 3.2, 6.4), blurred, 0.65),
    "motion": Ladder("line, pixels", (4, 8, 16, 32), moved, 0.6),
    "jpeg": Ladder("JPEG quality", (40, 20, 10, 5), compressed, 0.6, limits=(2, 100)),
    "colour_cast": Ladder("white balance, EV", (0.5, 1, 1.5, 2.2), tinted, 0.25, 2),
    "banding": Ladder("tones", (24, 12, 7, 4), banded, 0.35, limits=(3, 256)),
    "oversharpening": Ladder("amount", (1.5, 3, 6, 10), oversharpened, 0.25, 3),
    "enlarging": Ladder("factor", (1.6, 2.4, 3.6, 5.5), enlarged, 0.6, limits=(1.3, math.inf)),
    "tilt": Ladder("degrees", (3, 8), tilted, 0.12, spread=0.4),
    "centre_blur": Ladder("Gaussian, pixels", (1.5, 3, 6), centre_blurred),
    "surroundings_blur": Ladder("Gaussian, pixels", (1.5, 3, 6), surroundings_blurred, 0.03),
}
# Copies of some photos so dark that nothing is seen, in EV; share of the rating that they cost, and weight.
_BLACK = (-5.0, -6.0, -7.0)
_BLACK_LOSS, _BLACK_WEIGHT = 0.6, 0.3
_EQUAL_WEIGHTS = {"grey": 2.0, "size": 2.0, "small": 2.0}
# Longest sides of small copies, in pixels: one from each range.
_SMALL_SIDES = ((256, 310), (310, 400), (400, 500))


EQUAL_COPIES: Mapping[str, Copy] = {
    "grey": grey,
    "mirrored": mirrored,
    "turned": turned,
    "cropped": cropped,
    "encoded_again": encoded_again,
    "trimmed": trimmed,
    "size_513": from_size(513 / 512),
    "size_700": from_size(700 / 512),
    "size_1000": from_size(1000 / 512),
    "size_2000": from_size(2000 / 512),
    "size_8000": from_size(8000 / 512),
}


@dataclass(frozen=True, slots=True)
class LearnedCopy:
    """A copy that a head learns from, as the worse one of a pair.

    Attributes:
        kind: name of its ladder; `black`; or of an equal copy `grey`, `mirrored`, `turned`, `cropped`, `encoded_again`, `size`
            (larger, then reduced to the photo's own) or `small`.
        step: 1 for the first of its ladder, and for black; 0 for an equal copy.
        strength: in the ladder's unit.
        pixels: of the copy.
        loss: share of the photo's rating that it costs against the one before it on its ladder; against the photo itself for the first
            one, for black and for equal copies.
        weight: of the pair.
    """

    kind: str
    step: int
    strength: float
    pixels: UInt8Array
    loss: float
    weight: float


def learned_copies(pixels: UInt8Array, number: int, generator: Generator) -> Iterator[LearnedCopy]:
    """Make the copies of one photo that a head learns from, of strengths around the ladders' steps.

    Args:
        pixels: the photo.
        number: of the photo; those of even and of odd number take turns, each climbs down every other ladder.
        generator: decides what is random.

    Yields:
        Steps of each ladder from the least to the last, then equal copies.
    """
    for turn, (name, ladder) in enumerate(LADDERS.items()):
        if (number + turn) % 2:
            continue
        # All steps of a photo with one seed: a tint or a motion in one direction, haze of one grey.
        seed = int(generator.integers(1 << 30))
        for step, strength in enumerate(ladder.steps, 1):
            varied = generator.uniform(-ladder.spread, ladder.spread)
            if ladder.is_exposure:
                strength += varied
            else:
                strength = float(np.clip(strength * 2**varied, *ladder.limits))
            copy = ladder.degrade(pixels, strength, np.random.default_rng(seed))
            loss = ladder.loss / len(ladder.steps)
            yield LearnedCopy(name, step, strength, copy, loss, ladder.weight)
    if number % 2 == 0:
        for strength in _BLACK:
            copy = exposed(pixels, strength, generator)
            yield LearnedCopy("black", 1, strength, copy, _BLACK_LOSS, _BLACK_WEIGHT)
    longest = max(pixels.shape[:2])
    just_larger, larger = (
        longest + 1 + 80 * generator.random(),
        longest * 2 ** (2 * generator.random()),
    )
    equal: list[tuple[str, Copy]] = [
        ("grey", grey),
        ("grey", lambda photo, generator: grey(mirrored(photo, generator), generator)),
        ("mirrored", mirrored),
        ("turned", turned),
        ("cropped", cropped),
        ("encoded_again", encoded_again),
        ("size", from_size(just_larger / longest)),
        ("size", from_size(larger / longest)),
        *(("small", to_side(generator.uniform(*sides))) for sides in _SMALL_SIDES),
    ]
    for name, copy_of in equal:
        weight = _EQUAL_WEIGHTS.get(name, 1.0)
        yield LearnedCopy(name, 0, 0.0, copy_of(pixels, generator), 0.0, weight)


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
