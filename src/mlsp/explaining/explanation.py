"""The record of an explanation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlsp.base.arrays import Float32Array
from mlsp.scoring.results import Score


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
    """Contributions of the parts of a photo to one of its scores.

    Attributes:
        source: the photo.
        head: name of the head.
        meaning: what a high score means, in a few words.
        score: as `mlsp score` gives it.
        average: score of the average rated photo, the reference of the contributions.
        contributions: (rows, columns) of the cells of the upright photo, seven along its longer side, in units of the score: what
            the score loses when a cell is covered, less the mean of all cells, plus an equal share of `score.value - average`, to
            which they add up.
        agreement: Spearman's rank correlation, over the cells, of the effects of two ways of covering them, -1…1: how far the map
            can be believed; NaN where all cells are alike.
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
    average: float
    contributions: Float32Array
    agreement: float
    width: int
    height: int
    reasons: tuple[Reason, ...] | None = None
    kind: str | None = None
