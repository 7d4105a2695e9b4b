"""Does it matter where something is in a photo? Pool-3FC beside Single-3FC, several seeds of each, on any rated photos.

    python benchmarks/place.py beauty TABLE.csv --oasis FOLDER --vessel FOLDER
    python benchmarks/place.py features FEATURES.h5 TABLE.csv --lowest 0 --highest 1
    python benchmarks/place.py heads FEATURES.h5 TABLE.csv --lowest 0 --highest 1 [--photos 2500] [--folds 3 --by group] [--seeds 3]

`beauty` writes a table of photos rated for beauty from 1 to 7: OASIS's, grouped by theme, and the landscapes, interiors and exteriors of Vessel's,
grouped by these kinds. FOLDER is `oasis:FOLDER`'s, and `source` of the repository ColinConwell/AffectExMachina.

`features` computes wide features of EfficientNet-Lite2, photos at their own size, and keeps the first 32 principal components of each
level, found on 500 photos to learn from: a linear map, so each head on them is one on all 13,936 channels (`mlsp train --components`).
12,000 photos take 420 MB in place of 8.4 GB, and an epoch of Pool-3FC takes seconds.

`heads` learns both heads by one recipe. Pool-3FC has columns of 128 channels in place of 1,024 and X = 512 in place of 2,048 and 3,072, so
that it can be repeated. Prints of each head the mean SRCC and those of the seeds, the mean score beside the mean rating, and the difference
to the first head with its 95 % interval over photos (with `--by group` over groups); of all test photos and of each group of at least 100.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from torch import nn

from mlsp.backbones import backbone
from mlsp.base.arrays import Float64Array
from mlsp.evaluation.intervals import paired_difference
from mlsp.evaluation.metrics import srcc
from mlsp.features.extractor import FeatureExtractor
from mlsp.features.pipeline import PhotoFeatures
from mlsp.features.store.schema import StoreLayout
from mlsp.features.store.store import FeatureStore
from mlsp.models.heads import register_head
from mlsp.models.heads.forms import BodySpec
from mlsp.models.heads.pool import PoolThreeFC
from mlsp.paper.folds import fold_splits
from mlsp.paper.measuring import groups_of
from mlsp.ratings.datasets import load_ratings
from mlsp.ratings.datasets.oasis import load_oasis
from mlsp.ratings.splits import Split, SplitSettings, split_rows
from mlsp.ratings.table import RatingTable
from mlsp.training import HeadTrainer
from mlsp.training.components import LevelComponents

BACKBONE = "efficientnet_lite2"
FITTED_ON = 500
MIN_GROUP, RESAMPLES = 100, 500
RECIPE = "components"
VESSEL_KINDS = {"lsc": "landscapes", "ari": "interiors", "are": "exteriors"}
HEADS = {"Single-3FC": "single_3fc", "Pool-3FC as released": "released", "Pool-3FC": "paper"}


def write_beauty(oasis: Path, vessel: Path, output: Path) -> None:
    """Write a table of the photos of OASIS and Vessel that are rated for beauty."""
    rows = [
        (str(one.photo.resolve()), one.mos, f"OASIS, {one.group}")
        for one in load_oasis(oasis)
        if one.photo.is_file()
    ]
    with (vessel / "response" / "vessel_means_per_image.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            photo = vessel / "images" / "vessel" / row["image_name"]
            if row["image_type"] in VESSEL_KINDS and photo.is_file():
                kind = VESSEL_KINDS[row["image_type"]]
                rows.append((str(photo.resolve()), float(row["rating"]), f"Vessel, {kind}"))
    with output.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("photo", "mos", "group"), *rows])


def extracted(extractor: FeatureExtractor, photos: Sequence[Path]) -> Iterator[PhotoFeatures]:
    """Yield the features of photos, all of which can be read."""
    for one in extractor.extract(photos):
        if one.ok:
            yield one
        else:
            one.raise_for_error()


def write_components(ratings: RatingTable, output: Path, count: int) -> None:
    """Write components of the wide features of rated photos."""
    learned = [rating.photo for rating in ratings if rating.split != "test"]
    some = np.random.default_rng(0).permutation(len(learned))[:FITTED_ON]
    extractor = FeatureExtractor(BACKBONE, grid="wide")
    ends = np.cumsum([0, *(level.channels for level in backbone(BACKBONE).levels)]).tolist()
    components = LevelComponents.fit(
        (one.features[None] for one in extracted(extractor, [learned[row] for row in some])),
        [slice(*ends_of_level) for ends_of_level in itertools.pairwise(ends)],
        count,
    )
    layout = StoreLayout(extractor.feature_spec, components.counts, (5,))
    with FeatureStore.create(output, layout, [rating.photo_id for rating in ratings]) as store:
        photos = extracted(extractor, [rating.photo for rating in ratings])
        for row, one in enumerate(photos):
            store.write(
                row,
                {5: components.of(one.features).astype(np.float32)},
                width=one.width,
                height=one.height,
                content_sha256=one.content_sha256,
            )


def register_heads(column: int, first: int) -> None:
    """Add both forms of Pool-3FC, with columns and a first layer of other widths."""
    for name, factorised in (("released", True), ("paper", False)):
        register_head(
            name, partial(_pool, factorised=factorised, column=column, first=first), grid=5
        )


def _pool(body: BodySpec, *, factorised: bool, column: int, first: int) -> nn.Module:
    return PoolThreeFC(
        sum(body.widths),
        body.outputs,
        body.dropouts,
        factorised=factorised,
        first=first,
        column=column,
    )


def fewer(split: Split, photos: int | None) -> Split:
    """Return a split with so many photos to learn from."""
    if photos is None or photos >= len(split.train):
        return split
    drawn = np.random.default_rng(0).choice(split.train, photos, replace=False)
    return replace(split, train=np.sort(drawn))


def scores_of(
    head: str, store: FeatureStore, ratings: RatingTable, splits: Sequence[Split], seeds: int
) -> Float64Array:
    """Learn a head and score the test photos of all splits: (photos, seeds)."""
    columns = []
    for seed in range(seeds):
        trainer = HeadTrainer(head, RECIPE, seed=seed, precision="bfloat16")
        trained = [trainer.fit_split(store, ratings, split) for split in splits]
        columns.append(np.concatenate([one.measured[0].scores for one in trained]))
    return np.stack(columns, axis=1)


def mean_srcc(scores: ArrayLike, mos: ArrayLike) -> float:
    """(photos, seeds) and (photos,) -> the mean over the seeds."""
    return float(np.mean([srcc(of_seed, mos) for of_seed in np.asarray(scores).T]))


def compare(options: argparse.Namespace, ratings: RatingTable) -> None:
    """Learn all heads, and print how well they agree."""
    register_heads(column=options.column, first=options.first)
    splits: tuple[Split, ...]
    if options.folds:
        splits = fold_splits(ratings, SplitSettings(options.by, 0.1), options.folds)
    else:
        splits = (fewer(split_rows(ratings), options.photos),)
    test = np.concatenate([split.test for split in splits])
    mos, groups = ratings.mos[test], np.array(list(groups_of(ratings).values()))[test]
    drawn = groups.tolist() if options.by == "group" else None
    names, counts = np.unique(groups, return_counts=True)
    print("test photos", "head", "SRCC", "of each seed", "mean", "- first head", sep="\t")
    scores: dict[str, Float64Array] = {}
    with FeatureStore.open(options.features) as store:
        for title in options.heads:
            scores[title] = scores_of(HEADS[title], store, ratings, splits, options.seeds)
            report(title, scores, mos, drawn, "all")
            for name in names[counts >= MIN_GROUP]:
                some = groups == name
                report(title, {t: s[some] for t, s in scores.items()}, mos[some], None, name)


def report(
    title: str,
    scores: Mapping[str, Float64Array],
    mos: Float64Array,
    drawn: Sequence[str] | None,
    photos: str,
) -> None:
    """Print a row; its interval draws whole groups, or photos."""
    own, first = scores[title], next(iter(scores))
    each = [f"{srcc(of_seed, mos):.4f}" for of_seed in own.T]
    line = [photos, title, f"{mean_srcc(own, mos):.4f}", " ".join(each)]
    line.append(f"{own.mean():.3f} of {mos.mean():.3f}")
    if title != first:
        found = paired_difference(
            mean_srcc, own, scores[first], mos, groups=drawn, resamples=RESAMPLES
        )
        line.append(f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]")
    print(*line, sep="\t", flush=True)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("beauty", "features", "heads"))
    parser.add_argument("features", type=Path, help="of beauty: the table that it writes")
    parser.add_argument("ratings", nargs="?", default="")
    parser.add_argument("--oasis", type=Path)
    parser.add_argument("--vessel", type=Path)
    parser.add_argument("--lowest", type=float)
    parser.add_argument("--highest", type=float)
    parser.add_argument("--components", type=int, default=32, help="of a level, kept by `features`")
    parser.add_argument("--column", type=int, default=128, help="channels of Pool-3FC's columns")
    parser.add_argument("--first", type=int, default=512, help="outputs of Pool-3FC's first layer")
    parser.add_argument("--photos", type=int, help="to learn from; by default all")
    parser.add_argument("--folds", type=int, default=0, help="in place of the table's split")
    parser.add_argument("--by", choices=("random", "group"), default="random", help="of folds")
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    if options.what == "beauty":
        if not (options.oasis and options.vessel):
            parser.error("beauty needs --oasis and --vessel")
        write_beauty(options.oasis, options.vessel, options.features)
        return
    ratings = load_ratings(options.ratings, lowest=options.lowest, highest=options.highest)
    if options.what == "features":
        write_components(ratings, options.features, options.components)
    else:
        compare(options, ratings)


if __name__ == "__main__":
    main()
