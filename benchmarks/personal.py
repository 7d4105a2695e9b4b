"""How many ratings a taste takes: each rater's own model beside the default, on photos that neither has learned from.

    python benchmarks/personal.py --images DIR --ratings DIR [--raters 60] [--json FILE]

`--images` is the folder of the 900 OASIS photos, `--ratings` one with `corrData.mat` and `means_per_image.csv` of the repository
aenneb/OASIS-beauty (757 people, each rated 225 of the photos for beauty, 1 to 7).

The embedded beauty head learned from means over these very people and photos. So another one is fitted for each test, without the 225
photos that the rater saw and without the themes of the photos that are tested; the quality head knows nothing of OASIS. A quarter of
the themes is tested, photos to learn from are drawn from the rest.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import RatingsError
from mlsp.evaluation.metrics import srcc
from mlsp.features.pipeline import PhotoFeatures
from mlsp.models.heads import RidgeHead
from mlsp.models.model import load_model
from mlsp.personal import LinearHead, Taste, TasteSettings, learn_taste, linear_heads
from mlsp.scoring.cache import open_caches
from mlsp.scoring.scorer import Scorer

RATINGS = (10, 20, 30, 50, 100, 160)
COMPARISONS = (30, 100, 300)
KINDS = ("beauty alone", "ratings", "comparisons")
BLOCKS = 4
SETTINGS = TasteSettings(min_judgements=2, lowest=1, highest=7)
# What suits 500 photos of OASIS, by cross-validation over themes.
ALPHA = 0.001


@dataclass(frozen=True)
class Data:
    """Photos and each rater's ratings.

    Attributes:
        features: (photos, C).
        ratings: (raters, photos); NaN for photos that a rater did not see.
        block: (photos,) of its theme.
    """

    features: Float32Array
    ratings: Float64Array
    block: NDArray[np.intp]


@dataclass(frozen=True)
class Base:
    """A default that knows nothing of the tested photos.

    Attributes:
        heads: linear.
        percentiles: (photos, heads).
    """

    heads: tuple[LinearHead, ...]
    percentiles: Float64Array


def read(images: Path, folder: Path) -> Data:
    """Read the ratings, and the photos' features, a few hundred photos at a time."""
    photos = {path.stem.replace(" ", "").lower(): path for path in images.iterdir() if path.suffix}
    with (folder / "means_per_image.csv").open(encoding="utf-8-sig") as stream:
        rows = [
            (int(row["item"]) - 1, row["Theme"].replace(" ", "").lower())
            for row in csv.DictReader(stream)
        ]
    given = loadmat(folder / "corrData.mat")["corrData"]
    with open_caches() as caches:
        scorer = Scorer(cache=caches)
        found = list(scorer.features([photos[name] for _, name in rows]))
    features = np.stack(
        [one.features.reshape(-1) for one in found if isinstance(one, PhotoFeatures)]
    )
    themes = [name.rstrip("0123456789") for _, name in rows]
    codes = np.unique(themes, return_inverse=True)[1]
    block = np.random.default_rng(0).permutation(codes.max() + 1)[codes] % BLOCKS
    return Data(features, given[:, [item for item, _ in rows]], block)


class Bases:
    """A default for each set of photos that a rater saw and each tested block."""

    def __init__(self, data: Data) -> None:
        self._data = data
        model = load_model()
        (self._quality,) = (head for head in linear_heads(model) if head.name == "quality")
        (record,) = (head for head in model.heads if head.name == "quality")
        scores = self._quality.standardised(data.features)
        self._percentiles = [
            record.percentile(score * self._quality.spread + self._quality.middle)
            for score in scores
        ]
        self._made: dict[tuple[bytes, int], Base] = {}

    def of(self, seen: NDArray[np.bool_], block: int) -> Base:
        """Fitted without the seen photos and without the block's themes."""
        key = (seen.tobytes(), block)
        if key not in self._made:
            data = self._data
            rows = np.flatnonzero(~seen & (data.block != block))
            mos = np.nanmean(data.ratings, axis=0)[rows]
            fitted = RidgeHead(ALPHA).fit(data.features[rows], mos)
            weights, scores = fitted.coef_, fitted.predict(data.features)
            head = LinearHead(
                "beauty",
                weights,
                fitted.intercept_,
                float(np.median(scores)),
                float(scores.std()),
            )
            ranks = 100 * np.searchsorted(np.sort(scores), scores) / len(scores)
            self._made[key] = Base(
                (self._quality, head), np.stack([self._percentiles, ranks], axis=1)
            )
        return self._made[key]


@dataclass
class Tally:
    """Of one number of judgements, over raters."""

    default: list[float]
    personal: list[float]
    offered: list[bool]


