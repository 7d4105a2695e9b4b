"""How well two models predict one user, and how sure that is.

Numpy alone, since `mlsp.evaluation.metrics` and `mlsp.evaluation.intervals` need scipy, which a photographer's machine lacks. Comparisons would need their own
interval in any case: a photo is in several of them, and bootstrap groups cannot overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arrays import Float64Array
from mlsp.personal.records import Bounds, TasteAgreement
from mlsp.personal.settings import TasteSettings


def ratings_agreement(
    personal: Float64Array,
    default: Float64Array,
    ratings: Float64Array,
    groups: NDArray[np.intp],
    settings: TasteSettings,
) -> TasteAgreement:
    """Compare by Spearman's correlation, with intervals by drawing groups of photos (Efron's percentile bootstrap).

    Args:
        personal: (repeats, ratings) scores by models that had not seen the photo; the mean over the repeats is compared.
        default: (ratings,) of the default.
        ratings: (ratings,).
        groups: (ratings,) photos that are alike.
        settings: resamples, confidence and seed.
    """
    measures = [_DrawnRanks(scores, ratings) for scores in personal]
    other = _DrawnRanks(default, ratings)
    codes = np.unique(groups, return_inverse=True)[1]
    number = int(codes.max()) + 1
    rng = np.random.default_rng(settings.seed)

    def measured(counts: NDArray[np.intp]) -> tuple[float, float]:
        return float(np.mean([measure(counts) for measure in measures])), other(counts)

    drawn = np.array(
        [
            measured(np.bincount(rng.integers(0, number, number), minlength=number)[codes])
            for _ in range(settings.resamples)
        ]
    )
    first, second = measured(np.ones(len(ratings), dtype=np.intp))
    return TasteAgreement(
        "ratings",
        len(ratings),
        _percentiles(first, drawn[:, 0], settings.confidence),
        _percentiles(second, drawn[:, 1], settings.confidence),
        _percentiles(first - second, drawn[:, 0] - drawn[:, 1], settings.confidence),
        float(np.mean([_correlation(scores, ratings) for scores in personal])),
    )


def comparisons_agreement(
    personal: Float64Array,
    default: Float64Array,
    groups: NDArray[np.intp],
    settings: TasteSettings,
) -> TasteAgreement:
    """Compare by the share of comparisons that are right; even scores are half right.

    The intervals take into account that comparisons have photos in common (the dyadic cluster-robust variance of Aronow, Samii and
    Assenova, 2015), and count two more comparisons of each outcome, so that they are not 0 wide where all are right.

    Args:
        personal: (repeats, comparisons) score of the better photo less that of the worse one, by models that had not seen either.
        default: (comparisons,) likewise of the default.
        groups: (comparisons, 2) photos that are alike.
        settings: confidence.
    """
    mine = _right(personal).mean(axis=0)
    theirs = _right(default)
    return TasteAgreement(
        "comparisons",
        len(theirs),
        _mean_bounds(mine, groups, settings.confidence, (0.0, 1.0)),
        _mean_bounds(theirs, groups, settings.confidence, (0.0, 1.0)),
        _mean_bounds(mine - theirs, groups, settings.confidence, (-1.0, 1.0)),
    )


def is_better(agreements: Sequence[TasteAgreement]) -> bool:
    """Whether the personal model predicts the user convincingly better.

    Of ratings and comparisons those decide of which there are more, so that there is one chance to be convinced and not two; the others
    must not speak convincingly against it.
    """
    first, *others = sorted(agreements, key=lambda agreement: -agreement.count)
    return first.difference.low > 0 and not any(other.difference.high < 0 for other in others)


def _right(margins: Float64Array) -> Float64Array:
    return np.asarray((np.sign(margins) + 1) / 2, dtype=np.float64)


def _mean_bounds(
    values: Float64Array,
    groups: NDArray[np.intp],
    confidence: float,
    ends: tuple[float, float],
) -> Bounds:
    mean = float(values.mean())
    # As Agresti and Coull do for shares: four more, spread over the outcomes.
    count = len(values) + 4
    centre = float(values.sum() + 2 * sum(ends)) / count
    errors = values - centre
    ends_errors = 2 * sum((end - centre) ** 2 for end in ends)
    if ends[0] < 0:
        # Of a difference most are 0 where the models agree: the four are half that wide.
        ends_errors /= 2
    codes = np.unique(groups, return_inverse=True)[1].reshape(groups.shape)
    sums = np.zeros(int(codes.max()) + 1)
    same = codes[:, 0] == codes[:, 1]
    np.add.at(sums, codes[:, 0], errors)
    np.add.at(sums, codes[~same, 1], errors[~same])
    own = float((errors**2).sum())
    shared = float((sums**2).sum() - (errors[~same] ** 2).sum())
    # Where photos are shared by chance against each other, it can fall below what single comparisons would give.
    variance = float(max(shared, own) + ends_errors) / count**2
    width = NormalDist().inv_cdf((1 + confidence) / 2) * variance**0.5
    return Bounds(mean, max(centre - width, ends[0]), min(centre + width, ends[1]))


def _correlation(first: Float64Array, second: Float64Array) -> float:
    first, second = first - first.mean(), second - second.mean()
    norm = np.sqrt((first @ first) * (second @ second))
    return float(first @ second / norm) if norm > 0 else float("nan")


def _percentiles(value: float, drawn: Float64Array, confidence: float) -> Bounds:
    defined = drawn[np.isfinite(drawn)]
    if not len(defined) or not np.isfinite(value):
        return Bounds(value, float("nan"), float("nan"))
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Bounds(value, float(low), float(high))


class _DrawnRanks:
    """Spearman's correlation of drawn photos, ties by average ranks, without sorting them again."""

    def __init__(self, scores: Float64Array, ratings: Float64Array) -> None:
        self._codes = [np.unique(side, return_inverse=True)[1] for side in (scores, ratings)]

    def __call__(self, counts: NDArray[np.intp]) -> float:
        first, second = (_centred_ranks(codes, counts) for codes in self._codes)
        weighted = counts * first
        norm = np.sqrt((weighted @ first) * ((counts * second) @ second))
        return float(weighted @ second / norm) if norm > 0 else float("nan")


def _centred_ranks(codes: NDArray[np.intp], counts: NDArray[np.intp]) -> Float64Array:
    sharing = np.bincount(codes, weights=counts)
    up_to = np.cumsum(sharing)
    ranks = up_to - (sharing - 1) / 2
    return np.asarray((ranks - (up_to[-1] + 1) / 2)[codes])
