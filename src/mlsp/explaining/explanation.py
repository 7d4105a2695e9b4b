"""The record of an explanation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlsp.base.arrays import Float32Array
from mlsp.scoring.results import Score


@dataclass(frozen=True, slots=True)
class LevelShare:
    """The share of one level of the network in the contributions.

    Attributes:
        name: of the level, the shallowest first.
        rows: of its map.
        columns: of its map.
        raised: sum of the contributions above the level's mean, in units of the score; those below have the same sum.
    """

    name: str
    rows: int
    columns: int
    raised: float


@dataclass(frozen=True, slots=True)
class Reason:
    """A fault of a photo, in words.

    Attributes:
        fault: its name.
        meaning: "the subject is out of focus".
        probability: that the photo has it, 0…1.
    """

    fault: str
    meaning: str
    probability: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Contributions that raised and lowered one score of a photo.

    Attributes:
        source: the photo.
        head: name of the head.
        meaning: what a high score means, in a few words.
        score: as `mlsp score` gives it.
        value: of the score before it was clipped to the scale.
        average: score of the average rated photo, the reference of the contributions.
        contributions: (h, w), of the upright photo from top left to bottom right, in units of the score; they add up to
            `value - average`.
        levels: share of each level; empty where the head is not linear.
        is_linear: whether the head is linear in the features or their square roots, so that `contributions` has the maps'
            resolution; else they were computed cell by cell.
        width: of the upright photo, in pixels.
        height: of the upright photo, in pixels.
        reasons: faults of the photo that are probable enough to be shown, the most probable first, the same for each head; empty where
            it has none, None where the model finds no faults.
        kind: of the photo; None where the model tells no kinds apart.
    """

    source: Path
    head: str
    meaning: str
    score: Score
    value: float
    average: float
    contributions: Float32Array
    levels: tuple[LevelShare, ...]
    is_linear: bool
    width: int
    height: int
    reasons: tuple[Reason, ...] | None = None
    kind: str | None = None
