"""What an explanation of a score is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlsp.base.arrays import Float32Array
from mlsp.scoring.results import Score


@dataclass(frozen=True, slots=True)
class LevelShare:
    """What one level of the network has to do with how a score is spread over a photo.

    Attributes:
        name: of the level, the shallowest first.
        rows: of its map.
        columns: likewise.
        raised: sum of what the level's places above the photo's mean place add, in units of the score; its places below take as
            much.
    """

    name: str
    rows: int
    columns: int
    raised: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """What raised and lowered one score of a photo, and where.

    Attributes:
        source: the photo.
        head: whose score.
        meaning: what a high score means, in a few words.
        score: as `mlsp score` gives it.
        value: the same before it was kept to the ends of the scale; equal where it lies between them.
        average: score of the average rated photo, with which this one is compared.
        contributions: (h, w), of the upright photo from top left to bottom right: what each place adds to the score above
            `average`, in units of the score; adds up to `value - average`.
        levels: which levels say so.
        is_linear: whether the head is linear in the features or their square roots, so that `contributions` has the maps' own
            resolution; else it was found cell by cell.
        width: of the upright photo, in pixels.
        height: likewise.
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
