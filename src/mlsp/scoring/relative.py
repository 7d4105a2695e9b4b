"""Percentiles among the photos of one run, instead of among rated photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mlsp.base.arguments import checked
from mlsp.base.arrays import Float64Array
from mlsp.base.ranks import average_ranks
from mlsp.scoring.results import ScoreResult

# Of a photo that has nothing to be compared with.
_MIDDLE = 50.0


@checked
def relative_percentiles(results: Sequence[ScoreResult]) -> list[ScoreResult]:
    """Return results whose percentiles are among themselves: the best photo has 100, the worst 0, and 90 begins the best tenth.

    Args:
        results: of one model. What is no photo has no part in it, and stays as it is.

    Returns:
        In their order, with other percentiles, and an `overall` that is the percentile of what it was before. Photos are ordered by their
        percentiles as they were, so among their kinds, and by their scores where these are equal. Scores stay. Equal photos share the mean
        of their places; a photo alone has 50.

    Examples:
        >>> from pathlib import Path
        >>> from mlsp.scoring.results import Score
        >>> two = [ScoreResult(Path(name), {"quality": Score(value, 100 * value)}, 1, 1) for name, value in (("a", 0.8), ("b", 0.9))]
        >>> [result.overall for result in relative_percentiles(two)]
        [0.0, 100.0]
    """
    photos = [result for result in results if result.is_photo]
    if not photos:
        return list(results)
    overall = _percentiles([(result.overall, 0.0) for result in photos])
    by_head = {
        head: _percentiles(
            [(result.scores[head].standing, result.scores[head].value) for result in photos]
        )
        for head in photos[0].scores
    }
    found = iter(
        replace(
            result,
            scores={
                head: replace(score, percentile=float(by_head[head][index]))
                for head, score in result.scores.items()
            },
            relative_overall=float(overall[index]),
        )
        for index, result in enumerate(photos)
    )
    return [next(found) if result.is_photo else result for result in results]


def _percentiles(keys: Sequence[tuple[float, float]]) -> Float64Array:
    if len(keys) == 1:
        return np.array([_MIDDLE])
    place = {key: index for index, key in enumerate(sorted(set(keys)))}
    ranks = average_ranks(np.array([place[key] for key in keys], np.float64))
    return 100 * (ranks - 1) / (len(keys) - 1)
