"""Do wide features tell more than narrow ones? Ridge on both, in closed form, where Pool-3FC takes hours.

    python benchmarks/wide_ridge.py FEATURES.h5 RATINGS.csv --lowest 0 --highest 1 [--folds 3] [--levels 5] [--csv FILE]

Wide features are read as 25 times as many channels: each place in the photo has weights of its own. Ridge is that of `mlsp train --head ridge`: square roots,
standardised, the penalty with the least validation error, then learned from validation photos too. It is solved from products of photos with photos, which are added up a
part of the channels at a time, so that memory holds the features once, in 16 bits. The split is the table's, and intervals draw photos; with `--folds` each photo is a test photo once,
photos of a group are in one fold, and intervals draw whole groups.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from mlsp.base.arrays import Float16Array, Float32Array, Float64Array
from mlsp.evaluation.intervals import bootstrap_interval, paired_difference
from mlsp.evaluation.metrics import srcc
from mlsp.features.store.store import FeatureStore
from mlsp.paper.folds import fold_splits
from mlsp.paper.measuring import groups_of
from mlsp.ratings.datasets import load_ratings
from mlsp.ratings.splits import Split, SplitSettings, split_rows
from mlsp.ratings.table import RatingTable
from mlsp.training.rated_features import join

PENALTIES = (1e-5, 2e-5, 4e-5, 8e-5, 1.6e-4, 3e-4, 6e-4, 1.2e-3, 5e-3, 2e-2)
ROWS_AT_ONCE = 32
CHANNELS_AT_ONCE = 4096


def read(store: FeatureStore, rows: Sequence[int], grid: int, channels: int) -> Float16Array:
    """The last channels of photos: (photos, G · G, channels)."""
    found = np.empty((len(rows), grid * grid, channels), np.float16)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        array = store.read_batch(rows[part], grid=grid)  # type: ignore[arg-type]
        found[part] = array[:, 0, :, :, -channels:].reshape(len(array), grid * grid, channels)
    return found


def standardised(
    features: Float16Array, widths: Sequence[int], learned: NDArray[np.intp]
) -> Iterator[tuple[int, Float32Array]]:
    """Square roots with mean 0 and variance 1 over what is learned from, a part at a time: (level, (photos, channels of the part))."""
    photos, cells, _ = features.shape
    first = 0
    for level, width in enumerate(widths):
        places = max(1, CHANNELS_AT_ONCE // width)
        for cell in range(0, cells, places):
            part = features[:, cell : cell + places, first : first + width]
            values = part.reshape(photos, -1).astype(np.float32)
            np.sqrt(np.maximum(values, 0, out=values), out=values)
            values -= values[learned].mean(axis=0, dtype=np.float64).astype(np.float32)
            spread = values[learned].std(axis=0, dtype=np.float64)
            values *= np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0).astype(
                np.float32
            )
            yield level, values
        first += width


def products(
    features: Float16Array, widths: Sequence[int], learned: NDArray[np.intp]
) -> tuple[Float32Array, Float32Array]:
    """Products of photos with photos, (photos, photos): all channels alike, and all levels alike."""
    photos, cells, channels = features.shape
    plain, even = (np.zeros((photos, photos), np.float32) for _ in range(2))
    for level, values in standardised(features, widths, learned):
        of_part = values @ values.T
        plain += of_part / np.float32(cells * channels)
        even += of_part / np.float32(cells * widths[level] * len(widths))
    return plain, even


def solved(
    product: Float32Array,
    mos: Float64Array,
    learned: NDArray[np.intp],
    scored: NDArray[np.intp],
    alpha: float,
) -> Float64Array:
    """Scores of photos by ridge that learned from others."""
    system = product[np.ix_(learned, learned)]
    system[np.diag_indices(len(learned))] += alpha * len(learned)
    mean = mos[learned].mean()
    right = (mos[learned] - mean).astype(np.float32)
    weight = cho_solve(cho_factor(system, lower=True, overwrite_a=True), right)
    scores: Float64Array = product[np.ix_(scored, learned)].astype(np.float64) @ weight + mean
    return scores


def tested(
    features: Float16Array, widths: Sequence[int], mos: Float64Array, split: Split
) -> tuple[Float64Array, str]:
    """Scores of the test photos, and with which penalty."""
    tried = []
    both = np.concatenate([split.train, split.validation])
    for name, product in zip(
        ("channels alike", "levels alike"), products(features, widths, both), strict=True
    ):
        for alpha in PENALTIES:
            error = solved(product, mos, split.train, split.validation, alpha)
            tried.append((float(np.mean((error - mos[split.validation]) ** 2)), alpha, name))
        best = min(tried)
        if best[2] == name:
            scores = solved(product, mos, both, split.test, best[1])
    return scores, f"penalty {best[1]:g}, {best[2]}"


def splits_of(ratings: RatingTable, folds: int) -> tuple[Split, ...]:
    """The table's own split, or folds by group."""
    if folds == 1:
        return (split_rows(ratings),)
    return fold_splits(ratings, SplitSettings("group", 0.1), folds)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("features", type=Path)
    parser.add_argument("ratings")
    parser.add_argument("--lowest", type=float)
    parser.add_argument("--highest", type=float)
    parser.add_argument("--folds", type=int, default=1)
    parser.add_argument("--levels", type=int, default=5, help="the last ones")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    ratings = load_ratings(options.ratings, lowest=options.lowest, highest=options.highest)
    splits = splits_of(ratings, options.folds)
    test = np.concatenate([split.test for split in splits])
    mos = ratings.mos
    by_id = groups_of(ratings)
    groups = None if options.folds == 1 else [by_id[ratings.photo_ids[row]] for row in test]
    scores = {}
    with FeatureStore.open(options.features) as store:
        rows = join(store, ratings, splits[0]).rows.tolist()
        widths = [int(width) for width in store.layout.level_channels[-options.levels :]]
        for name, grid in (("narrow", 1), ("wide", 5)):
            features = read(store, rows, grid, sum(widths))
            found = [tested(features, widths, mos, split) for split in splits]
            scores[name] = np.concatenate([one for one, _ in found])
            print(f"{name}: {'; '.join(how for _, how in found)}", flush=True)
            del features
    lines = [("features", "levels", "photos", "srcc", "low", "high", "p")]
    for name, of_test in scores.items():
        one = bootstrap_interval(srcc, of_test, mos[test], groups=groups)
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
