"""Splits of rated photos: those to learn from, those that stop the training, those kept for the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arguments import checked
from mlsp.base.errors import RatingsError, SettingsError, unknown_name
from mlsp.base.text import listed
from mlsp.photos.near_duplicates import look_alikes
from mlsp.ratings.table import SPLITS, RatingTable

Rows = NDArray[np.intp]
Hashes = Sequence[np.uint64] | NDArray[np.uint64]
By = Literal["given", "random", "group"]


@dataclass(frozen=True, slots=True)
class Split:
    """Rows of a rating table, in three parts, ascending in each.

    Attributes:
        train: (photos,) rows to train with.
        validation: (photos,) rows that choose the best model.
        test: (photos,) rows to measure agreement with.
    """

    train: Rows
    validation: Rows
    test: Rows

    @property
    def parts(self) -> tuple[Rows, Rows, Rows]:
        """Rows of the train, the validation and the test photos."""
        return self.train, self.validation, self.test


class SplitTables(NamedTuple):
    """A rating table in three parts.

    Attributes:
        train: photos to train with.
        validation: photos that choose the best model; None where there are none.
        test: photos to measure agreement with; None where there are none.
    """

    train: RatingTable
    validation: RatingTable | None
    test: RatingTable | None


@checked
@dataclass(frozen=True, slots=True)
class SplitSettings:
    """Settings of a split.

    Attributes:
        by: `given` takes the table's split, and validation photos at random out of the train photos where it names none;
            `random` draws photos; `group` draws groups, so that no group is in two parts. A photo without group is one of its own;
            some must have one.
        validation_share: of all photos; of the train photos for `given`. The paper's: .05.
        test_share: of all photos; not used for `given`.
        seed: of the drawing.

    Raises:
        SettingsError: a value is out of range.
    """

    by: By = "given"
    validation_share: float = 0.05
    test_share: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.by not in get_args(By):
            raise SettingsError(unknown_name("way to split", self.by, get_args(By)))
        for name in ("validation_share", "test_share"):
            share = getattr(self, name)
            if not 0 <= float(share) < 1:
                raise SettingsError(f"{name} is {share:g}, expected 0 to below 1")
        if self.validation_share + self.test_share >= 1:
            raise SettingsError(
                f"validation_share and test_share are {self.validation_share:g} and {self.test_share:g}, expected less than 1"
                " together: something must be left to learn from"
            )
        if self.seed < 0:
            raise SettingsError(f"seed must be a whole number from 0, got {self.seed}")


@checked
def split_ratings(
    table: RatingTable,
    *,
    by: By = "given",
    validation_share: float = 0.05,
    test_share: float = 0.2,
    seed: int = 0,
) -> SplitTables:
    """Split a table into tables for training, for validation and for the test.

    Args:
        table: rated photos.
        by: see `SplitSettings`.
        validation_share: see `SplitSettings`.
        test_share: see `SplitSettings`.
        seed: of the drawing.

    Returns:
        Every photo is in one part; unpacks as `train, validation, test`.

    Raises:
        RatingsError: the table has no split, or too few photos or groups; `by="random"` needs neither split nor groups.
        SettingsError: an argument is unknown or out of range.
    """
    split = split_rows(table, SplitSettings(by, validation_share, test_share, seed))
    validation, test = (
        table.select(rows) if len(rows) else None for rows in (split.validation, split.test)
    )
    return SplitTables(table.select(split.train), validation, test)


def split_rows(table: RatingTable, settings: SplitSettings | None = None) -> Split:
    """Split a table into rows for training, for validation and for the test.

    Args:
        table: rated photos.
        settings: None for the split that the table gives.

    Returns:
        Every photo is in one part. A part is empty where its share is 0 or, for `given`, where the table names no test photos.

    Raises:
        RatingsError: the table has no split or too few photos or groups.
    """
    settings = settings or SplitSettings()
    draw = {"given": _given, "random": _random, "group": _by_group}[settings.by]
    parts = draw(table, settings)
    return Split(*(np.flatnonzero(parts == part) for part in SPLITS))


def _given(table: RatingTable, settings: SplitSettings) -> NDArray[np.str_]:
    without = [rating.photo_id for rating in table if rating.split is None]
    if len(without) == len(table):
        raise RatingsError(
            f"{table.name} has no split: add a column split with train, validation and test, or split by random or group"
        )
    if without:
        raise RatingsError(
            f"{table.name}: {len(without)} of {len(table)} photos have no split: {listed(without)}: complete the column"
        )
    parts = np.array([rating.split for rating in table])
    train = np.flatnonzero(parts == "train")
    if not (parts == "validation").any():
        count = _count(settings.validation_share, len(train))
        parts = parts.astype("<U10")
        parts[_drawn(train, settings.seed)[:count]] = "validation"
    if not (parts == "train").any():
        raise RatingsError(f"{table.name} names no train photos: nothing is left to learn from")
    return parts


def _random(table: RatingTable, settings: SplitSettings) -> NDArray[np.str_]:
    test = _count(settings.test_share, len(table))
    validation = _count(settings.validation_share, len(table))
    if test + validation >= len(table):
        raise RatingsError(
            f"{table.name} has {len(table)} photos, expected at least one for each part of the split: rate more"
        )
    order = _drawn(np.arange(len(table)), settings.seed)
    parts = np.full(len(table), "train", dtype="<U10")
    parts[order[:test]] = "test"
    parts[order[test : test + validation]] = "validation"
    return parts


def _by_group(table: RatingTable, settings: SplitSettings) -> NDArray[np.str_]:
    numbers, sizes = number_groups(table)
    wanted = [
        (part, _count(share, len(table)))
        for part, share in (
            ("test", settings.test_share),
            ("validation", settings.validation_share),
        )
        if share
    ]
    if len(sizes) <= len(wanted):
        raise RatingsError(
            f"{table.name} has {len(sizes)} groups, expected at least {len(wanted) + 1}, one for each part of the split:"
            " split by random"
        )
    part_of_group = np.full(len(sizes), "train", dtype="<U10")
    left = list(_drawn(np.arange(len(sizes)), settings.seed))
    for after, (part, count) in zip(reversed(range(len(wanted))), wanted, strict=True):
        # In the order drawn, each group that still fits, as long as one is left for each later part and train; where none fits,
        # the smallest.
        chosen: list[np.intp] = []
        size = 0
        for group in left:
            if size + sizes[group] <= count and len(left) - len(chosen) > after + 1:
                chosen.append(group)
                size += sizes[group]
        chosen = chosen or [min(left, key=lambda group: int(sizes[group]))]
        part_of_group[chosen] = part
        left = [group for group in left if part_of_group[group] == "train"]
    return part_of_group[numbers]


def number_groups(table: RatingTable) -> tuple[Rows, Rows]:
    """Number the groups of a table; a photo without group is one of its own.

    Returns:
        (photos,) group of each photo, from 0 on; (groups,) photos of each group.

    Raises:
        RatingsError: no photo has a group: groups would be single photos, of which some resemble each other.
    """
    if not any(rating.group for rating in table):
        others = f" ({', '.join(map(repr, table.extra))})" if table.extra else ""
        raise RatingsError(
            f"{table.name}: no photo has a group: add a column group, name another column{others} by --group, or split by random"
        )
    names = [rating.group or f"\0{row}" for row, rating in enumerate(table)]
    _, numbers, sizes = np.unique(names, return_inverse=True, return_counts=True)
    return numbers, sizes


def _count(share: float, photos: int) -> int:
    return max(1, round(share * photos)) if share else 0


def _drawn(rows: Rows, seed: int) -> Rows:
    return np.random.default_rng(seed).permutation(rows)


def check_overlap(
    table: RatingTable,
    split: Split,
    *,
    contents: Sequence[str] | None = None,
    hashes: Hashes | None = None,
) -> None:
    """Check that no test photo is a train or validation photo too, under whatever name.

    Args:
        table: that was split.
        split: of it. Validation photos count as train photos: they choose the model.
        contents: one per photo, equal for equal files, such as a SHA-256.
        hashes: (photos,) of `mlsp.photos.near_duplicates`, for photos that look alike.

    Raises:
        RatingsError: some were; it names the first ten pairs and how many test photos it concerns.
        SettingsError: `contents` or `hashes` are not one per photo.
    """
    for name, keys in (("contents", contents), ("hashes", hashes)):
        if keys is not None and len(keys) != len(table):
            raise SettingsError(f"{name}: got {len(keys)}, expected one per photo: {len(table)}")
    learned = np.concatenate([split.train, split.validation])
    _refuse(table, split, _equal(table.photo_ids, split.test, learned), "are learned from too")
    if contents is not None:
        found = _equal(contents, split.test, learned)
        _refuse(table, split, found, "are the same files as photos that are learned from")
    if hashes is not None:
        found = look_alikes(hashes, split.test, learned)
        _refuse(table, split, found, "look like photos that are learned from")


def _equal(keys: Sequence[str], rows: Rows, among: Rows) -> list[tuple[int, int]]:
    others = {keys[row]: row for row in reversed(among.tolist())}
    return [(row, others[keys[row]]) for row in rows.tolist() if keys[row] in others]


def _refuse(table: RatingTable, split: Split, found: list[tuple[int, int]], what: str) -> None:
    if not found:
        return
    ids = table.photo_ids
    named = (ids[row] if row == other else f"{ids[row]} ({ids[other]})" for row, other in found)
    raise RatingsError(
        f"{table.name}: {len(found)} of {len(split.test)} test photos {what}: {listed(named)}:"
        " take them out of the test, or give them one group and split by group"
    )


def restrict_split(split: Split, rows: Rows) -> Split:
    """Return the split of some of a table's photos: those that have features, for example.

    Args:
        split: of the whole table.
        rows: (photos,) rows of it, each once, in the order of `RatingTable.select`.

    Returns:
        Rows of the selected table.
    """
    return Split(*(np.flatnonzero(np.isin(rows, part)) for part in split.parts))
