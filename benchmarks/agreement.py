"""How well the embedded model's quality agrees with people on BIQ2021's official test photos, through the path that users take.

    python benchmarks/agreement.py --biq2021 FOLDER [--json FILE]

FOLDER is the published folder. Each precision that the processor has is measured. Beauty is learned from all OASIS photos, so it is measured where the model is
built, by folds (`tools/build_default_model.py`); `mlsp models default` shows all figures.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from mlsp.base.errors import SettingsError
from mlsp.evaluation.metrics import plcc, srcc
from mlsp.ratings.datasets.biq2021 import load_biq2021
from mlsp.ratings.table import require_photos
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--biq2021", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    test = [
        rating
        for rating in require_photos(load_biq2021(arguments.biq2021))
        if rating.split == "test"
    ]
    mos = np.array([rating.mos for rating in test])
    subsets = np.array([rating.group for rating in test])
    found = []
    for precision in ("float32", "bfloat16"):
        try:
            scorer = Scorer(precision=precision)
        except SettingsError as error:
            print(f"{precision}: {error}")
            continue
        results = scorer.score(rating.photo for rating in test)
        values = np.array(
            [r.scores["quality"].value if isinstance(r, ScoreResult) else np.nan for r in results]
        )
        for name in ("all", *np.unique(subsets)):
            chosen = (subsets == name) | (name == "all")
            row = {
                "precision": precision,
                "subset": str(name),
                "photos": int(chosen.sum()),
                "SRCC": round(srcc(values[chosen], mos[chosen]), 4),
                "PLCC": round(plcc(values[chosen], mos[chosen]), 4),
            }
            found.append(row)
            print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
