"""Table of rated photos."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import mul
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arrays import Float64Array
from mlsp.base.errors import RatingsError
from mlsp.base.text import listed, normal_name
from mlsp.photos.files import stored_path

SPLITS = ("train", "validation", "test")
# Of the scale. Published means are rounded, often to two decimals; a swapped column is off by far more.
MOS_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Rating:
    """One rated photo.

    Attributes:
        photo: its file, which need not exist where stored features are used.
        photo_id: its name as in feature files: the path relative to the photos' folder, with `/` between the parts.
        mos: mean opinion score, on the table's scale.
        split: `train`, `validation` or `test` where the authors published one.
        group: of photos that belong together, such as a theme or subset; empty where none is known.
        votes: number or share of people for each of the table's bins; None where only the mean is known.
    """

    photo: Path
    photo_id: str
    mos: float
    split: str | None = None
    group: str = ""
    votes: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class RatingTable:
    """Rated photos on one scale.

    Attributes:
        name: of the collection.
        lowest: end of the scale.
        highest: other end of it.
        ratings: in the published order.
        bins: values of the bins of the votes, ascending; None where only means are known.
        extra: further columns by name, each with one text per photo.

    Raises:
        RatingsError: it is empty, a photo comes twice, a rating is outside the scale, or votes do not fit to the bins or the mean.
    """

    name: str
    lowest: float
    highest: float
    ratings: tuple[Rating, ...]
    bins: tuple[float, ...] | None = None
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.ratings:
            raise RatingsError(f"{self.name}: no ratings were found: check the table's path")
        check_scale(self.name, self.lowest, self.highest)
        if self.bins is not None and not (
            len(self.bins) > 1 and all(low < high for low, high in itertools.pairwise(self.bins))
        ):
            raise RatingsError(
                f"{self.name}: the bins are {self.bins}, expected two or more, ascending"
            )
        for rating in self.ratings:
            fault = fault_of(rating, self.lowest, self.highest, self.bins)
            if fault:
                raise RatingsError(f"{self.name}: {rating.photo_id} {fault}: correct the table")
        self._check_different()
        for column, texts in self.extra.items():
            if len(texts) != len(self.ratings):
                raise RatingsError(
                    f"{self.name}: column {column!r} has {len(texts)} rows, expected one per photo: {len(self.ratings)}"
                )

    def __len__(self) -> int:
        return len(self.ratings)

    def __repr__(self) -> str:
        votes = "" if self.bins is None else f", with votes for {len(self.bins)} values"
        return f"RatingTable({self.name!r}: {len(self)} photos, {self.lowest:g} to {self.highest:g}{votes})"

    def __iter__(self) -> Iterator[Rating]:
        return iter(self.ratings)

    @property
    def mos(self) -> Float64Array:
        """(photos,) mean opinion scores."""
        return np.array([rating.mos for rating in self.ratings], dtype=np.float64)

    @property
    def photos(self) -> tuple[Path, ...]:
        """Files, in the table's order."""
        return tuple(rating.photo for rating in self.ratings)

    @property
    def photo_ids(self) -> tuple[str, ...]:
        """Names as in feature files, in the table's order."""
        return tuple(rating.photo_id for rating in self.ratings)

    @property
    def votes(self) -> Float64Array:
        """(photos, bins) votes for each of the bins.

        Raises:
            RatingsError: the table has only means.
        """
        if self.bins is None:
            raise RatingsError(
                f"{self.name} has mean ratings only: give a table with the votes for each value, in columns votes_1, votes_2 and so on"
            )
        return np.array([rating.votes for rating in self.ratings], dtype=np.float64)

    def select(self, rows: Sequence[int] | NDArray[np.intp]) -> RatingTable:
        """Return the table of some of the photos.

        Args:
            rows: their indices, in the order wanted, each once.

        Raises:
            RatingsError: there are none, or one comes twice.
        """
        indices = [int(row) for row in rows]
        return replace(
            self,
            ratings=tuple(self.ratings[row] for row in indices),
            extra={
                name: tuple(texts[row] for row in indices) for name, texts in self.extra.items()
            },
        )

    def _check_different(self) -> None:
        counts = Counter(normal_name(rating.photo_id) for rating in self.ratings)
        if len(counts) < len(self.ratings):
            twice = [name for name, count in counts.items() if count > 1]
            raise RatingsError(
                f"{self.name} rates {listed(twice)} more than once: keep one rating a photo"
            )


