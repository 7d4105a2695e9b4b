"""Check explanations: cover a cell of the photo, score it again, and compare the change with the map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlsp.base.arrays import Float64Array, UInt8Array
from mlsp.base.machine import usable_cores
from mlsp.base.parallel import map_in_order
from mlsp.base.ranks import rank_correlation
from mlsp.explaining.contents import without_content
from mlsp.explaining.explanation import Explanation
from mlsp.features.pooling import area_weights
from mlsp.scoring.scorer import Scorer

# Cells along the longer side, of about 72 pixels of 512. Smaller ones move the score by little more than rounding does.
CELLS = 7
COVERS = ("out of focus", "mean colour")


@dataclass(frozen=True, slots=True)
class OcclusionCheck:
    """Agreement of an explanation with occlusion.

    Attributes:
        head: name of the head.
        expected: (rows, columns) contribution of each cell by the explanation, in units of the score.
        effects: (rows, columns) for each of `COVERS`: how much the score falls when the cell is covered.
    """

    head: str
    expected: Float64Array
    effects: Mapping[str, Float64Array]

    @property
    def effect(self) -> Float64Array:
        """Mean over the covers: (rows, columns)."""
        mean: Float64Array = np.mean(list(self.effects.values()), axis=0)
        return mean

    @property
    def agreement(self) -> float:
        """Spearman's rank correlation over the cells, -1…1: about 0 for a random map; NaN where all cells are equal."""
        return rank_correlation(self.expected, self.effect)


def check_by_occlusion(
    scorer: Scorer, explanations: Mapping[str, Explanation]
) -> dict[str, OcclusionCheck]:
    """Check the explanations of one photo; takes as long as scoring a hundred photos.

    Args:
        scorer: gave the scores that are explained.
        explanations: of one photo, by head.

    Returns:
        One check per head, by the head's name.

    Raises:
        PhotoError: the photo can no longer be read, or the network failed.
    """
    some = next(iter(explanations.values()))
    pixels = scorer.read(some.source).pixels
    longest = max(some.width, some.height)
    rows = max(1, round(CELLS * some.height / longest))
    columns = max(1, round(CELLS * some.width / longest))
    covers = without_content(pixels)
    photos = (
        _covered(pixels, cover, row, column, (rows, columns))
        for cover in covers
        for row in range(rows)
        for column in range(columns)
    )
    scored = list(map_in_order(scorer.score_one, photos, workers=usable_cores() + 1))
    checks = {}
    for head, explanation in explanations.items():
        values = np.array([result.scores[head].value for result in scored]).reshape(
            -1, rows, columns
        )
        amounts = explanation.contributions.astype(np.float64)
        height, width = amounts.shape
        means = area_weights(height, rows) @ amounts @ area_weights(width, columns).T
        checks[head] = OcclusionCheck(
            head,
            means * amounts.size / (rows * columns),
            dict(zip(COVERS, explanation.score.value - values, strict=True)),
        )
    return checks


def _covered(
    pixels: UInt8Array, cover: UInt8Array, row: int, column: int, cells: tuple[int, int]
) -> UInt8Array:
    height, width = pixels.shape[:2]
    part = (
        slice(height * row // cells[0], height * (row + 1) // cells[0]),
        slice(width * column // cells[1], width * (column + 1) // cells[1]),
    )
    covered = pixels.copy()
    covered[part] = cover[part]
    return covered
