"""The path every user takes: photos -> scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlsp.errors import PhotoError


@dataclass(frozen=True, slots=True)
class Score:
    """What one head says of a photo.

    Attributes:
        value: on the scale of the ratings that the head learned from.
        percentile: share of the rated photos whose score is lower, 0…100.
    """

    value: float
    percentile: float


@dataclass(frozen=True, slots=True)
class Scored:
    """A photo and its scores.

    Attributes:
        source: the photo.
        scores: one a head, by the head's name, in the model's order.
        width: of the upright photo, in pixels.
        height: likewise.
    """

    source: Path
    scores: Mapping[str, Score]
    width: int
    height: int

    @property
    def overall(self) -> float:
        """Mean of the heads' percentiles, 0…100."""
        return sum(score.percentile for score in self.scores.values()) / len(self.scores)


@dataclass(frozen=True, slots=True)
class Failed:
    """A photo that could not be scored.

    Attributes:
        source: the photo.
        error: why.
    """

    source: Path
    error: PhotoError
