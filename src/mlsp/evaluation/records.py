"""Records of an evaluation: its inputs and its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlsp.evaluation.intervals import Interval, PairedDifference


@dataclass(frozen=True, slots=True)
class Unscored:
    """A rated photo without a score.

    Attributes:
        photo_id: its name in the ratings.
        reason: why it has none.
    """

    photo_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Predictions:
    """A model's scores of rated photos.

    Attributes:
        name: of the model, or of the file with its scores.
        head: whose scores they are.
        scores: by the photos' names in the ratings.
        unscored: rated photos without a score.
        scale: ends of the scale of the ratings that the head learned from; None where it is not known.
        learned_from: which ratings these are; None where it is not known.
        votes: shares of the votes for each of the ratings' bins, by the photos' names, for all that have scores; None where the model
            predicts scores only.
    """

    name: str
    head: str
    scores: Mapping[str, float]
    unscored: tuple[Unscored, ...] = ()
    scale: tuple[float, float] | None = None
    learned_from: str | None = None
    votes: Mapping[str, tuple[float, ...]] | None = None


@dataclass(frozen=True, slots=True)
class JudgedPhoto:
    """A photo that people and a model judged.

    Attributes:
        photo_id: its name in the ratings.
        photo: its file, which may be missing where scores came from a table.
        rating: people's mean.
        score: the model's.
        votes: people's, as shares of the bins; None where the model predicts none, or only the mean is known.
        predicted_votes: the model's shares of the bins; None as for `votes`.
    """

    photo_id: str
    photo: Path
    rating: float
    score: float
    votes: tuple[float, ...] | None = None
    predicted_votes: tuple[float, ...] | None = None

    @property
    def error(self) -> float:
        """Score minus rating: positive where the model likes it more than people."""
        return self.score - self.rating


@dataclass(frozen=True, slots=True)
class GroupResult:
    """Agreement within the photos of one group.

    Attributes:
        name: of the group.
        photos: how many.
        mean_rating: of people.
        mean_score: of the model.
        srcc: with its interval; NaN where scores or ratings are all alike.
        plcc: without an interval; NaN as for `srcc`.
        rmse: in the ratings' unit.
    """

    name: str
    photos: int
    mean_rating: float
    mean_score: float
    srcc: Interval
    plcc: float
    rmse: float


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Photos with similar scores, and what people gave them.

    Attributes:
        photos: how many.
        lowest: lowest score of them.
        highest: highest score of them.
        mean_score: of the model.
        mean_rating: of people: the same where the model is calibrated.
        low: lower end of the mean rating's interval, two-sided, by the normal approximation.
        high: upper end of it.
    """

    photos: int
    lowest: float
    highest: float
    mean_score: float
    mean_rating: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class VoteResult:
    """People's votes and a model's predictions of them, over all photos.

    Attributes:
        bins: ratings that people could give, ascending.
        actual: mean share of each bin in people's votes; each photo counts the same.
        predicted: mean share of each bin in the model's votes.
        actual_spread: mean over the photos of the standard deviation of people's votes, in the ratings' unit.
        predicted_spread: the same of the model's votes.
        numbers: `emd_1` and `emd_2`, the earth mover's distance with power 1 and 2, 0…1; `spread_srcc` and `spread_plcc`, correlations
            of the votes' standard deviations. With intervals.
        baseline: `emd_1` and `emd_2` of predicting `actual` for every photo.
    """

    bins: tuple[float, ...]
    actual: tuple[float, ...]
    predicted: tuple[float, ...]
    actual_spread: float
    predicted_spread: float
    numbers: Mapping[str, Interval]
    baseline: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class ModelResult:
    """Agreement of one model with people.

    Attributes:
        name: of the model, or of the file with its scores.
        head: whose scores were evaluated.
        numbers: one for each of `MEASURES`, with its interval.
        groups: the groups with at least 10 photos, the largest 100 of them, largest first; empty where groups are not known.
        calibration: in tenths of the photos by score, lowest first; fewer where there are few photos or ties.
        slope: of the straight line that predicts ratings from scores; 1 where the model is calibrated. NaN where scores are all alike.
        intercept: of that line; 0 where calibrated.
        photos: all of them, in the ratings' order.
        best: of the `high_rated` photos with the highest ratings, those with the smallest errors, smallest first (the paper's Fig. 8).
        worst: of the same, those with the largest errors, largest first (Fig. 9).
        largest_errors: of all photos, those with the largest errors.
        votes: how well the model predicts the distribution of votes; None where it predicts none or only means are known.
    """

    name: str
    head: str
    numbers: Mapping[str, Interval]
    groups: tuple[GroupResult, ...]
    calibration: tuple[CalibrationBin, ...]
    slope: float
    intercept: float
    photos: tuple[JudgedPhoto, ...]
    best: tuple[JudgedPhoto, ...]
    worst: tuple[JudgedPhoto, ...]
    largest_errors: tuple[JudgedPhoto, ...]
    votes: VoteResult | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Agreement with people of one model, or of two on the same photos.

    Attributes:
        ratings: name of the rating table.
        split: which part of it: `train`, `validation`, `test` or `all`.
        photo_count: photos that were evaluated.
        lowest: end of the ratings' scale.
        highest: other end of it.
        threshold: ratings and scores above it count as high for the accuracies.
        baseline: accuracy of giving every photo the class of the majority.
        confidence: of all intervals.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        drawn: what the bootstrap draws, `photos` or `groups`.
        group_column: what the groups are; None where there are none.
        small_groups: how many groups had too few photos to be measured, or were beyond the 100 largest.
        high_rated: how many photos with the highest ratings `best` and `worst` are taken from.
        models: one or two.
        comparison: first model minus second, for each of the numbers, those of the votes too where both predict them; None for one model.
        unscored: rated photos without a score of every model; they are in none of the numbers.
        notes: what to know before believing the numbers, each a sentence.
    """

    ratings: str
    split: str
    photo_count: int
    lowest: float
    highest: float
    threshold: float
    baseline: Interval
    confidence: float
    resamples: int
    seed: int
    drawn: str
    group_column: str | None
    small_groups: int
    high_rated: int
    models: tuple[ModelResult, ...]
    comparison: Mapping[str, PairedDifference] | None
    unscored: tuple[Unscored, ...]
    notes: tuple[str, ...]