def check_scale(name: str, lowest: float, highest: float) -> None:
    """Raise `RatingsError` where these are not the two ends of a scale of the table of this name."""
    if not (math.isfinite(lowest) and math.isfinite(highest) and lowest < highest):
        raise RatingsError(
            f"{name}: the scale is {lowest:g} to {highest:g}, expected two numbers, the lower first"
        )


def fault_of(
    rating: Rating, lowest: float, highest: float, bins: tuple[float, ...] | None
) -> str | None:
    """Return what is wrong with a rating, in words that follow the photo's name or the table's line.

    Args:
        rating: of the table.
        lowest: end of the scale.
        highest: other end of it.
        bins: values of the bins of the votes; None for means only.

    Returns:
        None where nothing is wrong.
    """
    if rating.split is not None and rating.split not in SPLITS:
        return f"has split {rating.split!r}, expected {', '.join(SPLITS)}"
    if rating.votes is not None:
        if bins is None:
            return "has votes, but the table has no bins"
        if len(rating.votes) != len(bins):
            return f"has votes for {len(rating.votes)} bins, expected {len(bins)}"
        if not (min(rating.votes) >= 0 and 0 < sum(rating.votes) < math.inf):
            votes = ", ".join(f"{vote:g}" for vote in rating.votes)
            return f"has the votes {votes}, expected numbers from 0, not all of them 0"
    elif bins is not None:
        return "has no votes, but the table has bins"
    if not lowest <= rating.mos <= highest:
        return f"has rating {rating.mos:g}, expected {lowest:g} to {highest:g}"
    if rating.votes is not None and bins is not None:
        mean = mean_of_votes(rating.votes, bins)
        if abs(mean - rating.mos) > MOS_TOLERANCE * (highest - lowest):
            return f"has rating {rating.mos:g}, but the mean of its votes is {mean:.4g}"
    return None


def mean_of_votes(votes: Sequence[float], bins: Sequence[float]) -> float:
    """Compute the mean opinion score of votes.

    Returns:
        NaN where there are no votes.

    Examples:
        >>> mean_of_votes([0, 3, 1], [1, 2, 3])
        2.25
    """
    total = sum(votes)
    return sum(map(mul, votes, bins)) / total if total else math.nan


def _is_there(photo: Path) -> bool:
    return stored_path(photo).is_file()


def missing_photos(table: RatingTable) -> tuple[Rating, ...]:
    """Return the ratings whose photo is missing; training from stored features does not need the photos.

    Returns:
        In the table's order.
    """
    return tuple(rating for rating in table.ratings if not _is_there(rating.photo))


def with_photos(table: RatingTable) -> RatingTable:
    """Return the table of the photos that are there.

    Raises:
        RatingsError: none is.
    """
    rows = [row for row, rating in enumerate(table.ratings) if _is_there(rating.photo)]
    if not rows:
        raise RatingsError(
            f"{table.name}: none of the {len(table)} rated photos is there, not even {table.photos[0]}:"
            " give the folder that holds them by --photos"
        )
    return table.select(rows)


def require_photos(table: RatingTable) -> RatingTable:
    """Check that every photo is there.

    Returns:
        The same table.

    Raises:
        RatingsError: some are missing; it names them.
    """
    missing = missing_photos(table)
    if missing:
        raise RatingsError(
            f"{table.name}: {len(missing)} of {len(table)} photos are missing: "
            f"{listed(str(rating.photo) for rating in missing)}: give the folder that holds the photos"
        )
    return table
