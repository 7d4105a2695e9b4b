"""How scores depend on the size of a photo: does a half-size copy get the same scores, and what does reduction do to quality?

    python benchmarks/photo_size.py --large FOLDER [--rated BIQ2021_FOLDER] [--json FILE]

`--large` are camera photos of at least 3 megapixels. Each is scored as it is and as a copy of half its width and height, with photos
reduced to several longest sides; small differences are wanted. `--rated` is the published BIQ2021 folder: its 512-pixel test
photos are scored as they are and reduced, against people's ratings, to show what is lost when a photo is smaller than the model's longest side.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from mlsp.base.errors import PhotoError
from mlsp.evaluation.metrics import srcc
from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.features.opening import open_backbone
from mlsp.models.model import load_model
from mlsp.photos import DecodeSettings, find_photos, read_photo, reduce_pixels
from mlsp.ratings.datasets.biq2021 import load_biq2021
from mlsp.ratings.table import require_photos
from mlsp.scoring.scorer import Scorer

Row: TypeAlias = dict[str, float | int | str]

LONGEST_SIDES = (None, 1024, 768, 512, 384)
LEAST_PIXELS = 3_000_000
# Without reduction a large photo takes seconds and gigabytes.
MOST_PIXELS_WHOLE = 13_000_000


def scorer_at(longest_side: int | None) -> Scorer:
    """The embedded model, but with photos reduced to another longest side."""
    model = load_model()
    model = replace(model, feature_spec=replace(model.feature_spec, longest_side=longest_side))
    engine = open_backbone(model.feature_spec, graph=model.backbone)
    heads = [OpenVinoHead(model.folder / head.file) for head in model.heads]
    return Scorer.of(model, engine, heads, workers=1)


def large_photos(folder: Path) -> Iterable[np.ndarray]:
    """Decoded photos that are large enough."""
    for path in find_photos([folder]):
        try:
            photo = read_photo(path, settings=DecodeSettings(max_pixels=MOST_PIXELS_WHOLE))
        except PhotoError:
            continue
        if photo.pixels.shape[0] * photo.pixels.shape[1] >= LEAST_PIXELS:
            yield photo.pixels


def compare_halves(folder: Path, most: int) -> list[Row]:
    """Scores of photos against those of their half-size copies."""
    scorers = {side: scorer_at(side) for side in LONGEST_SIDES}
    found: dict[int | None, list[list[float]]] = {side: [] for side in LONGEST_SIDES}
    for number, pixels in enumerate(large_photos(folder)):
        if number == most:
            break
        half = reduce_pixels(pixels, max(pixels.shape[:2]) // 2)
        for side, scorer in scorers.items():
            both = [scorer.score_one(pixels).scores, scorer.score_one(half).scores]
            found[side].append([s.percentile for scores in both for s in scores.values()])
    rows: list[Row] = []
    for side, values in found.items():
        percentiles = np.array(values)
        for index, head in enumerate(("quality", "beauty")):
            whole, small = percentiles[:, index], percentiles[:, index + 2]
            rows.append(
                {
                    "longest side": side or "as it is",
                    "score": head,
                    "photos": len(percentiles),
                    "mean difference, percentiles": round(float(np.abs(whole - small).mean()), 2),
                    "largest": round(float(np.abs(whole - small).max()), 1),
                    "SRCC of both": round(srcc(whole, small), 4),
                }
            )
    return rows


def compare_with_people(folder: Path) -> list[Row]:
    """Quality of BIQ2021's test photos, reduced before they are scored, against people's ratings of the whole."""
    table = [rating for rating in require_photos(load_biq2021(folder)) if rating.split == "test"]
    scorer = scorer_at(512)
    rows: list[Row] = []
    for side in (512, 384, 256):
        values = []
        for rating in table:
            pixels = reduce_pixels(read_photo(rating.photo).pixels, side)
            values.append(scorer.score_one(pixels).scores["quality"].value)
        agreement = srcc(values, [rating.mos for rating in table])
        rows.append(
            {
                "copy's longest side": side,
                "photos": len(table),
                "SRCC with people": round(agreement, 4),
                "mean score": round(float(np.mean(values)), 3),
            }
        )
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--large", type=Path, required=True)
    parser.add_argument("--most", type=int, default=100, help="photos at most")
    parser.add_argument("--rated", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    tables = [compare_halves(arguments.large, arguments.most)]
    if arguments.rated:
        tables.append(compare_with_people(arguments.rated))
    for table in tables:
        print(" | ".join(table[0]))
        for row in table:
            print(" | ".join(map(str, row.values())))
        print()
    if arguments.json:
        arguments.json.write_text(json.dumps(tables, indent=1) + "\n")


if __name__ == "__main__":
    main()
