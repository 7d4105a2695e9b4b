"""How well bursts are found, how often the best of a burst is the one that people like best, and how long 20,000 photos take.

    python benchmarks/bursts.py --biq2021 FOLDER [--features FILE] [--json FILE]

FOLDER is the published folder of BIQ2021, whose 12,000 photos hold hundreds of series of one subject, each photo rated by 30 people. FILE is the
`biq2021.npy` that `tools/build_default_model.py` keeps in its work folder; without it the photos are scored first. Quality is that of heads of
the embedded model's kind that learned from ratings alone, and neither of the photo nor of any that looks like it: four folds, near-duplicates
together; that takes minutes and needs the extra `train`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from mlsp.backbones import backbone
from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.results import ScoreFailure
from mlsp.culling.burst_pairs import similar_pairs
from mlsp.culling.bursts import BurstSettings, group_embeddings
from mlsp.culling.close_ups import close_up_of
from mlsp.culling.embeddings import embedding_channels, embedding_of
from mlsp.photos import read_photo
from mlsp.photos.near_duplicates import difference_hash, duplicate_groups
from mlsp.ratings.datasets.biq2021 import load_biq2021
from mlsp.ratings.table import require_photos
from mlsp.scoring.cache import open_caches
from mlsp.scoring.scorer import Scorer

THRESHOLDS = (0.72, 0.76, 0.80, 0.84, 0.86, 0.88, 0.90, 0.92, 0.94)
FOLDS = 4
# Photos from here on may be of one subject: none of them is learned from where another is judged.
SIBLINGS = 0.86
# Of 0…1: what 30 raters tell apart.
CLEAR = 0.05
HASH_BITS = 4
# Of quality's 0…1, for each doubling of blur, and for closed eyes: as `mlsp pick` ranks.
BLUR_DOUBLED, CLOSED_EYES = 0.1, 0.2
# Of a photo without edges, in thousandths of its longest side.
MAX_BLUR = 4
RATERS, SPREADS, PANELS = 30, (0.6, 0.8, 1.0), 100
RESHOT = 40
SYNTHETIC = 20_000


@dataclass(frozen=True, slots=True)
class Rated:
    """BIQ2021: a row a photo."""

    photos: Sequence[Path]
    mos: Float64Array
    is_test: NDArray[np.bool_]
    subset: NDArray[np.str_]
    features: NDArray[np.floating]
    hashes: NDArray[np.uint64]
    embeddings: Float32Array


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--biq2021", type=Path, required=True)
    parser.add_argument("--features", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with open_caches() as caches:
        scorer = Scorer(cache=caches)
        rated = load(scorer, arguments.biq2021, arguments.features)
        found = {"thresholds": thresholds(scorer, rated)}
        found["agreement"] = agreement(scorer, rated)
    found["speed"] = speed(rated.embeddings)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def load(scorer: Scorer, folder: Path, kept: Path | None) -> Rated:
    """Features, hashes and ratings."""
    table = require_photos(load_biq2021(folder))
    if kept is not None:
        features = np.load(kept, mmap_mode="r")
    else:
        rows = []
        for result in scorer.features(table.photos):
            if isinstance(result, ScoreFailure):
                raise SystemExit(f"{result.source}: {result.error}")
            rows.append(result.features[0, 0, 0])
        features = np.stack(rows)
    hashes = np.array([difference_hash(read_photo(photo).pixels) for photo in table.photos])
    channels = embedding_channels(scorer.model.feature_spec)
    return Rated(
        table.photos,
        table.mos,
        np.array([rating.split == "test" for rating in table]),
        np.array([rating.group for rating in table]),
        features,
        hashes,
        np.stack([embedding_of(as_scored(row), channels) for row in features]),
    )


def as_scored(row: NDArray[np.floating]) -> Float32Array:
    """Return the features (C,) of a photo as those of one crop."""
    return row[None, None, None].astype(np.float32)


def reshots(image: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    """What one subject looks like a second later."""
    width, height = image.size
    linear = (np.asarray(image) / 255) ** 2.2
    yield "moved 8%", image.crop((round(0.08 * width), round(0.04 * height), width, height))
    yield "zoomed 25%", ImageOps.crop(image, round(0.125 * min(width, height)))
    for name, factor in (("2/3 stop brighter", 1.6), ("a stop darker", 0.5)):
        exposed = np.clip(linear * factor, 0, 1) ** (1 / 2.2) * 255
        yield name, Image.fromarray(exposed.astype(np.uint8))
    yield "blurred", image.filter(ImageFilter.GaussianBlur(2))
    tilted = image.rotate(4, Image.Resampling.BICUBIC)
    yield "tilted 4°", ImageOps.crop(tilted, round(0.07 * min(width, height)))


def thresholds(scorer: Scorer, rated: Rated) -> list[dict[str, Any]]:
    """What each threshold joins: nothing of own photos with Unsplash's, much of what is of one subject."""
    own = rated.subset != "ss03"
    unrelated = np.zeros(len(THRESHOLDS))
    for start in range(0, len(own), 1000):
        block = rated.embeddings[own][start : start + 1000] @ rated.embeddings[~own].T
        unrelated += [np.count_nonzero(block >= threshold) for threshold in THRESHOLDS]
    unrelated /= own.sum() * (~own).sum()
    one, other = hash_pairs(rated.hashes)
    alike = (rated.embeddings[one] * rated.embeddings[other]).sum(1)
    kinds, again = reshot_similarities(scorer, rated)
    print("from   unrelated  by hash  " + "  ".join(dict.fromkeys(kinds)))
    found = []
    for threshold, share in zip(THRESHOLDS, unrelated, strict=True):
        settings = BurstSettings(similarity_without_time=threshold)
        groups = members(group_embeddings(rated.embeddings, [None] * len(own), settings))
        mixed = sum(len(set(own[group].tolist())) == 2 for group in groups)
        row = {
            "threshold": threshold,
            "unrelated pairs": float(f"{share:.2g}"),
            "near-duplicates by hash": round(float((alike >= threshold).mean()), 3),
            **{
                feature_spec: round(float((again[kinds == feature_spec] >= threshold).mean()), 3)
                for feature_spec in dict.fromkeys(kinds.tolist())
            },
            "groups": len(groups),
            "photos in groups": sum(map(len, groups)),
            "groups that mix": round(mixed / len(groups), 4),
        }
        found.append(row)
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return found


