"""An explanation as lines for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mlsp.base.text import percentile_text, printable
from mlsp.explaining import Explained, Explanation
from mlsp.models.records import NOT_PHOTO, label_words


def explanation_lines(explained: Explained) -> Iterator[str]:
    """Lay out a photo's explanations as lines: what is wrong with it, then each score, and how far its map can be believed.

    Yields:
        Lines without line ends.
    """
    yield printable(str(explained.source))
    some = next(iter(explained.explanations.values()))
    if some.kind is not None:
        yield f"  kind: {label_words(some.kind)}"
    if some.reasons is not None:
        yield "  faults:" if some.reasons else "  faults: none found"
        for reason in some.reasons:
            yield f"    {label_words(reason.fault)}: {reason.meaning} ({100 * reason.probability:.0f} % sure)"
    for head, explanation in explained.explanations.items():
        above = _above(explanation)
        score = explanation.score
        yield f"  {head} {score.value:.3g} (average {explanation.average:.3g}){above}: {printable(str(explained.pictures[head]))}"
        agreement = explanation.agreement
        shown = "all parts are alike" if math.isnan(agreement) else f"{agreement:+.2f}"
        yield f"    two ways of covering its parts agree by {shown} (0 by chance, 1 at best)"


def _above(explanation: Explanation) -> str:
    score = explanation.score
    if explanation.kind == NOT_PHOTO or math.isnan(score.percentile):
        return ""
    of_kind = " of its kind" if score.percentile != score.percentile_all else ""
    return f", above {percentile_text(score.percentile)} % of rated photos{of_kind}"
