"""What bfloat16 costs: errors of each level, and of a ridge head's agreement with people, against float32 on the same photos.

    python benchmarks/precision.py FOLDER [--backbone inception_v3] [--weights FILE] [--photos 100] [--json FILE]

FOLDER holds `images` and `ratings.csv` with columns image, mos and split (train or test). Narrow features, photos at their own
size. Both heads are fitted on train photos and tested on test photos; `crossed` is the float32 head on bfloat16 features, as when
a head is trained on one machine and used on another.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path

import numpy as np

from mlsp.backbones import backbone
from mlsp.backbones.weights.finding import find_weights
from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.machine import usable_cores
from mlsp.base.results import ScoreFailure
from mlsp.evaluation.metrics import plcc, srcc
from mlsp.features.opening import open_backbone
from mlsp.features.pipeline import FeaturePipeline
from mlsp.features.spec import FeatureSpec
from mlsp.models.heads import RidgeHead

# One of those that the embedded model's head was chosen from.
ALPHA = 8e-5


def read_ratings(folder: Path, count: int | None) -> tuple[list[Path], Float64Array, list[str]]:
    """Photos, their mean opinion scores and their splits; of `count` photos every n-th, so that all parts are among them."""
    with (folder / "ratings.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    if count is not None:
        rows = [rows[index * len(rows) // count] for index in range(min(count, len(rows)))]
    photos = [folder / "images" / row["image"] for row in rows]
    return photos, np.array([float(row["mos"]) for row in rows]), [row["split"] for row in rows]


def compute(
    name: str, weights: Path | None, precision: str, photos: list[Path]
) -> tuple[Float32Array, float]:
    """(photos, C) narrow features, and photos/s."""
    spec = backbone(name)
    found = find_weights(spec, weights)
    levels = tuple(level.name for level in spec.levels)
    feature_spec = FeatureSpec(spec.name, found.sha256, levels, "whole", None, 1)
    engine = open_backbone(feature_spec, weights=found.file, precision=precision)
    features = []
    start = time.perf_counter()
    for result in FeaturePipeline(engine, workers=usable_cores() + 1).extract(photos):
        if isinstance(result, ScoreFailure):
            raise SystemExit(f"{result.source}: {result.error}")
        features.append(result.features.reshape(-1))
    return np.stack(features), len(photos) / (time.perf_counter() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbone", default="inception_v3")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--photos", type=int, help="all by default")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    photos, mos, splits = read_ratings(arguments.folder, arguments.photos)
    train = np.array([split == "train" for split in splits])
    spec = backbone(arguments.backbone)
    channels = [level.channels for level in spec.levels]
    found: dict[str, object] = {"photos": len(photos), "of these for testing": int((~train).sum())}
    features: dict[str, Float32Array] = {}
    heads: dict[str, RidgeHead] = {}
    for precision in ("float32", "bfloat16"):
        features[precision], rate = compute(spec.name, arguments.weights, precision, photos)
        found[f"{precision}, photos/s"] = round(rate, 1)
        own = features[precision]
        heads[precision] = RidgeHead(ALPHA, channels).fit(own[train], mos[train])
    pairs = {
        "float32": ("float32", "float32"),
        "bfloat16": ("bfloat16", "bfloat16"),
        "crossed": ("float32", "bfloat16"),
    }
    scores = {
        name: heads[head].predict(features[kind][~train]) for name, (head, kind) in pairs.items()
    }
    for name, predicted in scores.items():
        found[f"{name}, SRCC"] = round(srcc(predicted, mos[~train]), 4)
        found[f"{name}, PLCC"] = round(plcc(predicted, mos[~train]), 4)
    for name in ("bfloat16", "crossed"):
        found[f"{name} against float32 scores, SRCC"] = round(
            srcc(scores[name], scores["float32"]), 5
        )
    start = 0
    for level in spec.levels:
        levels = slice(start, start + level.channels)
        start += level.channels
        reference = features["float32"][:, levels].astype(np.float64)
        error = features["bfloat16"][:, levels] - reference
        relative = np.sqrt((error**2).mean() / (reference**2).mean())
        found[f"{level.name}, RMS error / RMS"] = round(float(relative), 4)
    for label, value in found.items():
        print(f"{label:45} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
