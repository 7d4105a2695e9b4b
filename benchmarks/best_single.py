"""The best that one network gives on BIQ2021: unlike heads, whose average is chosen inside the train split.

    mlsp extract TABLE.csv -b efficientnet_lite2_overview_and_detail256 --views whole_mirrored -o narrow.h5
    python benchmarks/place.py features components.h5 TABLE.csv --lowest 0 --highest 1
    python benchmarks/best_single.py TABLE.csv narrow.h5 components.h5 [--seeds 3]

All heads read EfficientNet-Lite2: kernel heads its narrow features on two scales, alone and with small networks; Pool-3FC its wide ones, of each
level 32 components. Kernel heads score a photo and its mirror image, Pool-3FC by several seeds: their means. The weights of the average, none
below 0, are those with the least error on a fifth of the train photos, drawn by groups of look-alikes, with heads that learned from the rest. All
heads then learn from the whole train split, of which 500 photos choose Pool-3FC's epoch, and the official test is measured once.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from place import (  # type: ignore[import-not-found]  # beside this file
    HEADS,
    register_heads,
    scores_of,
)
from scipy.optimize import nnls
from sklearn.base import clone

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.evaluation.intervals import bootstrap_interval, paired_difference
from mlsp.evaluation.metrics import srcc
from mlsp.features.store.store import FeatureStore
from mlsp.models.heads import KernelHead, KernelMetric, KernelNetworks
from mlsp.photos import read_photo
from mlsp.photos.near_duplicates import difference_hash, duplicate_groups
from mlsp.ratings.datasets import load_ratings
from mlsp.ratings.splits import Rows, Split
from mlsp.ratings.table import RatingTable
from mlsp.training.rated_features import join

POOL = "Pool-3FC as released"
CHOOSE_EPOCH = 500
KERNEL_HEADS = {
    "kernel": KernelHead(metric=KernelMetric()),
    "kernel with networks": KernelHead(metric=KernelMetric(), networks=KernelNetworks()),
}


def narrow(store: FeatureStore, rows: Rows) -> Float32Array:
    """Return features of photos: (photos, views, C)."""
    found: Float32Array = store.read_batch(rows.tolist(), grid=1)[:, :, 0, 0].astype(np.float32)
    return found


def kernel_scores(
    name: str, store: FeatureStore, ratings: RatingTable, split: Split
) -> Float64Array:
    """Scores of the test photos of a split by a kernel head, means over views."""
    rows = join(store, ratings, split).rows
    learned = np.concatenate([split.train, split.validation])
    head = clone(KERNEL_HEADS[name]).set_params(level_channels=store.layout.level_channels)
    head.fit(narrow(store, rows[learned])[:, 0], ratings.mos[learned])
    views = narrow(store, rows[split.test])
    of_views = [head.predict(views[:, view]) for view in range(views.shape[1])]
    return np.asarray(np.mean(of_views, axis=0), np.float64)


def look_alikes(ratings: RatingTable) -> NDArray[np.int64]:
    """Return a number for each photo, the same for photos that look alike."""
    hashes = [difference_hash(read_photo(rating.photo).pixels) for rating in ratings]
    return duplicate_groups(np.array(hashes))


def splits_of(ratings: RatingTable, groups: NDArray[np.int64]) -> dict[str, Split]:
    """The split that weighs the heads, inside the train photos, and the official one."""
    rng = np.random.default_rng(0)
    part = np.array([rating.split for rating in ratings])
    train, test = np.flatnonzero(part == "train"), np.flatnonzero(part == "test")
    names = rng.permutation(np.unique(groups[train]))
    weighing = np.isin(groups[train], names[: len(names) // 5])
    return {
        "inside": _with_validation(train[~weighing], train[weighing], rng),
        "official": _with_validation(train, test, rng),
    }


def _with_validation(learned: Rows, new: Rows, rng: np.random.Generator) -> Split:
    drawn = rng.permutation(learned)
    return Split(np.sort(drawn[CHOOSE_EPOCH:]), np.sort(drawn[:CHOOSE_EPOCH]), new)


def weights_of(scores: Mapping[str, Float64Array], mos: Float64Array) -> Float64Array:
    """Least squares of the scores' deviations from their means; no weight is below 0."""
    columns = np.stack(list(scores.values()), axis=1)
    found, _ = nnls(columns - columns.mean(axis=0), mos - mos.mean())
    return np.asarray(found, np.float64)


def row(title: str, scores: Float64Array, mos: Float64Array, *more: str) -> None:
    """Print agreement on the official test."""
    found = bootstrap_interval(srcc, scores, mos)
    interval = f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"
    print(title, len(mos), interval, *more, sep="\t", flush=True)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("ratings")
    parser.add_argument("narrow", type=Path)
    parser.add_argument("components", type=Path)
    parser.add_argument("--seeds", type=int, default=3, help="of Pool-3FC")
    options = parser.parse_args()
    register_heads()
    ratings = load_ratings(options.ratings, lowest=0, highest=1)
    groups = look_alikes(ratings)
    splits = splits_of(ratings, groups)
    found: dict[str, dict[str, Float64Array]] = {"inside": {}, "official": {}}
    with (
        FeatureStore.open(options.narrow) as store,
        FeatureStore.open(options.components) as components,
    ):
        for part, split in splits.items():
            scores = found[part]
            for name in KERNEL_HEADS:
                scores[name] = kernel_scores(name, store, ratings, split)
            of_seeds = scores_of(HEADS[POOL], components, ratings, [split], options.seeds)
            scores[POOL] = of_seeds.mean(axis=1)
            for name, of_part in scores.items():
                print(part, name, f"{srcc(of_part, ratings.mos[split.test]):.4f}", flush=True)
    inside, tested = found["inside"], found["official"]
    weighed, mos = (ratings.mos[splits[part].test] for part in ("inside", "official"))
    weights = weights_of(inside, weighed)
    print("on the official test", "photos", "SRCC", "weight", "SRCC inside train", sep="\t")
    for (name, of_head), weight in zip(tested.items(), weights, strict=True):
        row(name, of_head, mos, f"{weight:.2f}", f"{srcc(inside[name], weighed):.4f}")
    average = np.stack(list(tested.values()), axis=1) @ weights
    of_weighed = np.stack(list(inside.values()), axis=1) @ weights
    row("average", average, mos, "", f"{srcc(of_weighed, weighed):.4f}")
    best = max(inside, key=lambda name: srcc(inside[name], weighed))
    more = paired_difference(srcc, average, tested[best], mos)
    print(f"average - {best}: {more.value:+.4f} [{more.low:+.4f}, {more.high:+.4f}]")
    official = splits["official"]
    learned = np.concatenate([official.train, official.validation])
    alone = ~np.isin(groups[official.test], groups[learned])
    row("average, no look-alike in train", average[alone], mos[alone])
    subsets = np.array([str(rating.group) for rating in ratings])[official.test]
    for name in np.unique(subsets):
        row(f"average, {name}", average[subsets == name], mos[subsets == name])


if __name__ == "__main__":
    main()
