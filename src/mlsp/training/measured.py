"""Agreement of scores with people's ratings, on photos that were not learned from."""

from __future__ import annotations

from dataclasses import dataclass

from mlsp.base.arrays import Float64Array
from mlsp.evaluation.metrics import accuracy, default_threshold, majority_accuracy, plcc, srcc
from mlsp.models.records import Agreement
from mlsp.ratings.table import RatingTable
from mlsp.training.batches import Rows

_MIN_MEASURED = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """Scores of photos that a head did not learn from, and their agreement with people.

    Attributes:
        part: `validation` or `test`.
        rows: of the rating table, (photos,).
        scores: (photos,) on the ratings' scale, not cut to its ends, which would make ties; means over all stored views.
        srcc: Spearman's correlation; NaN where scores or ratings are constant.
        plcc: Pearson's.
        accuracy: share of photos that are on the right side of `threshold`.
        majority_accuracy: that of calling all photos what most are.
        threshold: 5 on a scale of 1 to 10, as in the paper, else the middle of the scale.
    """

    part: str
    rows: Rows
    scores: Float64Array
    srcc: float
    plcc: float
    accuracy: float
    majority_accuracy: float
    threshold: float

    def __repr__(self) -> str:
        return (
            f"Measured({len(self.rows)} {self.part} photos: SRCC {self.srcc:.3f}, PLCC {self.plcc:.3f},"
            f" accuracy {self.accuracy:.1%})"
        )

    @classmethod
    def of(
        cls, part: str, ratings: RatingTable, rows: Rows, scores: Float64Array
    ) -> Measured | None:
        """Measure; None of fewer than 2 photos."""
        if len(rows) < _MIN_MEASURED:
            return None
        lowest, highest = ratings.lowest, ratings.highest
        mos = ratings.mos[rows]
        threshold = default_threshold(lowest, highest)
        return cls(
            part,
            rows,
            scores,
            srcc(scores, mos),
            plcc(scores, mos),
            accuracy(scores, mos, threshold=threshold),
            majority_accuracy(mos, threshold=threshold),
            threshold,
        )

    def agreement(self, name: str) -> Agreement:
        """As it stands in a model's card."""
        photos = (
            f"{self.part} photos of {name}; accuracy {self.accuracy:.1%} at {self.threshold:g}"
            f" ({self.majority_accuracy:.1%} for calling all alike)"
        )
        return Agreement(photos, len(self.rows), self.srcc, self.plcc)
