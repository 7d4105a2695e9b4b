"""Rating tables: photos and what people think of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlsp.arrays import Float64Array
from mlsp.errors import RatingsError


@dataclass(frozen=True, slots=True)
class Rating:
    """One rated photo.

    Attributes:
        photo: its file.
        mos: mean opinion score, on the table's scale.
        split: `train` or `test` where the authors published one.
        group: photos of one group must not be on both sides of a split.
    """

    photo: Path
    mos: float
    split: str | None
    group: str


@dataclass(frozen=True, slots=True)
class RatingTable:
    """Rated photos on one scale.

    Attributes:
        name: of the collection.
        lowest: end of the scale.
        highest: other end of it.
        ratings: in the published order.

    Raises:
        RatingsError: it is empty, or a rating is outside the scale.
    """

    name: str
    lowest: float
    highest: float
    ratings: tuple[Rating, ...]

    def __post_init__(self) -> None:
        if not self.ratings:
            raise RatingsError(f"{self.name}: no ratings were found: check the table's path")
        for rating in self.ratings:
            if not self.lowest <= rating.mos <= self.highest:
                raise RatingsError(
                    f"{self.name}: {rating.photo.name} has rating {rating.mos}, expected"
                    f" {self.lowest} to {self.highest}: correct the table"
                )

    def __len__(self) -> int:
        return len(self.ratings)

    def __iter__(self) -> Iterator[Rating]:
        return iter(self.ratings)

    @property
    def mos(self) -> Float64Array:
        """(photos,) mean opinion scores."""
        return np.array([rating.mos for rating in self.ratings])

    @property
    def photos(self) -> tuple[Path, ...]:
        """Files, in the table's order."""
        return tuple(rating.photo for rating in self.ratings)


def parse_mos(text: str | None, where: str) -> float:
    """Read a mean opinion score from a table.

    Args:
        text: the cell; None where the row is too short.
        where: collection, table and line, for the message.

    Raises:
        RatingsError: it is not a number.
    """
    try:
        return float(text or "")
    except ValueError as error:
        raise RatingsError(
            f"{where}: expected a rating, got {text!r}: correct the table"
        ) from error


def photos_by_lower_name(folder: Path) -> dict[str, Path]:
    """Files of a folder by lower-case name: published tables and files differ in letter case.

    Raises:
        RatingsError: there is no such folder.
    """
    if not folder.is_dir():
        raise RatingsError(f"no folder {folder}: give the folder that holds the photos")
    return {path.name.lower(): path for path in sorted(folder.iterdir())}
