"""Agreement of two models with one user, with confidence intervals.

Comparisons need their own interval: a photo is in several of them, and bootstrap groups cannot overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arrays import Float64Array
from mlsp.base.bootstrap import draws, percentile_interval
from mlsp.base.ranks import DrawnSpearman, correlation
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
        groups: (ratings,) group of each photo; similar photos have one group.
        settings: resamples, confidence and seed.
    """
    measures = [DrawnSpearman(scores, ratings) for scores in personal]
    other = DrawnSpearman(default, ratings)
    codes = np.unique(groups, return_inverse=True)[1]

    def measured(counts: NDArray[np.intp]) -> tuple[float, float]:
        return float(np.mean([measure(counts) for measure in measures])), other(counts)

    drawn = np.array(
        [
            measured(counts)
            for counts in draws(codes, resamples=settings.resamples, seed=settings.seed)
        ]
    )
    first, second = measured(np.ones(len(ratings), dtype=np.intp))
    return TasteAgreement(
        "ratings",
        len(ratings),
        _interval(first, drawn[:, 0], settings.confidence),
        _interval(second, drawn[:, 1], settings.confidence),
        _interval(first - second, drawn[:, 0] - drawn[:, 1], settings.confidence),
        float(np.mean([correlation(scores, ratings) for scores in personal])),
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
        default: (comparisons,) the same by the default.
        groups: (comparisons, 2) group of the better and of the worse photo.
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
    """Return whether the personal model predicts the user significantly better.

    Ratings decide or comparisons, whichever are more, so that there is one test and not two; the others must not be significantly
    worse.
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


def _interval(value: float, drawn: Float64Array, confidence: float) -> Bounds:
    return Bounds(value, *percentile_interval(drawn, value, confidence))
