"""Do wide features tell more than narrow ones? Ridge on both, in closed form, where Pool-3FC takes hours.

    python benchmarks/wide_ridge.py FEATURES.h5 RATINGS.csv --lowest 1 --highest 7 [--folds 3] [--levels 5] [--csv FILE]

Wide features are read as 25 times as many channels: each place in the photo has weights of its own. All else is as `mlsp train --head ridge`
does it: square roots, the penalty with the least validation error, then learned from validation photos too. Each photo is a test photo once;
photos of a group are in one fold, and intervals draw whole groups.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from mlsp.arrays import Float32Array, Float64Array
from mlsp.datasets import load_ratings
from mlsp.experiments.folds import fold_splits
from mlsp.experiments.measuring import groups_of
from mlsp.feature_store import FeatureStore
from mlsp.heads import RidgeHead, fit_ridges
from mlsp.intervals import bootstrap_interval, paired_difference
from mlsp.metrics import srcc
from mlsp.ratings import RatingTable
from mlsp.splits import Split, SplitSettings
from mlsp.training.rated_features import join

PENALTIES = (4e-5, 8e-5, 1.6e-4, 3e-4, 6e-4, 1.2e-3, 5e-3, 2e-2)
ROWS_AT_ONCE = 32


def read(
    store: FeatureStore, ratings: RatingTable, splits: tuple[Split, ...], grid: int, levels: int
) -> tuple[Float32Array, list[int]]:
    """Features (photos of the table, G · G · C) of the last levels, and the channels of each level at each place."""
    widths = list(store.layout.level_channels)[-levels:]
    channels = sum(widths)
    rows = join(store, ratings, splits[0]).rows
    found = np.empty((len(ratings), grid * grid * channels), np.float32)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        array = store.read_batch(rows[part], grid=grid)  # type: ignore[arg-type]
        found[part] = array[:, 0, :, :, -channels:].reshape(len(array), -1)
    return found, widths * grid * grid


def scores_of(head: RidgeHead, features: Float32Array) -> Float64Array:
    """(photos,), some at a time: square roots of all would need the memory twice."""
    weight, bias = head.weight.numpy(), float(head.bias)
    parts = [features[start : start + 256] for start in range(0, len(features), 256)]
    return np.concatenate([np.sqrt(np.maximum(part, 0)) @ weight for part in parts]) + bias


def tested(
    features: Float32Array, widths: list[int], mos: Float64Array, split: Split
) -> Float64Array:
    """Scores of the test photos."""
    tried: list[tuple[float, float, bool]] = []
    of_validation = features[split.validation]
    for even in (False, True):
        heads = fit_ridges(
            features[split.train], mos[split.train], widths, PENALTIES, even_levels=even
        )
        for alpha, head in zip(PENALTIES, heads, strict=True):
            error = scores_of(head, of_validation) - mos[split.validation]
            tried.append((float(np.mean(error**2)), alpha, even))
    _, alpha, even = min(tried)
    both = np.concatenate([split.train, split.validation])
    (head,) = fit_ridges(features[both], mos[both], widths, [alpha], even_levels=even)
    return scores_of(head, features[split.test])


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("features", type=Path)
    parser.add_argument("ratings")
    parser.add_argument("--lowest", type=float)
    parser.add_argument("--highest", type=float)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--levels", type=int, default=5, help="the last ones")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    ratings = load_ratings(options.ratings, lowest=options.lowest, highest=options.highest)
    splits = fold_splits(ratings, SplitSettings("group", 0.1), options.folds)
    test = np.concatenate([split.test for split in splits])
    mos = ratings.mos
    by_id = groups_of(ratings)
    groups = [by_id[ratings.photo_ids[row]] for row in test]
    scores = {}
    with FeatureStore.open(options.features) as store:
        for name, grid in (("narrow", 1), ("wide", 5)):
            features, widths = read(store, ratings, splits, grid, options.levels)
            scores[name] = np.concatenate(
                [tested(features, widths, mos, split) for split in splits]
            )
            del features
    lines = [("features", "levels", "photos", "srcc", "low", "high", "p")]
    for name, found in scores.items():
        one = bootstrap_interval(srcc, found, mos[test], groups=groups)
        lines.append((name, options.levels, len(test), one.value, one.low, one.high, ""))  # type: ignore[arg-type]
    both = paired_difference(srcc, scores["wide"], scores["narrow"], mos[test], groups=groups)
    lines.append(
        ("wide - narrow", options.levels, len(test), both.value, both.low, both.high, both.p_value)  # type: ignore[arg-type]
    )
    for line in lines:
        print(*(f"{cell:.4f}" if isinstance(cell, float) else cell for cell in line), sep="\t")
    if options.csv:
        with options.csv.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(lines)


if __name__ == "__main__":
    main()
