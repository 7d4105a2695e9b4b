"""What a network must see of a photo: speed and agreement of one look at the whole, of smaller ones, and of pairs.

    python benchmarks/looks.py [--oasis DIR --oasis-beauty FILE] [--biq2021 DIR] [--sets whole half+middle ...] [--json FILE]

A look is the photo at a longest side (`384`), its middle at full size (`c192`: at most 192 pixels a side), at half its size (`half`), or its
middle quarter (`middle`). Each set of looks is timed on photos of 500×400, in turn with all others, on all cores, the network only; with a
collection at hand a ridge head is fitted on the features of all its looks together. Beauty: OASIS, ten folds grouped by theme, with mirror images.
Quality: BIQ2021, official train and test split, without.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from mlsp.backbones import backbone
from mlsp.base.arrays import Float32Array, UInt8Array
from mlsp.base.machine import usable_cores
from mlsp.evaluation.metrics import srcc
from mlsp.features.engines import Engine
from mlsp.features.opening import open_backbone
from mlsp.models.heads import RidgeHead
from mlsp.models.model import load_model
from mlsp.photos import DecodeSettings, read_photo, reduce_pixels
from mlsp.ratings.datasets.biq2021 import load_biq2021
from mlsp.ratings.datasets.oasis import load_oasis_beauty
from mlsp.ratings.table import RatingTable

Looks = tuple[str, ...]

SETS: tuple[Looks, ...] = (
    ("whole",),
    ("384",),
    ("320",),
    ("half",),
    ("middle",),
    ("half", "middle"),
    ("half", "c224"),
    ("half", "c192"),
    ("half", "c160"),
    ("half", "c128"),
    ("320", "c192"),
    ("256", "c192"),
    ("256", "192"),
    ("whole", "256"),
)
FOLDS = 10


def look(pixels: UInt8Array, name: str) -> UInt8Array:
    """One look at a photo."""
    height, width = pixels.shape[:2]
    if name == "whole":
        return pixels
    if name.startswith("c") or name == "middle":
        sides = [
            side // 2 if name == "middle" else min(side, int(name[1:])) for side in (height, width)
        ]
        top, left = (height - sides[0]) // 2, (width - sides[1]) // 2
        return np.ascontiguousarray(pixels[top : top + sides[0], left : left + sides[1]])
    if name == "half":
        even = pixels[: height // 2 * 2, : width // 2 * 2].reshape(height // 2, 2, width // 2, 2, 3)
        halved: UInt8Array = np.rint(even.mean((1, 3))).astype(np.uint8)
        return halved
    return reduce_pixels(pixels, int(name))


def speeds(engine: Engine, sets: tuple[Looks, ...]) -> dict[Looks, float]:
    """Photos/s of each set, medians of rounds in which all take turns."""
    pixels = np.random.default_rng(0).integers(0, 256, (400, 500, 3), dtype=np.uint8)
    batches = {names: [look(pixels, name)[None] for name in names] for names in sets}

    def run(names: Looks, count: int = 8) -> float:
        def one(_: int) -> None:
            for batch in batches[names]:
                engine.pooled(batch)

        with ThreadPoolExecutor(usable_cores()) as pool:
            started = time.perf_counter()
            list(pool.map(one, range(count)))
            return count / (time.perf_counter() - started)

    for names in sets:
        run(names)
    rounds = [{names: run(names) for names in sets} for _ in range(9)]
    return {names: statistics.median(found[names] for found in rounds) for names in sets}


def features(
    engine: Engine, table: RatingTable, sets: tuple[Looks, ...], *, mirrored: bool
) -> dict[str, list[Float32Array]]:
    """Of each look: features (photos, C), and of the mirror images if asked for."""
    names = sorted({name for names in sets for name in names})

    def of(path: Path) -> list[Float32Array]:
        pixels = read_photo(path, settings=DecodeSettings(longest_side=512)).pixels
        versions = [pixels, np.ascontiguousarray(pixels[:, ::-1])] if mirrored else [pixels]
        return [
            np.stack([engine.pooled(look(version, name)[None])[0, 0, 0] for name in names])
            for version in versions
        ]

    with ThreadPoolExecutor(usable_cores()) as pool:
        rows = list(pool.map(of, table.photos))
    versions = len(rows[0])
    return {
        name: [np.stack([row[version][at] for row in rows]) for version in range(versions)]
        for at, name in enumerate(names)
    }


def beauty(
    engine: Engine, table: RatingTable, channels: list[int], sets: tuple[Looks, ...]
) -> dict[Looks, float]:
    """SRCC of each set on folds grouped by theme."""
    looks = features(engine, table, sets, mirrored=True)
    themes, places = np.unique([rating.group for rating in table], return_inverse=True)
    fold = (np.random.default_rng(0).permutation(len(themes)) % FOLDS)[places]
    found: dict[Looks, float] = {}
    for names in sets:
        plain, mirrored = (
            np.concatenate([looks[name][version] for name in names], axis=1) for version in (0, 1)
        )
        scores = np.empty(len(table))
        for number in range(FOLDS):
            seen = fold != number
            head = RidgeHead(3e-4).fit(
                np.concatenate([plain[seen], mirrored[seen]]), np.tile(table.mos[seen], 2)
            )
            scores[~seen] = head.predict(plain[~seen])
        found[names] = srcc(scores, table.mos)
    return found


def quality(
    engine: Engine, table: RatingTable, channels: list[int], sets: tuple[Looks, ...]
) -> dict[Looks, float]:
    """SRCC of each set on the official test split."""
    looks = features(engine, table, sets, mirrored=False)
    split = np.array([rating.split for rating in table])
    train, test = split == "train", split == "test"
    found: dict[Looks, float] = {}
    for names in sets:
        values = np.concatenate([looks[name][0] for name in names], axis=1)
        head = RidgeHead(8e-5, channels * len(names)).fit(values[train], table.mos[train])
        found[names] = srcc(head.predict(values[test]), table.mos[test])
    return found


def main() -> None:
    """Measure, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--oasis", type=Path)
    parser.add_argument("--oasis-beauty", type=Path)
    parser.add_argument("--biq2021", type=Path)
    parser.add_argument("--sets", nargs="+", metavar="LOOK+LOOK", help="only these; default: all")
    parser.add_argument("--json", type=Path)
    settings = parser.parse_args()
    sets = (
        SETS if settings.sets is None else tuple(tuple(name.split("+")) for name in settings.sets)
    )
    model = load_model()
    engine = open_backbone(model.feature_spec, graph=model.backbone, device="cpu", precision="auto")
    channels = [level.channels for level in backbone(model.feature_spec.backbone).levels]
    columns: dict[str, dict[Looks, float]] = {"photos_per_s": speeds(engine, sets)}
    if settings.oasis is not None:
        table = load_oasis_beauty(settings.oasis, settings.oasis_beauty)
        columns["beauty_srcc"] = beauty(engine, table, channels, sets)
    if settings.biq2021 is not None:
        columns["quality_srcc"] = quality(engine, load_biq2021(settings.biq2021), channels, sets)
    rows: list[dict[str, Any]] = [
        {"looks": " + ".join(names), **{name: values[names] for name, values in columns.items()}}
        for names in sets
    ]
    print("| looks | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for row in rows:
        print(f"| {row['looks']} | " + " | ".join(f"{row[name]:.4g}" for name in columns) + " |")
    if settings.json is not None:
        settings.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
