"""Heads of an embedded model: quality, from ratings and ladders; beauty, from ratings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from model_features import Copies, Features
from numpy.typing import NDArray

from mlsp.base.arrays import Float64Array
from mlsp.evaluation.metrics import plcc, srcc
from mlsp.models.heads import Differences, KernelHead, RidgeHead, fit_kernel_with_pairs
from mlsp.models.records import Agreement
from mlsp.ratings.table import RatingTable

# Chosen on train photos (docs/decisions/034): of the kernel, and the weights of a pair of copies and of a frame that shows nothing, against
# 1 of a rated photo.
STEEPNESS, PENALTY = 0.3, 0.01
PAIR_WEIGHT, FRAME_WEIGHT = 0.2, 0.2
BEAUTY_PENALTY = 3e-4
FOLDS = 10
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
    """
    is_worse = copies.kind != "photo"
    pairs = Differences(
        copies.features[copies.better[is_worse]],
        copies.features[is_worse],
        copies.loss[is_worse] * copy_ratings[is_worse],
        copies.weight[is_worse] * PAIR_WEIGHT,
    )
    features = np.concatenate([plain, mirrored, frames])
    return fit_kernel_with_pairs(
        KernelHead(STEEPNESS, PENALTY, components, level_channels=list(channels)),
        features,
        np.concatenate([mos, mos, np.zeros(len(frames))]),
        pairs,
        # A photo and its mirror image are one photo.
        weights=np.repeat([0.5, 0.5, FRAME_WEIGHT], [len(plain), len(mirrored), len(frames)]),
        support=np.concatenate([np.arange(len(plain)), np.arange(2 * len(plain), len(features))]),
        in_8_bits=True,
    )


def fit_beauty(looks: Sequence[Features], mos: Float64Array) -> RidgeHead:
    """Fit the beauty head on photos, their mirror images and crops, which people would rate alike."""
    features = np.concatenate([look.astype(np.float32) for look in looks])
    return RidgeHead(BEAUTY_PENALTY).fit(features, np.tile(mos, len(looks)))


def beauty_of_unseen(
    looks: Sequence[Features], mos: Float64Array, themes: NDArray[np.int64]
) -> Float64Array:
    """Return scores of photos by heads that have seen no photo of their themes."""
    numbers = np.unique(themes)
    fold = (np.random.default_rng(0).permutation(len(numbers)) % FOLDS)[
        np.searchsorted(numbers, themes)
    ]
    scores = np.empty(len(mos))
    for number in range(FOLDS):
        unseen = fold == number
        head = fit_beauty([look[~unseen] for look in looks], mos[~unseen])
        scores[unseen] = head.predict(looks[0][unseen].astype(np.float32))
    return scores


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
