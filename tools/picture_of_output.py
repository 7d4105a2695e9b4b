"""Draw the README's picture: what `mlsp score examples/` prints in a terminal of 92 columns.

python tools/picture_of_output.py
"""

from __future__ import annotations

import io
import os
from pathlib import Path

from rich.console import Console
from rich.text import Text

from mlsp.photos import find_photos
from mlsp.reports import sort_results
from mlsp.reports.table import render_table
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "score.svg"


def main() -> None:
    """Score the examples and draw the table."""
    os.chdir(ROOT)
    scorer = Scorer()
    scored = [
        result
        for result in scorer.score(find_photos([Path("examples")]))
        if isinstance(result, ScoreResult)
    ]
    heads = tuple(head.name for head in scorer.model.heads)
    console = Console(
        record=True, width=92, file=io.StringIO(), force_terminal=True, legacy_windows=False
    )
    console.print(Text("$ mlsp score examples/", style="bold"))
    console.print(render_table(sort_results(scored, heads=heads), heads=heads, console=console))
    console.save_svg(str(PICTURE), title="mlsp", unique_id="mlsp-score")
    print(f"wrote {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
