"""What a model says of a photo."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Score:
    """What one head says of a photo.

    Attributes:
        value: on the scale of the ratings that the head learned from.
        percentile: share of the rated photos whose score is lower, 0…100; NaN where the model does not know of them.
        place: where the value lies on the scale: 0 at its lowest end, 100 at its highest.
    """

    value: float
    percentile: float
    place: float = math.nan


@dataclass(frozen=True, slots=True)
class Scored:
    """A photo and its scores.

    Attributes:
        source: the photo.
        scores: one a head, by the head's name, in the model's order.
        width: of the upright photo, in pixels.
        height: likewise.
        content_sha256: of the file, in hexadecimal digits.
    """

    source: Path
    scores: Mapping[str, Score]
    width: int
    height: int
    content_sha256: str = ""

    @property
    def overall(self) -> float:
        """Mean of the heads' percentiles, 0…100; for a head without percentiles its score's place on the scale counts."""
        shares = [
            score.place if math.isnan(score.percentile) else score.percentile
            for score in self.scores.values()
        ]
        return sum(shares) / len(shares)
