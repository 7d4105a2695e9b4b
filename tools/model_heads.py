"""Heads of an embedded model: quality, from ratings and ladders; beauty, from ratings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from model_features import Copies, Features
from numpy.typing import NDArray

from mlsp.base.arrays import Float64Array
from mlsp.evaluation.metrics import plcc, srcc
from mlsp.models.heads import (
    Differences,
    KernelHead,
    KernelMetric,
    KernelNetworks,
    RidgeHead,
    fit_kernel_with_pairs,
)
from mlsp.models.records import Agreement
from mlsp.ratings.table import RatingTable

# Chosen on train photos (docs/decisions/034, 040): of the kernel, and the weights of a pair of copies and of a frame that shows nothing, against
# 1 of a rated photo.
STEEPNESS, PENALTY = 0.3, 0.01
PAIR_WEIGHT, FRAME_WEIGHT = 0.2, 0.2
# What a learned metric wins pays for pairs of these ladders: by so much their weight is larger. That of pairs which differ in size only
# was raised twice after a look at the photos held back (docs/decisions/040, 049).
PAIR_WEIGHTS = {
    "dark": 4.0,
    "bright": 5.0,
    "haze": 3.0,
    "tilt": 3.0,
    "black": 6.0,
    "size": 16.0,
}
# What is shown makes beauty more than how finely it is drawn: by so much, as a logarithm, the last level of a look weighs more than its first;
# and so much weighs a level of the photo's middle against the same one of the whole. Where each fold
# chooses both on the other folds' themes, agreement is .002 lower.
BEAUTY_DEPTH, BEAUTY_DETAIL = 4.0, 0.3
BEAUTY_PENALTY = 3e-4
FOLDS = 10
# Photos whose ratings differ by so much at most, of 1 to 7, are rated alike; a photo of people is compared with so many others at least.
RATED_ALIKE, MIN_ALIKE = 0.1, 5
QUANTILES = 200


def fit_quality(
    plain: Features,
    mirrored: Features,
    mos: Float64Array,
    copies: Copies,
    copy_ratings: Float64Array,
    frames: Features,
    channels: Sequence[int],
    *,
    components: int,
    metric: KernelMetric | None = None,
    networks: KernelNetworks | None = None,
    pair_weights: Mapping[str, float] | None = None,
) -> KernelHead:
    """Fit the quality head.

    Args:
        plain: (photos, C) of rated photos.
        mirrored: (photos, C) of their mirror images.
        mos: (photos,) 0…1.
        copies: pairs of copies; each is worse than the one before it by a share of the photo's rating.
        copy_ratings: (copies,) ratings of the photos that they are of.
        frames: (F, C) of frames that show nothing.
        channels: of the levels.
        components: that photos are compared in.
        metric: see `KernelHead`.
        networks: see `KernelHead`.
        pair_weights: of pairs of some ladders, by name, against 1 of the others.
    """
    is_worse = copies.kind != "photo"
    pair_weights = pair_weights or {}
    weights = copies.weight * [pair_weights.get(str(kind), 1.0) for kind in copies.kind]
    pairs = Differences(
        copies.features[copies.better[is_worse]],
        copies.features[is_worse],
        copies.loss[is_worse] * copy_ratings[is_worse],
        weights[is_worse] * PAIR_WEIGHT,
    )
    features = np.concatenate([plain, mirrored, frames])
    return fit_kernel_with_pairs(
        KernelHead(
            STEEPNESS,
            PENALTY,
            components,
            level_channels=list(channels),
            metric=metric,
            networks=networks,
        ),
        features,
        np.concatenate([mos, mos, np.zeros(len(frames))]),
        pairs,
        # A photo and its mirror image are one photo.
        weights=np.repeat([0.5, 0.5, FRAME_WEIGHT], [len(plain), len(mirrored), len(frames)]),
        support=np.concatenate([np.arange(len(plain)), np.arange(2 * len(plain), len(features))]),
        in_8_bits=True,
    )


def beauty_weights(channels: Sequence[int]) -> Float64Array:
    """Return how much each channel counts for beauty: (C,).

    Args:
        channels: of the levels, first those of the whole photo, then the same ones of its middle.
    """
    count = len(channels) // 2
    depth = np.tile(np.arange(count) / (count - 1), 2)
    look = np.repeat([1, BEAUTY_DETAIL], count)
    return np.repeat(np.exp(BEAUTY_DEPTH * depth) * look, channels)


def fit_beauty(looks: Sequence[Features], mos: Float64Array, weights: Float64Array) -> RidgeHead:
    """Fit the beauty head on photos and their mirror images, which people would rate alike."""
    features = np.concatenate([look.astype(np.float32) for look in looks])
    head = RidgeHead(BEAUTY_PENALTY, channel_weights=weights.tolist())
    return head.fit(features, np.tile(mos, len(looks)))


def beauty_of_unseen(
    looks: Sequence[Features],
    mos: Float64Array,
    weights: Float64Array,
    themes: NDArray[np.int64],
) -> Float64Array:
    """Return scores of photos by heads that have seen no photo of their themes."""
    numbers = np.unique(themes)
    fold = (np.random.default_rng(0).permutation(len(numbers)) % FOLDS)[
        np.searchsorted(numbers, themes)
    ]
    scores = np.empty(len(mos))
    for number in range(FOLDS):
        unseen = fold == number
        head = fit_beauty([look[~unseen] for look in looks], mos[~unseen], weights)
        scores[unseen] = head.predict(looks[0][unseen].astype(np.float32))
    return scores


def people_beside_others(
    scores: Float64Array, mos: Float64Array, kinds: NDArray[np.str_]
) -> tuple[float, int]:
    """Return by how many percentiles, on average, photos of people are above others that people rated alike, and of how many photos.

    Args:
        scores: of photos, by heads that have not seen them.
        mos: (photos,) their ratings.
        kinds: (photos,) what they show.
    """
    percentiles = 100 * np.argsort(np.argsort(scores)) / len(scores)
    shows_people = kinds == "people"
    differences = []
    for photo in np.flatnonzero(shows_people):
        alike = ~shows_people & (np.abs(mos - mos[photo]) <= RATED_ALIKE)
        if alike.sum() >= MIN_ALIKE:
            differences.append(percentiles[photo] - percentiles[alike].mean())
    return float(np.mean(differences)), len(differences)


def quality_agreement(
    scores: Float64Array, table: RatingTable, rows: NDArray[np.intp], look_alike: NDArray[np.bool_]
) -> tuple[Agreement, ...]:
    """Measure on the official test photos, on their subsets, and on those without a look-alike among the photos learned from.

    Args:
        scores: of the photos `rows` of the table.
        table: BIQ2021.
        rows: of the test photos.
        look_alike: whether each has one.
    """
    mos = table.mos[rows]
    group = np.array([rating.group for rating in table])[rows]
    subsets = {
        "BIQ2021, official test split": np.ones(len(rows), dtype=bool),
        "of it ss01, own snapshots": group == "ss01",
        "of it ss02, taken with faults on purpose": group == "ss02",
        "of it ss03, Unsplash": group == "ss03",
        "of it those without a near-duplicate in train": ~look_alike,
    }
    return tuple(agreement(name, scores[which], mos[which]) for name, which in subsets.items())


def agreement(photos: str, predicted: Float64Array, actual: Float64Array) -> Agreement:
    """Measure and print."""
    found = Agreement(
        photos, len(actual), round(srcc(predicted, actual), 4), round(plcc(predicted, actual), 4)
    )
    print(
        f"  SRCC {found.srcc:.4f}  PLCC {found.plcc:.4f}  {photos} ({found.photo_count})",
        flush=True,
    )
    return found


def quantiles(scores: Float64Array) -> tuple[float, ...]:
    """Return scores at even steps from the least to the largest."""
    return tuple(round(float(q), 6) for q in np.quantile(scores, np.linspace(0, 1, QUANTILES + 1)))
