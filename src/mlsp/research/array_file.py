"""Arrays as a feature file and its ratings, so that they take the way of all others."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.features.spec import FeatureSpec, Grid
from mlsp.features.store.schema import StoreLayout
from mlsp.features.store.store import FeatureStore
from mlsp.ratings.splits import Split
from mlsp.ratings.table import Rating, RatingTable

# Of no network.
ARRAYS = "arrays"
_NO_DIGEST = "0" * 64


def write_arrays(path: Path, features: Float32Array) -> FeatureStore:
    """Write features into a file, one level of all channels.

    Args:
        path: must not exist.
        features: (photos, G, G, C), finite.

    Returns:
        The file, open for reading.
    """
    grid: Grid = 1 if features.shape[1] == 1 else 5
    channels = features.shape[-1]
    spec = FeatureSpec(ARRAYS, _NO_DIGEST, ("features",), "whole", None, grid)
    layout = StoreLayout(spec, (channels,), (grid,), dtype="float32")
    names = [str(number) for number in range(len(features))]
    with FeatureStore.create(path, layout, names) as store:
        for number, row in enumerate(features):
            store.write(number, {grid: row[None]}, width=1, height=1, content_sha256=_NO_DIGEST)
    return FeatureStore.open(path)


def rate_arrays(mos: Float64Array, lowest: float | None, highest: float | None) -> RatingTable:
    """Return the ratings of `write_arrays`' photos.

    Args:
        mos: (photos,).
        lowest: end of the scale; None: the lowest rating.
        highest: other end; None: the highest rating.

    Raises:
        RatingsError: a rating is outside of the scale.
    """
    low = float(mos.min()) if lowest is None else lowest
    high = float(mos.max()) if highest is None else highest
    # A scale rises, also where all ratings are the same.
    high = np.nextafter(low, np.inf) if low == high else high
    ratings = (
        Rating(Path(str(number)), str(number), float(value)) for number, value in enumerate(mos)
    )
    return RatingTable(ARRAYS, low, float(high), tuple(ratings))


def split_arrays(mos: Float64Array, validation: int, seed: int) -> Split:
    """Put photos aside that choose the best epoch, from low to high ratings.

    Args:
        mos: (photos,).
        validation: how many.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    strata = np.array_split(np.argsort(mos, kind="stable"), validation)
    chosen = np.sort([rng.choice(stratum) for stratum in strata])
    train = np.setdiff1d(np.arange(len(mos)), chosen)
    return Split(train, chosen, np.empty(0, dtype=np.intp))
