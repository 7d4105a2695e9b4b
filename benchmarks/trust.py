"""How quality holds on photos as people take them: copies of good photos made worse in steps, copies that are as good, and frames that show nothing.

    python benchmarks/trust.py --biq2021 FOLDER [--model NAME_OR_FOLDER] [--before FOLDER] [--not-photos FOLDER] [--json FILE]

FOLDER is the published BIQ2021 folder. The 40 photos are of its train split, good ones of ss03, drawn by a fixed seed; the embedded model has not
learned from them. In order: a photo scores higher than its first copy, that higher than the second, and so on. Fall: from the photo to its last copy, in
percentiles, the median of the photos. Of equal copies the mean and the largest change are printed, in percentiles.

150 test photos are reduced as well: how much their percentiles change, and how well they still agree with people.
`on_purpose.csv` names 100 highly rated photos of the test split that are dark, bright, of little contrast or without colour on purpose, chosen by
their statistics and looked at: they should carry no fault, and not fall against the model `--before`. `--not-photos` are pictures of
`tools/not_photos.py`.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arrays import UInt8Array
from mlsp.evaluation.metrics import srcc
from mlsp.photos import read_photo, reduce_pixels
from mlsp.ratings.datasets.biq2021 import load_biq2021
from mlsp.ratings.table import RatingTable, require_photos
from mlsp.scoring.results import Score
from mlsp.scoring.scorer import Scorer
from mlsp.training.degradations import exposed
from mlsp.training.ladders import EQUAL_COPIES, LADDERS, ladder_photos, not_photos

SIDE = 512
FRAMES = 40
# Test photos that are reduced, and to what longest sides.
SMALL, SMALL_SIDES = 150, (500, 480, 400, 350, 320, 290, 260)
# Nearly black: less than the last step of the ladder.
NEARLY_BLACK = -5.0

Row = dict[str, float | str]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--biq2021", type=Path, required=True)
    parser.add_argument("--model", default="default")
    parser.add_argument("--before", help="a model to compare photos on purpose with")
    parser.add_argument("--not-photos", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    table = require_photos(load_biq2021(arguments.biq2021))
    chosen = held_back(table)
    photos = [read_photo(table.ratings[index].photo).pixels for index in chosen]
    with Scorer(arguments.model) as scorer:
        print(f"model {scorer.model.name} {scorer.model.version}, {len(photos)} photos", flush=True)
        rows = measured(scorer, photos)
        rows.extend(reduced(scorer, table))
        rows.extend(on_purpose(scorer, arguments.biq2021 / "Images", arguments.before))
        if arguments.not_photos:
            rows.append(flagged(scorer, sorted(arguments.not_photos.glob("*.png"))))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


def held_back(table: RatingTable) -> NDArray[np.intp]:
    """Return the photos that no embedded model has learned from; they do not depend on look-alikes."""
    every = np.arange(len(table))
    return ladder_photos(table, group="ss03", min_rating=0.6, look_alikes=every).held_back


def on_purpose(scorer: Scorer, folder: Path, before: str | None) -> list[Row]:
    """Print how photos fare that are dark, bright, flat or grey on purpose: percentiles, faults, and what changed."""
    with (Path(__file__).parent / "on_purpose.csv").open() as file:
        photos = {folder / row["photo"]: row["why"] for row in csv.DictReader(file)}
    found = [scorer.score_one(photo) for photo in photos]
    then = found
    if before:
        with Scorer(before) as earlier:
            then = [earlier.score_one(photo) for photo in photos]
    rows: list[Row] = []
    why = np.array(list(photos.values()))
    percentiles, earlier_ones = (
        np.array([result.scores["quality"].percentile for result in results])
        for results in (found, then)
    )
    faulty = np.array([bool(result.faults) for result in found])
    for name in ("all", *dict.fromkeys(photos.values())):
        which = np.ones(len(why), dtype=bool) if name == "all" else why == name
        changes = (percentiles - earlier_ones)[which]
        row: Row = {
            "what": f"on purpose: {name}",
            "photos": int(which.sum()),
            "mean": _rounded(percentiles[which].mean()),
            "with a fault": round(float(faulty[which].mean()), 3),
            "mean change": _rounded(changes.mean()),
        }
        rows.append(_told(row))
    for photo, result in zip(photos, found, strict=True):
        if result.faults:
            print(f"  {photo.name}: {', '.join(result.faults)}")
    return rows


def reduced(scorer: Scorer, table: RatingTable) -> list[Row]:
    """Print how much percentiles of test photos change when they are reduced, and how well they still agree with people."""
    test = [rating for rating in table if rating.split == "test"]
    some = [test[index] for index in np.random.default_rng(0).permutation(len(test))[:SMALL]]
    photos = [read_photo(rating.photo).pixels for rating in some]
    ratings = np.array([rating.mos for rating in some])
    percentiles = {
        side: np.array(
            [
                scorer.score_one(reduce_pixels(pixels, side, "lanczos"))
                .scores["quality"]
                .percentile
                for pixels in photos
            ]
        )
        for side in (SIDE, *SMALL_SIDES)
    }
    rows: list[Row] = []
    for side, found in percentiles.items():
        changes = found - percentiles[SIDE]
        row: Row = {
            "what": f"{SMALL} test photos at {side} pixels",
            "SRCC": round(srcc(found, ratings), 3),
            "mean change": _rounded(changes.mean()),
            "mean absolute change": _rounded(np.abs(changes).mean()),
        }
        rows.append(_told(row))
    return rows


def flagged(scorer: Scorer, pictures: list[Path]) -> Row:
    """Print the share of pictures that are no photos of which the model says so."""
    kinds = [scorer.score_one(picture).kind for picture in pictures]
    row: Row = {
        "what": "not photos",
        "flagged": round(float(np.mean([kind == "not_photo" for kind in kinds])), 3),
    }
    return _told(row)


def measured(scorer: Scorer, photos: list[UInt8Array]) -> list[Row]:
    """Return the table, printing each row as soon as it is known."""
    generator = np.random.default_rng(1)
    rows: list[Row] = []

    def quality(pixels: UInt8Array) -> Score:
        return scorer.score_one(pixels).scores["quality"]

    def tell(**row: float | str) -> None:
        rows.append(_told(row))

    originals = [quality(pixels) for pixels in photos]
    tell(what="photos", median=float(np.median([score.percentile for score in originals])))
    ladders = {}
    for name, ladder in LADDERS.items():
        # All steps of a photo with one seed: a tint or a motion in one direction, haze of one grey.
        steps = [
            [
                quality(ladder.degrade(pixels, step, np.random.default_rng(seed)))
                for step in ladder.steps
            ]
            for seed, pixels in enumerate(photos)
        ]
        ladders[name] = steps
        whole = [[first, *later] for first, later in zip(originals, steps, strict=True)]
        ordered = [
            all(one.value > other.value for one, other in itertools.pairwise(scores))
            for scores in whole
        ]
        falls = [scores[0].percentile - scores[-1].percentile for scores in whole]
        tell(what=name, in_order=round(float(np.mean(ordered)), 3), fall=_rounded(np.median(falls)))
    sharper = [
        around.value > centre.value
        for one, other in zip(ladders["surroundings_blur"], ladders["centre_blur"], strict=True)
        for around, centre in zip(one, other, strict=True)
    ]
    tell(what="sharp centre above blurred centre", share=round(float(np.mean(sharper)), 3))
    for name, copy in EQUAL_COPIES.items():
        changes = [
            quality(copy(pixels, generator)).percentile - score.percentile
            for pixels, score in zip(photos, originals, strict=True)
        ]
        tell(what=name, mean=_rounded(np.mean(changes)), largest=_rounded(np.abs(changes).max()))
    for name, frames in (
        ("nearly black", [exposed(pixels, NEARLY_BLACK, generator) for pixels in photos]),
        ("flat and noise", list(not_photos(FRAMES, SIDE, generator))),
    ):
        percentiles = [quality(frame).percentile for frame in frames]
        tell(what=name, mean=_rounded(np.mean(percentiles)), largest=_rounded(max(percentiles)))
    return rows


def _told(row: Row) -> Row:
    """Print a row, and return it."""
    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return row


def _rounded(value: float | np.floating) -> float:
    return round(float(value), 1)


if __name__ == "__main__":
    main()
