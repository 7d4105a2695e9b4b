"""Learn a taste from ratings and comparisons of photos."""

from __future__ import annotations

import importlib
from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import RatingsError, SettingsError
from mlsp.base.groups import join_groups
from mlsp.personal.agreement import comparisons_agreement, is_better, ratings_agreement
from mlsp.personal.components import Components, principal_components, similar_groups
from mlsp.personal.cross_validation import HeldOut, hold_out, observation_groups
from mlsp.personal.fitting import Observations, Utility, fit_utility
from mlsp.personal.linear_heads import LinearHead
from mlsp.personal.records import Taste, TasteAgreement
from mlsp.personal.settings import TasteSettings

# Minimum correlation of the standardised features of similar photos. In OASIS, crops, brighter copies and strong JPEG compression
# of a photo have .78 to .99, other photos at most .7, except for bare textures.
_SIMILAR = 0.8
_MIN_GROUPS = 10
_QUANTILES = 201
# Comparisons have no scale. So many standard deviations fit between its middle and its ends.
_DEVIATIONS = 2.5

Rows = NDArray[np.intp]


def learn_taste(
    features: Float32Array,
    *,
    prior: ArrayLike,
    ratings: tuple[ArrayLike, ArrayLike] | None = None,
    comparisons: tuple[ArrayLike, ArrayLike] | None = None,
    heads: Sequence[LinearHead] = (),
    groups: Sequence[Hashable] | None = None,
    settings: TasteSettings | None = None,
) -> Taste:
    """Learn what a user likes, and measure on left-out photos whether that predicts the user better than the default does.

    Args:
        features: narrow, (photos, C), not negative.
        prior: (photos, H) the default's percentiles, 0…100; their means over the heads are what the taste is compared with.
        ratings: rows of `features`, each at most once, and their stars.
        comparisons: rows of the better photos, and of the worse ones.
        heads: the default's heads, see `linear_heads`: they decide where judgements are few.
        groups: (photos,) photos of one group, a burst for example, are never on both sides of a fold. Photos with similar features
            belong together in any case.
        settings: see `TasteSettings`.

    Returns:
        The taste, in stars.

    Raises:
        RatingsError: there are too few judgements, all ratings are the same, or all photos are.
        SettingsError: shapes do not agree, a row or a number is out of range.
    """
    settings = settings or TasteSettings()
    with _one_thread():
        return _learned(features, prior, ratings, comparisons, heads, groups, settings)


def _learned(
    features: Float32Array,
    prior: ArrayLike,
    ratings: tuple[ArrayLike, ArrayLike] | None,
    comparisons: tuple[ArrayLike, ArrayLike] | None,
    heads: Sequence[LinearHead],
    groups: Sequence[Hashable] | None,
    settings: TasteSettings,
) -> Taste:
    percentiles = np.asarray(prior, dtype=np.float64)
    _check_features(features, percentiles, heads, groups)
    rows, stars = _checked_ratings(ratings, len(features), settings)
    better, worse = _checked_comparisons(comparisons, len(features))
    _check_enough(len(rows), stars, len(better), settings)
    used = np.unique(np.concatenate([rows, better, worse]))
    position = np.zeros(len(features), dtype=np.intp)
    position[used] = np.arange(len(used))
    mean, deviation = _scale(stars, settings)
    observations = Observations(
        position[rows], (stars - mean) / deviation, position[better], position[worse]
    )
    found = principal_components(features[used], count=settings.components, seed=settings.seed)
    joined = _joined_groups(found, None if groups is None else [groups[row] for row in used])
    _check_groups(joined)
    crowd = np.zeros((len(used), len(heads)))
    for column, head in enumerate(heads):
        crowd[:, column] = head.standardised(features[used])
    held_out = hold_out(found.photos, crowd, observations, joined, settings)
    overall = percentiles[used].mean(axis=1)
    agreement = _agreement(held_out, overall, observations, stars, joined, settings)
    utility = fit_utility(
        found.photos, crowd, observations, observation_groups(observations, joined)
    )
    values = utility.of(found.photos, crowd)
    offset = utility.bias
    if not len(rows):
        # Comparisons have no scale: the mean of the judged photos is its middle, and left-out scores spread over it.
        offset = -float(values.mean())
        deviation /= max(float(held_out.scores.std()), 1e-6)
    weights, bias = _folded(utility, found, heads)
    spread = held_out.scores - held_out.scores.mean() + values.mean() + offset
    return Taste(
        weights=deviation * weights,
        bias=mean + deviation * (bias + offset),
        lowest=settings.lowest,
        highest=settings.highest,
        quantiles=_quantiles(mean + deviation * spread, settings),
        photo_count=len(used),
        rating_count=len(rows),
        comparison_count=len(better),
        group_count=len(np.unique(joined)),
        uses_default=bool(heads),
        penalty=utility.penalty,
        agreement=agreement,
        is_better=is_better(agreement),
    )


