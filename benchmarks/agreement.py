"""How well an embedded model agrees with people on photos that it has not learned from, through the path that users take.

    python benchmarks/agreement.py [--biq2021 FOLDER] [--vessel FOLDER] [--model NAME_OR_FOLDER] [--json FILE]

`--biq2021` is the published folder: quality on its official test photos, in each precision that the processor has. `--vessel` is the folder `source`
of the repository ColinConwell/AffectExMachina: beauty on Vessel's photos, by their type; their ratings teach no model anything. How well beauty
agrees on OASIS, from all of whose photos it is learned, is measured by folds where the model is built (`tools/build_default_model.py`);
`mlsp models default` shows those figures.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from mlsp.base.arrays import Float64Array
from mlsp.base.errors import SettingsError
from mlsp.evaluation.metrics import plcc, srcc
from mlsp.ratings.datasets.biq2021 import load_biq2021
from mlsp.ratings.table import require_photos
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer

VESSEL_TYPES = {
    "lsc": "landscapes",
    "ari": "interiors",
    "are": "exteriors",
    "art": "art",
    "fac": "faces",
}
Row = dict[str, str | float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--biq2021", type=Path)
    parser.add_argument("--vessel", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if not (arguments.biq2021 or arguments.vessel):
        parser.error("name a folder: --biq2021, --vessel or both")
    found: list[Row] = []
    if arguments.biq2021:
        found.extend(quality_on_biq2021(arguments.model, arguments.biq2021))
    if arguments.vessel:
        found.extend(beauty_on_vessel(arguments.model, arguments.vessel))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def quality_on_biq2021(model: str, folder: Path) -> list[Row]:
    """Return and print a row for each precision and subset."""
    test = [rating for rating in require_photos(load_biq2021(folder)) if rating.split == "test"]
    mos = np.array([rating.mos for rating in test])
    subsets = np.array([rating.group for rating in test])
    rows: list[Row] = []
    for precision in ("float32", "bfloat16"):
        try:
            scorer = Scorer(model, precision=precision)
        except SettingsError as error:
            print(f"{precision}: {error}")
            continue
        values = scores(scorer, "quality", [rating.photo for rating in test])
        for name in ("all", *np.unique(subsets)):
            chosen = (subsets == name) | (name == "all")
            about = {"precision": precision, "subset": str(name)}
            rows.append(agreement(about, values[chosen], mos[chosen]))
    return rows


def beauty_on_vessel(model: str, folder: Path) -> list[Row]:
    """Return and print a row for each type of photos; those that the publication lacks are left out."""
    with (folder / "response" / "vessel_means_per_image.csv").open(encoding="utf-8") as file:
        table = [
            (folder / "images" / "vessel" / row["image_name"], row) for row in csv.DictReader(file)
        ]
    rated = [
        (photo, row["image_type"], float(row["rating"])) for photo, row in table if photo.is_file()
    ]
    types = np.array([kind for _, kind, _ in rated])
    mos = np.array([rating for _, _, rating in rated])
    values = scores(Scorer(model), "beauty", [photo for photo, _, _ in rated])
    return [
        agreement({"subset": f"Vessel, {name}"}, values[types == kind], mos[types == kind])
        for kind, name in VESSEL_TYPES.items()
    ]


def scores(scorer: Scorer, head: str, photos: Iterable[Path]) -> Float64Array:
    """Return the scores of photos; NaN of one that cannot be read."""
    return np.array(
        [
            result.scores[head].value if isinstance(result, ScoreResult) else np.nan
            for result in scorer.score(photos)
        ]
    )


def agreement(about: Mapping[str, str], values: Float64Array, mos: Float64Array) -> Row:
    """Return and print how scores of photos agree with their ratings."""
    row: Row = {
        **about,
        "photos": len(mos),
        "SRCC": round(srcc(values, mos), 4),
        "PLCC": round(plcc(values, mos), 4),
    }
    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return row


if __name__ == "__main__":
    main()
