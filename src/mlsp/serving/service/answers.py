"""Answers of the service, as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus

from pydantic import BaseModel, Field

from mlsp.base.errors import (
    PhotoError,
    PhotoTooLargeError,
    PhotoTooSmallError,
    UnreadablePhotoError,
    UnsupportedPhotoError,
)
from mlsp.base.results import ScoreFailure
from mlsp.models.model import Model
from mlsp.models.records import ClassifierRecord
from mlsp.scoring.results import ScoreResult


class HeadScore(BaseModel):
    """Score of one head."""

    value: float = Field(description="On the scale of the ratings that the head learned from.")
    percentile: float | None = Field(
        description="Share of the rated photos that score lower, 0 to 100, of those of the same kind where the model tells kinds"
        " apart; null where the model has no percentiles, and of what is no photo."
    )


class Problem(BaseModel):
    """Error, for programs and for people."""

    kind: str = Field(description="For programs.")
    message: str = Field(description="For people.")


class ErrorAnswer(BaseModel):
    """Answer to a request that failed."""

    error: Problem


class PhotoScores(BaseModel):
    """Scores of a photo."""

    photo: str | None = Field(description="The name that was sent with it, if any.")
    overall: float | None = Field(
        description="Mean of the percentiles, 0 to 100; null of what is no photo."
    )
    scores: dict[str, HeadScore] = Field(description="By the head's name.")
    width: int = Field(description="Of the upright photo, in pixels.")
    height: int
    model: str
    kind: str | None = Field(
        description="The most probable kind; not_photo is never ranked. Null where the model tells no kinds apart."
    )
    kind_probabilities: dict[str, float] = Field(description="By kind; they add up to 1.")
    faults: list[str] = Field(
        description="Those that are probable enough to be shown, the most probable first."
    )
    fault_probabilities: dict[str, float] = Field(description="Of each fault, 0 to 1.")


class FailedPhoto(BaseModel):
    """Error of one photo of several."""

    photo: str | None
    error: Problem


class ScoresAnswer(BaseModel):
    """One result for each photo of a list, in its order."""

    results: list[PhotoScores | FailedPhoto]


class HeadAnswer(BaseModel):
    """A head of the model."""

    meaning: str
    lowest: float
    highest: float
    ratings: str


class LabelAnswer(BaseModel):
    """A fault or kind that the model finds."""

    meaning: str
    threshold: float | None = Field(
        description="Probability from which it is shown; null for a fault that never is."
    )
    precision: float | None
    measured_on: str


class ModelAnswer(BaseModel):
    """The model that scores."""

    name: str
    version: str
    fingerprint: str
    summary: str
    license: str
    limits: list[str]
    heads: dict[str, HeadAnswer]
    faults: dict[str, LabelAnswer]
    kinds: dict[str, LabelAnswer]


# Most special first.
_KINDS: tuple[tuple[type[PhotoError], HTTPStatus, str], ...] = (
    (PhotoTooSmallError, HTTPStatus.UNPROCESSABLE_ENTITY, "photo_too_small"),
    (PhotoTooLargeError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_many_pixels"),
    (UnsupportedPhotoError, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_photo"),
    (UnreadablePhotoError, HTTPStatus.UNPROCESSABLE_ENTITY, "unreadable_photo"),
    (PhotoError, HTTPStatus.INTERNAL_SERVER_ERROR, "not_scored"),
)


def problem(failed: ScoreFailure) -> tuple[HTTPStatus, Problem]:
    """Return status and error of a photo that could not be scored."""
    status, kind = next(
        (status, kind) for error, status, kind in _KINDS if isinstance(failed.error, error)
    )
    return status, Problem(kind=kind, message=str(failed.error))


def photo_scores(scored: ScoreResult, name: str | None, model: str) -> PhotoScores:
    """Return a photo's scores for JSON; NaN becomes null."""
    scores: Mapping[str, HeadScore] = {
        head: HeadScore(
            value=score.value,
            percentile=_number(scored.percentile(head)),
        )
        for head, score in scored.scores.items()
    }
    return PhotoScores(
        photo=name,
        overall=_number(scored.overall),
        scores=dict(scores),
        width=scored.width,
        height=scored.height,
        model=model,
        kind=scored.kind,
        kind_probabilities=dict(scored.kind_probabilities),
        faults=list(scored.faults),
        fault_probabilities=dict(scored.fault_probabilities),
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def model_answer(model: Model) -> ModelAnswer:
    """Return a model's card."""
    return ModelAnswer(
        name=model.name,
        version=model.version,
        fingerprint=model.fingerprint,
        summary=model.card.summary,
        license=model.card.license,
        limits=list(model.card.limits),
        heads={
            head.name: HeadAnswer(
                meaning=head.meaning, lowest=head.lowest, highest=head.highest, ratings=head.ratings
            )
            for head in model.heads
        },
        faults=_labels(model.classifier("faults")),
        kinds=_labels(model.classifier("kinds")),
    )


def _labels(classifier: ClassifierRecord | None) -> dict[str, LabelAnswer]:
    return {
        label.name: LabelAnswer(
            meaning=label.meaning,
            threshold=label.threshold,
            precision=label.precision,
            measured_on=label.measured_on,
        )
        for label in (classifier.labels if classifier is not None else ())
    }
