"""An explanation as lines for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mlsp.base.text import printable
from mlsp.explaining import Explained

# The others are below what these have.
_LEVELS = 5


def explanation_lines(explained: Explained) -> Iterator[str]:
    """Lay out a photo's explanations as lines.

    Args:
        explained: the photo and its explanations.

    Yields:
        Lines without line ends.
    """
    yield printable(str(explained.source))
    for head, explanation in explained.explanations.items():
        score = explanation.score
        above = (
            ""
            if math.isnan(score.percentile)
            else f", above {score.percentile:.0f} % of rated photos"
        )
        yield f"  {head} {score.value:.3g} (average {explanation.average:.3g}){above}: {printable(str(explained.pictures[head]))}"
        total = sum(level.raised for level in explanation.levels)
        if total:
            most = sorted(explanation.levels, key=lambda level: level.raised, reverse=True)
            shares = ", ".join(
                f"{level.name} {100 * level.raised / total:.0f} %" for level in most[:_LEVELS]
            )
            yield f"    levels: {shares}"
        if head in explained.checks:
            agreement = explained.checks[head].agreement
            shown = "all parts alike" if math.isnan(agreement) else f"{agreement:+.2f}"
            yield f"    rank correlation with covering each part: {shown} (0 for a map drawn by chance, 1 at best)"
