"""Feature files whose ratings follow from the features, for the tests of training; and a training that can be killed.

python training_data.py FOLDER RUN_FOLDER EPOCHS    # trains from FOLDER/f.h5
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlsp.features.spec import FeatureSpec, Grid
from mlsp.features.store.schema import StoreLayout
from mlsp.features.store.store import FeatureStore
from mlsp.models.heads import HeadSpec
from mlsp.ratings.splits import Split
from mlsp.ratings.table import Rating, RatingTable
from mlsp.training import TrainedHead, TrainSettings, train_head

LEVELS = ("first", "second", "last")
CHANNELS = (96, 64, 96)
BINS = tuple(float(value) for value in range(1, 11))


def ids(photos: int) -> list[str]:
    return [f"album/{number:04d}.jpg" for number in range(photos)]


def planted(
    photos: int, *, views: int = 1, grid: int = 1, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Features (photos, views, grid, grid, 256) that follow from 2 numbers a photo, and MOS of 1 to 10 that is linear in these."""
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(7)
    channels = sum(CHANNELS)
    hidden = rng.normal(size=(photos, 2))
    loads = fixed.normal(0, 0.8, (2, channels))
    noise = rng.normal(0, 0.3, (photos, views, grid, grid, channels))
    features = np.maximum(2 + (hidden @ loads)[:, None, None, None] + noise, 0).astype(np.float32)
    return features, np.clip(5.5 + hidden @ (1.2, 0.8), 1, 10)


def votes_of(mos: float) -> tuple[float, ...]:
    """100 votes for the two bins around a mean, so that the mean is that."""
    low = min(int(mos), 9)
    share = mos - low
    return tuple(
        100 * (1 - share) if value == low else 100 * share if value == low + 1 else 0.0
        for value in range(1, 11)
    )


def make_store(
    path: Path,
    features: np.ndarray,
    *,
    grids: tuple[Grid, ...] | None = None,
    failed: tuple[int, ...] = (),
    pending: tuple[int, ...] = (),
    longest_side: int | None = None,
    names: Sequence[str] | None = None,
    sizes: np.ndarray | None = None,
    **layout: Any,
) -> Path:
    """A feature file of (photos, views, G, G, 256)."""
    photos, views, grid = features.shape[:3]
    view_name = {1: "whole", 2: "whole_mirrored", 8: "corners8"}[views]
    feature_spec = FeatureSpec("tiny", "0" * 64, LEVELS, view_name, longest_side, grid)  # type: ignore[arg-type]
    kept = grids or (grid,)
    settings = {"dtype": "float16"} | layout
    pixels = np.full((photos, 2), 9) if sizes is None else sizes
    with FeatureStore.create(
        path, StoreLayout(feature_spec, CHANNELS, kept, **settings), names or ids(photos)
    ) as store:
        for number in range(photos):
            if number in pending:
                continue
            if number in failed:
                store.write_failure(number, "the file is empty")
                continue
            of_grid: dict[Grid, np.ndarray] = {
                one: features[number]
                if one == grid
                else features[number].mean((1, 2), keepdims=True)
                for one in kept
            }
            width, height = pixels[number].tolist()
            store.write(
                number, of_grid, width=width, height=height, content_sha256=f"{number:064x}"
            )
    return path


def make_table(
    mos: np.ndarray, *, votes: bool = False, lowest: float = 1.0, highest: float = 10.0
) -> RatingTable:
    ratings = tuple(
        Rating(Path("photos") / name, name, float(value), votes=votes_of(value) if votes else None)
        for name, value in zip(ids(len(mos)), mos, strict=True)
    )
    return RatingTable("planted", lowest, highest, ratings, BINS if votes else None)


def make_split(photos: int, validation: int = 60, test: int = 60) -> Split:
    order = np.random.default_rng(3).permutation(photos)
    learned = photos - validation - test
    parts = (order[:learned], order[learned : learned + validation], order[learned + validation :])
    return Split(*(np.sort(part) for part in parts))


def run_small(folder: Path, run_folder: Path, epochs: int, **settings: Any) -> TrainedHead:
    """Single-3FC on two views of 150 photos; the features are made if they are not there."""
    features, mos = planted(150, views=2)
    path = folder / "f.h5"
    if not path.exists():
        make_store(path, features)
    with FeatureStore.open(path) as store:
        return train_head(
            store,
            make_table(mos),
            make_split(150, 30, 30),
            HeadSpec("single_3fc"),
            TrainSettings(**{"epochs": epochs, "batch": 31} | settings),
            run_folder=run_folder,
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, run_folder, epochs = sys.argv[1:]
    run_small(Path(folder), Path(run_folder), int(epochs))