def hash_pairs(hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of photos with nearly the same coarse light and dark."""
    pairs = [
        (int(group[i]), int(group[j]))
        for group in members(duplicate_groups(hashes))
        for i in range(len(group))
        for j in range(i)
        if int(hashes[group[i]] ^ hashes[group[j]]).bit_count() <= HASH_BITS
    ]
    found = np.array(pairs)
    return found[:, 0], found[:, 1]


def reshot_similarities(scorer: Scorer, rated: Rated) -> tuple[NDArray[np.str_], Float32Array]:
    """How similar photos are to what they look like a second later."""
    channels = embedding_channels(scorer.model.feature_spec)
    chosen = np.random.default_rng(0).choice(len(rated.photos), RESHOT, replace=False)
    with TemporaryDirectory() as folder:
        files: list[Path] = []
        kinds: list[str] = []
        rows: list[int] = []
        for row in chosen.tolist():
            image = Image.fromarray(read_photo(rated.photos[row]).pixels)
            for feature_spec, changed in reshots(image):
                files.append(Path(folder, f"{len(files)}.jpg"))
                changed.save(files[-1], quality=90)
                kinds.append(feature_spec)
                rows.append(row)
        looks = [
            embedding_of(result.features, channels)
            for result in scorer.features(files)
            if not isinstance(result, ScoreFailure)
        ]
    return np.array(kinds), (np.stack(looks) * rated.embeddings[rows]).sum(1)


def members(groups: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Rows of each group of several photos."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order])) + 1
    return [group for group in np.split(order, starts) if len(group) > 1]


def siblings(rated: Rated) -> NDArray[np.int64]:
    """Number of the photos that may be of one subject, however loosely, directly or through others."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = len(rated.embeddings)
    pairs = similar_pairs(
        rated.embeddings,
        np.full(count, np.nan),
        within_seconds=0,
        similarity=1,
        similarity_without_time=SIBLINGS,
    )
    one = np.concatenate([pairs.one, np.arange(count)])
    other = np.concatenate([pairs.other, duplicate_groups(rated.hashes)])
    graph = coo_matrix((np.ones(len(one)), (one, other)), (count, count))
    numbers: NDArray[np.int64] = connected_components(graph, directed=False)[1]
    return numbers


def held_out_quality(
    rated: Rated, families: NDArray[np.int64], channels: list[int]
) -> Float64Array:
    """Quality by heads that saw no sibling of the photo."""
    from mlsp.models.heads import KernelHead, KernelMetric, KernelNetworks

    names, places = np.unique(families, return_inverse=True)
    fold = (np.random.default_rng(0).permutation(len(names)) % FOLDS)[places]
    quality = np.empty(len(fold))
    for number in range(FOLDS):
        unseen = fold == number
        head = KernelHead(
            components=256,
            support=4000,
            level_channels=channels,
            metric=KernelMetric(),
            networks=KernelNetworks(),
        )
        head.fit(rated.features[~unseen].astype(np.float32), rated.mos[~unseen])
        quality[unseen] = head.predict(rated.features[unseen].astype(np.float32))
        print(f"fold {number + 1} of {FOLDS}", flush=True)
    return quality


def agreement(scorer: Scorer, rated: Rated) -> list[dict[str, Any]]:
    """How often the best by score is the best by people."""
    families = siblings(rated)
    channels = [level.channels for level in backbone(scorer.model.feature_spec.backbone).levels]
    quality = held_out_quality(rated, families, channels)
    scores = [scorer.scores_of(as_scored(row)) for row in rated.features]
    beauty = np.array([score["beauty"].value for score in scores])
    own_quality = np.array([score["quality"].value for score in scores])
    record = next(head for head in scorer.model.heads if head.name == "quality")
    percentiles = np.array([score["beauty"].percentile for score in scores])
    overall = (np.array([record.percentile(value) for value in quality]) + percentiles) / 2
    rankings = {
        "quality": quality,
        "beauty": beauty,
        "overall": overall,
        "quality + beauty/4": quality / quality.std() + beauty / beauty.std() / 4,
        "quality, sharpness, eyes": quality - lost_at_full_size(rated),
    }
    no_times: list[datetime | None] = [None] * len(beauty)
    found = []
    for threshold in (BurstSettings().similarity_without_time, BurstSettings().similarity):
        looks = group_embeddings(
            rated.embeddings, no_times, BurstSettings(similarity_without_time=threshold)
        )
        groups = members(looks)
        found += [second_panel(groups, rated.mos, spread) for spread in SPREADS]
        for name, values in rankings.items():
            found.append(judge(f"from {threshold} by {name}", groups, values, rated.mos))
        for subset in np.unique(rated.subset):
            of_subset = [group for group in groups if (rated.subset[group] == subset).all()]
            found.append(
                judge(f"from {threshold} {subset} by quality", of_subset, quality, rated.mos)
            )
        of_test = [kept for group in groups if len(kept := group[rated.is_test[group]]) > 1]
        found.append(
            judge(
                f"from {threshold} test photos, relatives learned, the embedded head's quality",
                of_test,
                own_quality,
                rated.mos,
            )
        )
        learned = np.unique(families[~rated.is_test])
        unseen = [group for group in groups if not np.isin(families[group], learned).any()]
        found.append(
            judge(
                f"from {threshold} test photos, no relative learned, the embedded head's quality",
                unseen,
                own_quality,
                rated.mos,
            )
        )
    return found


def lost_at_full_size(rated: Rated) -> Float64Array:
    """What `mlsp pick` takes off for blur and closed eyes, but for what all photos of a series lose; 0 of photos that are in none."""
    loosest = BurstSettings(similarity_without_time=BurstSettings().similarity)
    groups = members(group_embeddings(rated.embeddings, [None] * len(rated.photos), loosest))
    lost = np.zeros(len(rated.photos))
    for row in np.concatenate(groups).tolist():
        found = close_up_of(read_photo(rated.photos[row]).pixels)
        lost[row] = BLUR_DOUBLED * np.log2(found.blur or MAX_BLUR) + CLOSED_EYES * (
            found.closed_eyes > 0
        )
    return lost


def second_panel(
    groups: Sequence[NDArray[np.int64]], mos: Float64Array, spread: float
) -> dict[str, Any]:
    """How often two panels would have one favourite: no score can be right much more often.

    Standard errors are not published. Of what photos of a group differ by, so much is taken for noise as 30 ratings from 1 to 5 have that
    differ by `spread` from one rater to the next.
    """
    error = spread / 4 / np.sqrt(RATERS)
    within = sum(((mos[group] - mos[group].mean()) ** 2).sum() for group in groups) / sum(
        len(group) - 1 for group in groups
    )
    is_real = np.sqrt(max(0.0, 1 - error**2 / within))
    rng = np.random.default_rng(0)
    same = []
    for group in groups:
        means = mos[group].mean() + is_real * (mos[group] - mos[group].mean())
        one, other = means + rng.normal(0, error, (2, PANELS, len(group)))
        same.append((one.argmax(1) == other.argmax(1)).mean())
    row = {"raters differ by": spread, "two panels agree": round(float(np.mean(same)), 3)}
    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return row


def judge(
    name: str, groups: Sequence[NDArray[np.int64]], scores: Float64Array, mos: Float64Array
) -> dict[str, Any]:
    """Compare the best of groups by score to the best by people; `clear` are groups that people have a clear best of."""
    best = [mos[group] == mos[group].max() for group in groups]
    hits = np.array(
        [is_best[scores[group].argmax()] for group, is_best in zip(groups, best, strict=True)]
    )
    chances = np.array([is_best.mean() for is_best in best])
    clear = np.array([np.diff(np.sort(mos[group])[-2:])[0] >= CLEAR for group in groups], bool)
    right, pairs = 0, 0
    for group in groups:
        one, other = np.triu_indices(len(group), 1)
        by_people, by_score = (
            values[group][one] - values[group][other] for values in (mos, scores)
        )
        counted = np.abs(by_people) >= CLEAR
        right += int((by_people * by_score > 0)[counted].sum())
        pairs += int(counted.sum())
    generator = np.random.default_rng(0)
    again = [hits[generator.integers(0, len(hits), len(hits))].mean() for _ in range(1000)]
    low, high = np.quantile(again, (0.025, 0.975))
    row: dict[str, Any] = {
        "what": name,
        "groups": len(groups),
        "photos": sum(map(len, groups)),
        "best": round(float(hits.mean()), 3),
        "from": round(float(low), 3),
        "to": round(float(high), 3),
        "chance": round(float(chances.mean()), 3),
        "clear groups": int(clear.sum()),
        "clear best": round(float(hits[clear].mean()), 3),
        "clear chance": round(float(chances[clear].mean()), 3),
        "clear pairs": pairs,
        "pairs right": round(right / max(pairs, 1), 3),
    }
    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return row


def speed(looks: Float32Array) -> list[dict[str, Any]]:
    """Seconds for many photos; each case in a process of its own, because a process only knows the most memory it ever had."""
    many = np.resize(looks, (SYNTHETIC, looks.shape[1]))
    found = []
    with TemporaryDirectory() as folder:
        for case in ("taken three seconds apart", "without times", "equal, without times"):
            file = Path(folder, "looks.npy")
            np.save(file, np.repeat(many[:1], SYNTHETIC, axis=0) if "equal" in case else many)
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                row = pool.submit(timed, case, file).result()
            found.append(row)
            print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return found


def timed(case: str, file: Path) -> dict[str, Any]:
    """Group photos, and say how long it took."""
    looks: Float32Array = np.load(file)
    start = datetime(2024, 5, 1)
    captured: list[datetime | None] = [
        None if "without" in case else start + timedelta(seconds=3 * number)
        for number in range(len(looks))
    ]
    before = peak_memory()
    began, busy = time.perf_counter(), time.process_time()
    groups = group_embeddings(looks, captured)
    return {
        "photos": len(looks),
        "what": case,
        "seconds": round(time.perf_counter() - began, 1),
        "processor seconds": round(time.process_time() - busy, 1),
        "groups": len(np.unique(groups)),
        "looks, MB": round(looks.nbytes / 1e6),
        "more at most, MB": round((peak_memory() - before) / 1000),
    }


def peak_memory() -> int:
    """Most memory that this process ever had, in kilobytes. `getrusage` would count its parent's too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    main()
