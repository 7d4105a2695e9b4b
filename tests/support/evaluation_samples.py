"""Rated photos that exist as names only, and scores of them, for tests of evaluations."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlsp.evaluation import Predictions
from mlsp.ratings.table import Rating, RatingTable


def rated_table(photos: int = 200, *, groups: int = 0, folder: Path = Path("gone")) -> RatingTable:
    """Random ratings from 1 to 10; the groups take turns, and each photo of the first half is a train photo."""
    rng = np.random.default_rng(1)
    ratings = tuple(
        Rating(
            folder / f"{index:03}.jpg",
            f"{index:03}.jpg",
            float(mos),
            "train" if index < photos // 2 else "test",
            f"group {index % groups}" if groups else "",
        )
        for index, mos in enumerate(rng.uniform(2, 9, photos))
    )
    themes = tuple("cat" if index < 150 else "dog" for index in range(photos))
    return RatingTable("Sample", 1, 10, ratings, extra={"theme": themes})


def noisy_scores(
    table: RatingTable, noise: float, *, seed: int = 2, name: str = "m"
) -> Predictions:
    """Ratings with noise; the more, the worse the model."""
    rng = np.random.default_rng(seed)
    scores = table.mos + rng.normal(0, noise, len(table))
    return Predictions(name, "beauty", dict(zip(table.photo_ids, map(float, scores), strict=True)))


def voted_table(photos: int = 60, *, bins: tuple[float, ...] = (1, 2, 3, 4)) -> RatingTable:
    """Random votes of 20 people for each photo."""
    rng = np.random.default_rng(5)
    counts = rng.multinomial(20, rng.dirichlet(np.ones(len(bins)), photos))
    ratings = tuple(
        Rating(
            Path("gone", f"{index:03}.jpg"),
            f"{index:03}.jpg",
            float(row @ np.array(bins) / 20),
            votes=tuple(map(float, row)),
        )
        for index, row in enumerate(counts)
    )
    return RatingTable("Voted", bins[0], bins[-1], ratings, bins)


def predicted_votes(table: RatingTable, noise: float, *, name: str = "m") -> Predictions:
    """People's votes, mixed with noise by this share."""
    rng = np.random.default_rng(6)
    shares = table.votes / table.votes.sum(axis=1, keepdims=True)
    mixed = (1 - noise) * shares + noise * rng.dirichlet(np.ones(shares.shape[1]), len(table))
    scores = mixed @ np.array(table.bins)
    return Predictions(
        name,
        "score",
        dict(zip(table.photo_ids, scores.tolist(), strict=True)),
        votes={
            photo: tuple(row) for photo, row in zip(table.photo_ids, mixed.tolist(), strict=True)
        },
    )