def trial(
    data: Data, bases: Bases, rng: np.random.Generator
) -> Iterator[tuple[str, int, float, float, bool]]:
    """One rater: kind, number of judgements, agreement of the default and of the taste on tested photos, whether it was offered."""
    rater, block = int(rng.integers(len(data.ratings))), int(rng.integers(BLOCKS))
    said = data.ratings[rater]
    seen = np.isfinite(said)
    test = np.flatnonzero(seen & (data.block == block))
    pool = rng.permutation(np.flatnonzero(seen & (data.block != block)))
    base = bases.of(seen, block)
    if np.ptp(said[test]) == 0:
        return
    default = srcc(base.percentiles[test].mean(axis=1), said[test])
    yield "beauty alone", 0, default, srcc(base.percentiles[test, 1], said[test]), False

    def judge(taste: Taste) -> float:
        scores = taste.scores(data.features[test])
        return srcc(scores, said[test])

    for count in RATINGS:
        rows = pool[:count]
        taste = _learned(data, base, ratings=(rows, said[rows]))
        if taste is not None:
            yield "ratings", count, default, judge(taste), taste.is_better
    for count in COMPARISONS:
        one, other = rng.choice(pool, (2, 4 * count))
        differ = np.flatnonzero(said[one] != said[other])[:count]
        one, other = one[differ], other[differ]
        first = said[one] > said[other]
        pairs = np.where(first, one, other), np.where(first, other, one)
        taste = _learned(data, base, comparisons=pairs)
        if taste is not None:
            yield "comparisons", count, default, judge(taste), taste.is_better


def _learned(
    data: Data,
    base: Base,
    *,
    ratings: tuple[NDArray[np.intp], Float64Array] | None = None,
    comparisons: tuple[NDArray[np.intp], NDArray[np.intp]] | None = None,
) -> Taste | None:
    try:
        return learn_taste(
            data.features,
            prior=base.percentiles,
            ratings=ratings,
            comparisons=comparisons,
            heads=base.heads,
            settings=SETTINGS,
        )
    except RatingsError:
        # A few raters call everything alike.
        return None


def learning_times(data: Data, bases: Bases) -> list[str]:
    """How long learning from 500 ratings takes, three times: by the clock, and of it on the processor."""
    rng = np.random.default_rng(0)
    rows = rng.choice(len(data.features), 500, replace=False)
    stars = np.nanmean(data.ratings, axis=0)[rows] + rng.normal(size=500)
    base = bases.of(np.zeros(len(data.features), dtype=bool), 0)
    times = []
    for _ in range(3):
        started, worked = time.perf_counter(), time.process_time()
        learn_taste(
            data.features[rows],
            prior=base.percentiles[rows],
            ratings=(np.arange(500), np.clip(stars.round(), 1, 7)),
            heads=base.heads,
            settings=TasteSettings(lowest=1, highest=7),
        )
        seconds, busy = time.perf_counter() - started, time.process_time() - worked
        times.append(f"{seconds:.2f} s ({busy:.2f} s)")
    return times


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--ratings", type=Path, required=True)
    parser.add_argument("--raters", type=int, default=60)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    data = read(arguments.images, arguments.ratings)
    bases = Bases(data)
    print("learning from 500 ratings (processor):", ", ".join(learning_times(data, bases)))
    rng = np.random.default_rng(1)
    tallies: dict[tuple[str, int], Tally] = defaultdict(lambda: Tally([], [], []))
    for _ in range(arguments.raters):
        for kind, count, default, personal, offered in trial(data, bases, rng):
            tally = tallies[kind, count]
            tally.default.append(default)
            tally.personal.append(personal)
            tally.offered.append(offered)
    print(
        "| learned from | raters | default | own | own less default | offered | of these better |"
    )
    print("|---|---|---|---|---|---|---|")
    found = []
    for (kind, count), tally in sorted(
        tallies.items(), key=lambda item: (KINDS.index(item[0][0]), item[0][1])
    ):
        gain = np.array(tally.personal) - np.array(tally.default)
        gain = gain[np.isfinite(gain)]
        width = 1.96 * float(gain.std(ddof=1)) / len(gain) ** 0.5
        shown = np.flatnonzero(tally.offered)
        right = int(np.sum(np.array(tally.personal)[shown] > np.array(tally.default)[shown]))
        print(
            f"| {f'{count} {kind}' if count else f'nothing: {kind}'} | {len(gain)} | {np.nanmean(tally.default):.3f} | {np.nanmean(tally.personal):.3f}"
            f" | {gain.mean():+.3f} ± {width:.3f} | {len(shown)} | {right} |",
            flush=True,
        )
        found.append({"kind": kind, "count": count, **vars(tally)})
    if arguments.json:
        arguments.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
