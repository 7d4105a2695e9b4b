"""Checks explanations: cover a place of the photo, score it again, and see whether the score moves as the map says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlsp.base.arrays import Float64Array, UInt8Array
from mlsp.base.parallel import map_in_order, usable_cores
from mlsp.base.ranks import rank_correlation
from mlsp.explaining.contents import without_content
from mlsp.explaining.explanation import Explanation
from mlsp.features.pooling import area_weights
from mlsp.photos import DecodeSettings, read_photo
from mlsp.scoring.scorer import Scorer

# Of the longer side: some 72 pixels of 512 each. Smaller ones move the score by little more than rounding does.
CELLS = 7
COVERS = ("out of focus", "mean colour")


@dataclass(frozen=True, slots=True)
class OcclusionCheck:
    """How well an explanation agrees with occlusion.

    Attributes:
        head: whose score.
        expected: (rows, columns) what the explanation says of each cell, in units of the score.
        effects: for each of `COVERS`, (rows, columns): what the score loses when the cell is covered so.
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
        """Spearman's rank correlation over the cells, -1…1: about 0 where the map says nothing; NaN where all cells are alike."""
        return rank_correlation(self.expected, self.effect)


def check_by_occlusion(
    scorer: Scorer, explanations: Mapping[str, Explanation]
) -> dict[str, OcclusionCheck]:
    """Check the explanations of one photo; takes as long as scoring a hundred photos.

    Args:
        scorer: gave the scores that are explained.
        explanations: of one photo, by head.

    Returns:
        A check a head, by the head's name.

    Raises:
        PhotoError: the photo cannot be read any more, or the network failed.
    """
    some = next(iter(explanations.values()))
    feature_spec = scorer.model.feature_spec
    settings = DecodeSettings.of(
        feature_spec.longest_side, some.width * some.height, resize=feature_spec.resize
    )
    pixels = read_photo(some.source, settings=settings).pixels
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
