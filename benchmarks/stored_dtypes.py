"""What 8-bit features cost in agreement with people: ridge heads on the same features, kept in each dtype of the feature store.

    python benchmarks/stored_dtypes.py FEATURES.h5 RATINGS.csv [--photos 3000] [--json FILE]

FEATURES is a float16 or float32 store of narrow and wide features of whole photos (`mlsp extract … --grid both`), RATINGS a table with the
columns photo, mos and split (train or test), photos named as in the store. Wide heads see every cell: a ridge regression on the square
roots of all 25 cells' standardised channels, levels weighed alike. Heads are fitted and tested on features of one dtype;
`crossed` is the head fitted on features as they are, tested on those of the dtype.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.evaluation.metrics import plcc, srcc
from mlsp.features.spec import Grid
from mlsp.features.store.codec import STORED_DTYPES, GridCodec, StoredDtype, grid_name
from mlsp.features.store.store import FeatureStore

# Mean squared error plus so much times the mean squared weight; tried 1e-4 to 1e-2 on train photos.
PENALTY = {1: 8e-5, 5: 4e-4}
LEAST_DEVIATION = 1e-4
CHANNELS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class RatedFeatures:
    """Features of rated photos: `features` (photos, G, G, C), `train` (photos,) of booleans."""

    features: Float32Array
    mos: Float64Array
    train: np.ndarray
    level_channels: tuple[int, ...]


def read(store: FeatureStore, table: Path, grid: Grid, count: int | None) -> RatedFeatures:
    """Of `count` photos every n-th of the table, so that all parts are among them."""
    with table.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    if count is not None and count < len(rows):
        rows = [rows[index * len(rows) // count] for index in range(count)]
    indices = [store.index_of(row["photo"]) for row in rows]
    channels = store.layout.channels
    features = np.empty((len(rows), grid, grid, channels), np.float32)
    for place, index in enumerate(indices):
        features[place] = store.read(index, grid=grid)[0]
    return RatedFeatures(
        features,
        np.array([float(row["mos"]) for row in rows]),
        np.array([row["split"] != "test" for row in rows]),
        store.layout.level_channels,
    )


def kept(rated: RatedFeatures, grid: Grid, dtype: StoredDtype) -> tuple[Float32Array, int]:
    """Features as a store of the dtype gives them back, and bytes of one photo's."""
    codec = GridCodec(grid, rated.level_channels, dtype)
    back = np.empty_like(rated.features)
    for place in range(len(back)):
        photo = slice(place, place + 1)
        codec.decode(codec.encode(rated.features[photo]), back[photo])
    return back, sum(part.view_bytes for part in codec.parts)


def columns(rated: RatedFeatures, others: tuple[Float32Array, ...]) -> Iterator[list[Float32Array]]:
    """A few channels at a time, all cells: (photos, columns) of `others`, standardised by the first's train photos."""
    level_of = np.repeat(np.arange(len(rated.level_channels)), rated.level_channels)
    weight = 1 / np.sqrt(np.bincount(level_of)[level_of] * len(rated.level_channels))
    cells = rated.features.shape[1] ** 2
    for start in range(0, len(level_of), CHANNELS_AT_ONCE):
        chosen = slice(start, start + CHANNELS_AT_ONCE)
        roots = [
            np.sqrt(np.maximum(other[..., chosen], 0)).reshape(len(other), -1) for other in others
        ]
        mean = roots[0][rated.train].mean(axis=0)
        deviation = np.maximum(roots[0][rated.train].std(axis=0), LEAST_DEVIATION)
        scale = np.tile(weight[chosen], cells) / np.sqrt(cells) / deviation
        yield [((part - mean) * scale).astype(np.float32) for part in roots]


def agreement(
    rated: RatedFeatures, fitted_on: Float32Array, tested_on: Float32Array, penalty: float
) -> tuple[float, float]:
    """SRCC and PLCC on the test photos, by ridge regression in its dual form: photos are fewer than columns."""
    train = rated.train
    inner = np.zeros((train.sum(), train.sum()))
    outer = np.zeros(((~train).sum(), train.sum()))
    for own, other in columns(rated, (fitted_on, tested_on)):
        inner += own[train] @ own[train].T
        outer += other[~train] @ own[train].T
    mos = rated.mos[train]
    inner[np.diag_indices_from(inner)] += penalty * len(mos)
    scores = outer @ np.linalg.solve(inner, mos - mos.mean()) + mos.mean()
    return srcc(scores, rated.mos[~train]), plcc(scores, rated.mos[~train])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("features", type=Path)
    parser.add_argument("ratings", type=Path)
    parser.add_argument("--photos", type=int, help="all by default")
    parser.add_argument("--grids", type=int, nargs="+", choices=[1, 5], default=[1, 5])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found: list[dict[str, object]] = []
    with FeatureStore.open(arguments.features) as store:
        backbone = store.layout.feature_spec.backbone
        for grid in arguments.grids:
            rated = read(store, arguments.ratings, grid, arguments.photos)
            for dtype in STORED_DTYPES:
                if dtype == "float32":
                    continue
                back, view_bytes = kept(rated, grid, dtype)
                same = agreement(rated, back, back, PENALTY[grid])
                crossed = agreement(rated, rated.features, back, PENALTY[grid])
                row: dict[str, object] = {
                    "backbone": backbone,
                    "grid": grid_name(grid),
                    "dtype": dtype,
                    "photos": len(rated.mos),
                    "of these for testing": int((~rated.train).sum()),
                    "bytes a view": view_bytes,
                    "SRCC": round(same[0], 4),
                    "PLCC": round(same[1], 4),
                    "crossed SRCC": round(crossed[0], 4),
                }
                found.append(row)
                print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
