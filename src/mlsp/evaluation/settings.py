"""Settings of an evaluation, and the choice of its photos."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlsp.base.errors import SettingsError, unknown_name
from mlsp.evaluation.intervals import check_interval
from mlsp.ratings.table import SPLITS, RatingTable

DRAWN = ("photos", "groups")


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """Settings of an evaluation.

    Attributes:
        threshold: for the accuracies; None: 5 on a scale of 1 to 10, as in the paper, else the middle of the scale.
        group_column: of the table, for numbers by group; None: its `group`, if it has groups.
        drawn: `photos`, or `groups` where photos of a group are alike: then whole groups are drawn, and intervals are as wide as they
            should be. With fewer than 20 or so groups they are still too short.
        confidence: of the intervals, 0…1.
        resamples: of the bootstrap, at least 100.
        seed: of the bootstrap.
        high_rated: of so many photos with the highest ratings the best and worst are shown; None: a quarter, like the paper's 5,000.
        shown: how many best and worst photos; the paper shows 40.

    Raises:
        SettingsError: a value is unknown or out of range.
    """

    threshold: float | None = None
    group_column: str | None = None
    drawn: str = "photos"
    confidence: float = 0.95
    resamples: int = 2000
    seed: int = 0
    high_rated: int | None = None
    shown: int = 12

    def __post_init__(self) -> None:
        if self.drawn not in DRAWN:
            raise SettingsError(unknown_name("thing to draw", self.drawn, DRAWN))
        check_interval(self.confidence, self.resamples)
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise SettingsError(f"the threshold must be a number, got {self.threshold}")
        if self.high_rated is not None and self.high_rated < 1:
            raise SettingsError(f"high_rated must be at least 1, got {self.high_rated}")
        if self.shown < 0:
            raise SettingsError(f"shown must be at least 0, got {self.shown}")

    def bootstrap(self, groups: Sequence[str] | None = None) -> dict[str, Any]:
        """Return the keyword arguments of `bootstrap_interval` and `paired_difference`.

        Args:
            groups: (photos,) names where whole groups are drawn.
        """
        return {
            "confidence": self.confidence,
            "resamples": self.resamples,
            "seed": self.seed,
            "groups": groups,
        }


def choose_split(table: RatingTable, split: str | None = None) -> tuple[str, RatingTable]:
    """Return the photos to evaluate on.

    Args:
        table: all ratings.
        split: `train`, `validation`, `test` or `all`; None: test if the table has test photos, else all.

    Returns:
        The split's name, and its photos.

    Raises:
        SettingsError: the split is unknown, or has no photos.
    """
    if split is None:
        split = "test" if any(rating.split == "test" for rating in table) else "all"
    if split == "all":
        return split, table
    if split not in SPLITS:
        raise SettingsError(unknown_name("split", split, (*SPLITS, "all")))
    rows = [row for row, rating in enumerate(table) if rating.split == split]
    if not rows:
        raise SettingsError(
            f"{table.name} has no {split} photos: choose --split all, or mark them in a column 'split'"
        )
    return split, table.select(rows)
