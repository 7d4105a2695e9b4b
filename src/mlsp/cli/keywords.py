"""Writing keywords, as `mlsp score` and `mlsp pick` do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlsp.base.results import ScoreFailure
    from mlsp.culling.xmp import Convention
    from mlsp.culling.xmp.journal import Journal
    from mlsp.culling.xmp.tagging import TaggedPhoto


def give_keywords(
    tagged: Sequence[TaggedPhoto],
    journal: Journal,
    *,
    convention: Convention = "both",
    inside: bool = False,
    quiet: bool,
) -> list[ScoreFailure]:
    """Write keywords with a progress bar and a summary; return the photos whose sidecar was left alone."""
    from mlsp.cli.writing import WritingProgress
    from mlsp.culling.xmp.tagging import write_keywords

    with WritingProgress(len(tagged), done_word="tagged", quiet=quiet, journal=journal) as progress:
        summary = write_keywords(
            tagged,
            convention=convention,
            inside=inside,
            on_result=progress.advance,
            note=journal.note,
        )
    progress.say_written(summary)
    return summary.failed
