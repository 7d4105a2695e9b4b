"""A feature file and its ratings, joined and split, as arrays and data sets."""

from __future__ import annotations

from numbers import Integral
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from mlsp.base.arguments import checked
from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.closing import Closing
from mlsp.base.errors import RatingsError, SettingsError, unknown_name
from mlsp.features.spec import Grid
from mlsp.features.store.store import FeatureStore
from mlsp.ratings.datasets import load_ratings
from mlsp.ratings.splits import By, SplitSettings, split_rows
from mlsp.ratings.table import SPLITS, RatingTable
from mlsp.research.dataset import RatedDataset, View, squeezed
from mlsp.training.batches import FeatureBatches, Rows, gather
from mlsp.training.rated_features import Missing, join

Part = Literal["train", "validation", "test"]
GridName = Literal["narrow", "wide"]
Views = Literal["mean", "all"] | int

GRIDS: dict[str, Grid] = {"narrow": 1, "wide": 5}


class Arrays(NamedTuple):
    """Features and ratings of photos, as scikit-learn has them.

    Attributes:
        X: (photos, …) float32 features.
        y: (photos,) mean opinion scores.
    """

    X: Float32Array
    y: Float64Array


class FeatureSet(Closing):
    """Features of rated photos, split into train, validation and test photos.

    Args:
        features: feature file of `mlsp extract`, or one that is open.
        ratings: a table or data set, see `mlsp.load_ratings`, which also takes the ends of a scale; or what that returned.
        split: `given` by the table, `random`, by `group`; or these with shares and a seed.
        missing: `leave-out` leaves rated photos out that are not in the feature file; `error` refuses them.

    Attributes:
        store: the feature file.
        ratings: the whole table.
        split: rows of the table that have features, in three parts.
        split_settings: how they were split.
        missing: as given.
        left_out: names of rated photos without features: missing, or failed when they were extracted.

    Raises:
        FeatureStoreError: the file is damaged, or its extraction is not finished.
        RatingsError: the ratings cannot be read or split, a photo has no features, or too few are left.
        SettingsError: an argument is unknown.

    Examples:
        >>> with FeatureSet("features.h5", "ratings.csv", split="random") as photos:  # doctest: +SKIP
        ...     X, y = photos.arrays("train")
        ...     X.shape, y.shape
        ((400, 16928), (400,))
    """

    @checked
    def __init__(
        self,
        features: FeatureStore | Path | str,
        ratings: RatingTable | Path | str,
        *,
        split: By | SplitSettings = "given",
        missing: Missing = "error",
    ) -> None:
        if missing not in get_args(Missing):
            raise SettingsError(
                unknown_name("treatment of missing photos", missing, get_args(Missing))
            )
        self.ratings = ratings if isinstance(ratings, RatingTable) else load_ratings(ratings)
        settings = split if isinstance(split, SplitSettings) else SplitSettings(split)
        self.split_settings, self.missing = settings, missing
        rows = split_rows(self.ratings, settings)
        self._opened = not isinstance(features, FeatureStore)
        self.store = features if isinstance(features, FeatureStore) else FeatureStore.open(features)
        try:
            rated = join(self.store, self.ratings, rows, missing=missing)
        except BaseException:
            self.close()
            raise
        self.split, self.left_out = rated.split, rated.left_out
        self._rows = rated.rows

    def close(self) -> None:
        """Close the feature file, if it was opened here."""
        if self._opened:
            self.store.close()

    def __len__(self) -> int:
        return sum(map(len, self.split.parts))

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(rows)} {name}" for name, rows in self._parts().items())
        out = f", {len(self.left_out)} left out" if self.left_out else ""
        spec = self.store.layout.feature_spec
        return (
            f"FeatureSet({self.store.path.name!r}, {self.ratings.name!r}: {counts}{out};"
            f" {spec.backbone}, {len(spec.levels)} levels, {self.store.layout.views} views)"
        )

    @checked
    def table(self, part: Part) -> RatingTable:
        """Return the ratings of a part: names, means and votes, in the order of `arrays`.

        Raises:
            RatingsError: the part has no photos.
            SettingsError: there is no such part.
        """
        return self.ratings.select(self._table_rows(part))

    def rows(self, part: Part) -> Rows:
        """Return the rows of the feature file that hold a part's photos, in the order of `arrays`; see `table`."""
        found: Rows = self._rows[self._table_rows(part)]
        return found

    @checked
    def arrays(self, part: Part, grid: GridName = "narrow", views: Views = "mean") -> Arrays:
        """Read the features and ratings of a part into memory.

        Args:
            part: `train`, `validation` or `test`.
            grid: `narrow`, C channels; or `wide`, 5×5 cells of C.
            views: `mean` of the stored views; `all` of them; or the number of one, from 0.

        Returns:
            X of shape (photos, C) or (photos, 5, 5, C); of all V views (photos, V, C) or (photos, V, 5, 5, C).

        Raises:
            SettingsError: an argument is unknown, or the file has no such view or only narrow features.
            RatingsError: the part has no photos.
            FeatureStoreError: a row is damaged.
        """
        rows = self._table_rows(part)
        if not isinstance(views, Integral) and views not in ("mean", "all"):
            raise SettingsError(unknown_name("views", views, ("mean", "all")))
        found = gather(
            self._features(grid),
            rows,
            squeezed if views == "all" else lambda features: squeezed(features).mean(axis=1),
            view=int(views) if isinstance(views, Integral) else None,
        )
        return Arrays(found, self.ratings.mos[rows])

    @checked
    def torch(
        self,
        part: Part,
        grid: GridName = "narrow",
        *,
        view: View = "random",
        seed: int = 0,
    ) -> RatedDataset:
        """Return a part as a data set for torch's `DataLoader`, with any number of workers.

        Args:
            part: see `arrays`.
            grid: see `arrays`.
            view: `random`: each reading of a photo draws one of its stored views, as the paper trains; `all` of them; or the number of
                one, from 0.
            seed: of the draws, which are then the same for any number of workers.

        Returns:
            Items (features, rating): float32 of shape (C,) or (5, 5, C), of all V views (V, …), and a float32 number.

        Raises:
            SettingsError: see `arrays`.
            RatingsError: see `arrays`.
        """
        rows = self._table_rows(part)
        mos = self.ratings.mos[rows].astype(np.float32)
        return RatedDataset(self._features(grid), rows, mos, view=view, seed=seed)

    def _parts(self) -> dict[str, Rows]:
        return dict(zip(SPLITS, self.split.parts, strict=True))

    def _table_rows(self, part: str) -> Rows:
        parts = self._parts()
        if part not in parts:
            raise SettingsError(unknown_name("part of the split", part, parts))
        if not len(parts[part]):
            raise RatingsError(f"{self.ratings.name} has no {part} photos: change the split")
        return parts[part]

    def _features(self, grid: str) -> FeatureBatches:
        if grid not in GRIDS:
            raise SettingsError(unknown_name("grid", grid, GRIDS))
        # What is read is kept by whoever asked for it.
        return FeatureBatches(self.store, self._rows, GRIDS[grid], memory_bytes=0)