def _agreement(
    held_out: HeldOut,
    overall: Float64Array,
    observations: Observations,
    stars: Float64Array,
    groups: Rows,
    settings: TasteSettings,
) -> tuple[TasteAgreement, ...]:
    found: list[TasteAgreement] = []
    # Two ratings have no meaningful correlation.
    if len(stars) > 2 and np.ptp(stars) > 0:
        rows = observations.rating_rows
        found.append(
            ratings_agreement(held_out.ratings, overall[rows], stars, groups[rows], settings)
        )
    if len(observations.better):
        pairs = np.stack([groups[observations.better], groups[observations.worse]], axis=1)
        margin = overall[observations.better] - overall[observations.worse]
        found.append(comparisons_agreement(held_out.margins, margin, pairs, settings))
    return tuple(found)


def _folded(
    utility: Utility, found: Components, heads: Sequence[LinearHead]
) -> tuple[Float64Array, float]:
    """Return the utility as weights of the signed square roots of features, and its bias."""
    weights = found.projection @ utility.components
    bias = -float(found.offset @ utility.components)
    for head, weight in zip(heads, utility.crowd, strict=True):
        weights = weights + head.weights * (weight / head.spread)
        bias += float(weight) * (head.bias - head.middle) / head.spread
    return weights, bias


def _scale(stars: Float64Array, settings: TasteSettings) -> tuple[float, float]:
    """Return the mean and the deviation by which ratings are standardised."""
    middle = (settings.lowest + settings.highest) / 2
    half = (settings.highest - settings.lowest) / 2
    if not len(stars):
        return middle, half / _DEVIATIONS
    # The deviation of very few ratings may be 0, beside many comparisons.
    return float(stars.mean()), max(float(stars.std()), half / 10)


def _joined_groups(found: Components, groups: Sequence[Hashable] | None) -> Rows:
    count = len(found.photos)
    joined = (
        np.arange(count) if found.similarity is None else similar_groups(found.similarity, _SIMILAR)
    )
    if groups is None:
        return joined
    first: dict[Hashable, int] = {}
    pairs = [(first.setdefault(name, row), row) for row, name in enumerate(groups)]
    return join_groups(joined, np.array(pairs, dtype=np.intp).reshape(-1, 2))


def _quantiles(scores: Float64Array, settings: TasteSettings) -> tuple[float, ...]:
    # More steps than photos would suggest a precision that is not there.
    steps = min(_QUANTILES, len(scores))
    clipped = np.clip(scores, settings.lowest, settings.highest)
    return tuple(np.quantile(clipped, np.linspace(0, 1, steps)).round(6).tolist())


