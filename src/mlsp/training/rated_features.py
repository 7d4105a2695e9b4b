"""Joins a feature file and a rating table: which row holds which rated photo."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlsp.base.errors import FeatureStoreError, RatingsError
from mlsp.base.text import listed, normal_name
from mlsp.features.spec import spec_record
from mlsp.features.store.schema import FAILED, PENDING
from mlsp.features.store.store import FeatureStore
from mlsp.ratings.splits import Split
from mlsp.ratings.table import SPLITS, RatingTable

_log = logging.getLogger(__name__)

MIN_TRAIN, MIN_VALIDATION = 10, 2
# What becomes of rated photos that are not in a feature file.
Missing = Literal["error", "leave-out"]


@dataclass(frozen=True, slots=True)
class RatedFeatures:
    """Rated photos that have features.

    Attributes:
        split: rows of the table, without photos that have no features.
        rows: (photos of the table,) their rows in the feature file; -1 where the photo is not used.
        failed: names of photos that are left out because their extraction failed.
        absent: names of those that are left out because the file does not have them.
    """

    split: Split
    rows: NDArray[np.intp]
    failed: tuple[str, ...]
    absent: tuple[str, ...]

    @property
    def left_out(self) -> tuple[str, ...]:
        """Names of all photos that are left out."""
        return self.failed + self.absent

    def warn_of_left_out(self) -> None:
        """Log which photos were left out, if any."""
        total = len(self.left_out) + np.count_nonzero(self.rows >= 0)
        for names, why in (
            (self.failed, "their extraction failed"),
            (self.absent, "the feature file does not have them"),
        ):
            if names:
                _log.warning(
                    "%d of %d rated photos have no features, because %s, and are left out: %s",
                    len(names),
                    total,
                    why,
                    listed(names),
                )


def join(
    store: FeatureStore, ratings: RatingTable, split: Split, *, missing: Missing = "error"
) -> RatedFeatures:
    """Find the features of the rated photos in a split.

    A photo is found by its name in the file, the path relative to the photos' folder; or else by its file name, where no other
    photo in the file has that.

    Args:
        store: the features.
        ratings: the table.
        split: of the table; photos in none of its parts are not looked up.
        missing: leave out photos that are not in the file, or refuse them.

    Raises:
        RatingsError: a photo is not in the file and not to be left out, two are the same one there, or too few are left to learn from.
        FeatureStoreError: the extraction is not finished.
    """
    used = np.unique(np.concatenate(split.parts).astype(np.intp))
    found = _found(store, ratings, used)
    names = np.array(ratings.photo_ids, dtype=object)[used]
    absent = names[found < 0]
    if len(absent) and missing == "error":
        raise RatingsError(
            f"{ratings.name}: {len(absent)} of {len(used)} rated photos are not in feature file {store.path}: {listed(absent)}:"
            " extract them too, or leave them out by --missing leave-out"
        )
    used, found, names = used[found >= 0], found[found >= 0], names[found >= 0]
    statuses = store.statuses()[found]
    pending = names[statuses == PENDING]
    if len(pending):
        raise FeatureStoreError(
            f"feature file {store.path} has no features yet of {len(pending)} of {len(used)} rated photos: {listed(pending)}:"
            " finish the extraction"
        )
    failed = names[statuses == FAILED]
    rows = np.full(len(ratings), -1, dtype=np.intp)
    rows[used] = np.where(statuses == FAILED, -1, found)
    kept = Split(*(part[rows[part] >= 0] for part in split.parts))
    _check_enough(ratings, kept)
    return RatedFeatures(kept, rows, tuple(failed), tuple(absent))


def _found(store: FeatureStore, ratings: RatingTable, used: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the photos' rows in the file; -1 for those that it does not have."""
    row_of = {normal_name(name): row for row, name in enumerate(store.ids)}
    wanted = [normal_name(ratings.ratings[row].photo_id) for row in used]
    rows = np.array([row_of.get(name, -1) for name in wanted], dtype=np.intp)
    missing = np.flatnonzero(rows < 0)
    if len(missing):
        counts = Counter(PurePosixPath(name).name for name in row_of)
        by_file = {PurePosixPath(name).name: row for name, row in row_of.items()}
        for index in missing:
            file = PurePosixPath(wanted[index]).name
            if counts[file] == 1:
                rows[index] = by_file[file]
    taken, counts_of_rows = np.unique(rows[rows >= 0], return_counts=True)
    if (counts_of_rows > 1).any():
        row = int(taken[counts_of_rows > 1][0])
        same = [wanted[index] for index in np.flatnonzero(rows == row)]
        raise RatingsError(
            f"{ratings.name}: {listed(same)} are all {store.ids[row]!r} in feature file {store.path}: name photos by their path"
            " relative to the folder that was extracted"
        )
    return rows


def _check_enough(ratings: RatingTable, split: Split) -> None:
    for part, least, purpose in (
        ("train", MIN_TRAIN, "to learn from"),
        ("validation", MIN_VALIDATION, "to choose the best model by"),
    ):
        rows = getattr(split, part)
        if len(rows) < least:
            raise RatingsError(
                f"{ratings.name} has {len(rows)} {part} photos with features, expected at least {least} {purpose}:"
                " rate more photos, or change the split"
            )
        values = ratings.mos[rows]
        if (values == values[0]).all():
            raise RatingsError(
                f"{ratings.name}: all {len(rows)} {part} photos are rated {values[0]:g}: there is nothing {purpose}"
            )


def features_digest(store: FeatureStore, rows: Sequence[int] | NDArray[np.intp]) -> str:
    """Return the SHA-256 of the features of some rows: over the layout, and the photos' names and contents."""
    digest = hashlib.sha256()
    layout = store.layout
    what = (spec_record(layout.feature_spec), layout.level_channels, layout.dtype, layout.precision)
    digest.update(json.dumps(what).encode())
    for row in rows:
        photo = store.photo(int(row))
        digest.update(
            f"{photo.photo_id}\0{photo.content_sha256}\n".encode(errors="surrogateescape")
        )
    return digest.hexdigest()


def ratings_digest(ratings: RatingTable, split: Split) -> str:
    """Return the SHA-256 of a table and its split: over names, ratings, votes and parts."""
    digest = hashlib.sha256()
    what = (ratings.lowest, ratings.highest, ratings.bins)
    digest.update(json.dumps(what).encode())
    for part, rows in zip(SPLITS, split.parts, strict=True):
        digest.update(part.encode())
        for row in rows:
            rating = ratings.ratings[row]
            line = f"{rating.photo_id}\0{rating.mos!r}\0{rating.votes!r}\n"
            digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()
