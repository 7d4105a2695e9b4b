"""Agreement of one model with people: by group, by score (calibration), and the most telling photos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import NormalDist

import numpy as np

from mlsp.base.arrays import Float64Array
from mlsp.evaluation.intervals import Interval, bootstrap_interval
from mlsp.evaluation.metrics import plcc, rmse, srcc
from mlsp.evaluation.records import (
    CalibrationBin,
    GroupResult,
    JudgedPhoto,
    ModelResult,
    Predictions,
    VoteResult,
)
from mlsp.evaluation.settings import EvaluationSettings
from mlsp.ratings.table import Rating, RatingTable

_CALIBRATION_BINS = 10
_PHOTOS_PER_BIN = 5


def model_result(
    source: Predictions,
    rated: RatingTable,
    scores: Float64Array,
    *,
    numbers: Mapping[str, Interval],
    groups: Mapping[str, list[int]],
    settings: EvaluationSettings,
    high_rated: int,
    votes: VoteResult | None,
) -> ModelResult:
    """Complete a model's numbers by what it does in each group, at each score and to which photos.

    Args:
        source: whose scores they are.
        rated: photos and ratings.
        scores: (photos,) in the same order.
        numbers: measured on all photos.
        groups: rows of the photos of each group.
        settings: of the intervals, and how many photos are shown.
        high_rated: of so many photos with the highest ratings the best and worst are taken.
        votes: how well it predicts their distribution, if it does.
    """
    mos = rated.mos
    photos = tuple(
        _judged(rating, float(score), source) for rating, score in zip(rated, scores, strict=True)
    )
    by_error = high_rated_by_error(photos, high_rated)
    largest = sorted(photos, key=lambda photo: -abs(photo.error))
    spread = scores - scores.mean()
    slope = float(spread @ mos / (spread @ spread)) if spread.any() else float("nan")
    return ModelResult(
        name=source.name,
        head=source.head,
        numbers=numbers,
        groups=tuple(
            _group_result(name, scores[rows], mos[rows], settings) for name, rows in groups.items()
        ),
        calibration=tuple(_calibration(scores, mos, settings.confidence)),
        slope=slope,
        intercept=float(mos.mean() - slope * scores.mean()),
        photos=photos,
        best=tuple(by_error[: settings.shown]),
        worst=tuple(by_error[::-1][: settings.shown]),
        largest_errors=tuple(largest[: settings.shown]),
        votes=votes,
    )


def high_rated_by_error(photos: Sequence[JudgedPhoto], count: int) -> list[JudgedPhoto]:
    """Return so many photos with the highest ratings, those with the smallest errors first."""
    highest = sorted(photos, key=lambda photo: -photo.rating)[:count]
    return sorted(highest, key=lambda photo: abs(photo.error))


def _judged(rating: Rating, score: float, source: Predictions) -> JudgedPhoto:
    votes = predicted = None
    if source.votes is not None and rating.votes is not None:
        total = sum(rating.votes)
        votes = tuple(vote / total for vote in rating.votes)
        predicted = source.votes[rating.photo_id]
    return JudgedPhoto(rating.photo_id, rating.photo, rating.mos, score, votes, predicted)


def _group_result(
    name: str, scores: Float64Array, mos: Float64Array, settings: EvaluationSettings
) -> GroupResult:
    return GroupResult(
        name=name,
        photos=len(mos),
        mean_rating=float(mos.mean()),
        mean_score=float(scores.mean()),
        srcc=bootstrap_interval(srcc, scores, mos, **settings.bootstrap()),
        plcc=plcc(scores, mos),
        rmse=rmse(scores, mos),
    )


def _calibration(
    scores: Float64Array, mos: Float64Array, confidence: float
) -> Iterator[CalibrationBin]:
    number = min(_CALIBRATION_BINS, max(1, len(scores) // _PHOTOS_PER_BIN))
    # Photos of one score stay in one bin, so there may be fewer.
    edges = np.unique(np.quantile(scores, np.arange(1, number) / number))
    bins = np.searchsorted(edges, scores, side="right")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    for index in np.unique(bins):
        inside, rated = scores[bins == index], mos[bins == index]
        half = z * rated.std(ddof=1) / np.sqrt(len(rated)) if len(rated) > 1 else float("nan")
        yield CalibrationBin(
            photos=len(rated),
            lowest=float(inside.min()),
            highest=float(inside.max()),
            mean_score=float(inside.mean()),
            mean_rating=float(rated.mean()),
            low=float(rated.mean() - half),
            high=float(rated.mean() + half),
        )