def _check_features(
    features: Float32Array,
    percentiles: Float64Array,
    heads: Sequence[LinearHead],
    groups: Sequence[Hashable] | None,
) -> None:
    if features.ndim != 2 or percentiles.ndim != 2 or len(percentiles) != len(features):
        raise SettingsError(
            f"expected features (photos, C) and percentiles (photos, heads), got {features.shape} and {percentiles.shape}"
        )
    if not (np.isfinite(features).all() and np.isfinite(percentiles).all()):
        raise SettingsError("features and percentiles must be finite numbers")
    for head in heads:
        if len(head.weights) != features.shape[1]:
            raise SettingsError(
                f"the head {head.name!r} reads {len(head.weights)} channels, the features have {features.shape[1]}"
            )
    if groups is not None and len(groups) != len(features):
        raise SettingsError(
            f"expected a group for each of {len(features)} photos, got {len(groups)}"
        )


def _checked_ratings(
    ratings: tuple[ArrayLike, ArrayLike] | None, photos: int, settings: TasteSettings
) -> tuple[Rows, Float64Array]:
    if ratings is None:
        return np.zeros(0, dtype=np.intp), np.zeros(0)
    rows, stars = _rows(ratings[0], photos), np.asarray(ratings[1], dtype=np.float64)
    if rows.shape != stars.shape:
        raise SettingsError(
            f"expected a rating for each row, got {len(stars)} for {len(rows)} rows"
        )
    if len(np.unique(rows)) < len(rows):
        raise SettingsError("a photo is rated more than once: give its last rating")
    # Written so that NaN fails as well.
    if not ((stars >= settings.lowest) & (stars <= settings.highest)).all():
        raise SettingsError(
            f"ratings must lie between {settings.lowest:g} and {settings.highest:g}, got {stars.min():g} to {stars.max():g}"
        )
    return rows, stars


def _checked_comparisons(
    comparisons: tuple[ArrayLike, ArrayLike] | None, photos: int
) -> tuple[Rows, Rows]:
    if comparisons is None:
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
    better, worse = (_rows(side, photos) for side in comparisons)
    if better.shape != worse.shape:
        raise SettingsError(
            f"expected a worse photo for each better one, got {len(worse)} for {len(better)}"
        )
    if (better == worse).any():
        raise SettingsError("a photo cannot be compared with itself")
    return better, worse


def _rows(given: ArrayLike, photos: int) -> Rows:
    rows = np.asarray(given)
    if rows.size == 0:
        return np.zeros(0, dtype=np.intp)
    if rows.ndim != 1 or not np.issubdtype(rows.dtype, np.integer):
        raise SettingsError(f"expected numbers of photos, got {rows.dtype} of shape {rows.shape}")
    if rows.min() < 0 or rows.max() >= photos:
        raise SettingsError(
            f"expected rows 0 to {photos - 1}, got {rows.min()} to {rows.max()}: there are features of {photos} photos"
        )
    return rows.astype(np.intp)


def _check_enough(
    ratings: int, stars: Float64Array, comparisons: int, settings: TasteSettings
) -> None:
    if ratings + comparisons < settings.min_judgements:
        raise RatingsError(
            f"too little to learn from: {ratings} ratings and {comparisons} comparisons, at least {settings.min_judgements} together are"
            " needed. Rate or compare more photos"
        )
    if not comparisons and np.ptp(stars) == 0:
        raise RatingsError(
            f"all {ratings} ratings are {stars[0]:g}: what you like more and what less cannot be learned from them. Give different"
            " ratings, or compare photos"
        )


def _check_groups(groups: Rows) -> None:
    number = len(np.unique(groups))
    if number < _MIN_GROUPS:
        raise RatingsError(
            f"the {len(groups)} judged photos are of {number} kinds only, copies and shots of one burst counted once: at least"
            f" {_MIN_GROUPS} are needed to see whether a taste holds for other photos. Rate more different photos"
        )


def _one_thread() -> AbstractContextManager[Any]:
    """Limit numpy's linear algebra to one thread until the block ends, in the whole process, where threadpoolctl is installed.

    Its threads wait for each other at each of a thousand small steps: on two cores that scoring keeps busy, learning from 500 ratings
    took 25 seconds with two threads and 3 with one.
    """
    try:
        threadpoolctl = importlib.import_module("threadpoolctl")
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[Any] = threadpoolctl.threadpool_limits(limits=1, user_api="blas")
    return limits
