"""Cross-validation for small collections: each fold is the test photos of one split."""

from __future__ import annotations

import numpy as np

from mlsp.base.errors import SettingsError
from mlsp.ratings.splits import Split, SplitSettings, number_groups
from mlsp.ratings.table import RatingTable

MIN_FOLDS = 2


def fold_splits(table: RatingTable, settings: SplitSettings, folds: int) -> tuple[Split, ...]:
    """Split a table several times, so that each photo is a test photo once.

    Args:
        table: rated photos.
        settings: by `random` or `group`, which keeps a group in one part; its test share is not used.
        folds: number of splits, at least 2.

    Raises:
        RatingsError: by `group`, and no photo has one.
        SettingsError: the split is the table's own, or there are too few photos or groups.
    """
    if settings.by == "given":
        raise SettingsError(
            "folds draw test photos of their own: split by random or group, or leave out the folds"
        )
    by_group = settings.by == "group"
    singles = np.arange(len(table)), np.ones(len(table), dtype=np.intp)
    numbers, sizes = number_groups(table) if by_group else singles
    noun = "groups" if by_group else "photos"
    # Of what is not tested one is learned from, another chooses the best.
    least = max(3, folds)
    if folds < MIN_FOLDS or len(sizes) < least:
        raise SettingsError(
            f"{table.name} has {len(sizes)} {noun}, and {folds} folds were asked for: expected at least {MIN_FOLDS} folds, and"
            f" {least} {noun}"
        )
    fold_of_group = np.zeros(len(sizes), dtype=np.intp)
    photos = np.zeros(folds, dtype=np.intp)
    for group in np.random.default_rng(settings.seed).permutation(len(sizes)):
        smallest = int(photos.argmin())
        fold_of_group[group] = smallest
        photos[smallest] += sizes[group]
    return tuple(
        _split(numbers, sizes, fold_of_group == fold, settings, fold) for fold in range(folds)
    )


def _split(
    numbers: np.ndarray, sizes: np.ndarray, tested: np.ndarray, settings: SplitSettings, fold: int
) -> Split:
    others = np.random.default_rng([settings.seed, fold]).permutation(np.flatnonzero(~tested))
    wanted = max(1, round(settings.validation_share * len(numbers)))
    chooses = np.zeros(len(sizes), dtype=np.bool_)
    # One is left to learn from, whatever the share.
    for group in others[:-1]:
        if chooses.any() and sizes[chooses].sum() + sizes[group] > wanted:
            continue
        chooses[group] = True
    part = np.where(tested, 2, np.where(chooses, 1, 0))[numbers]
    train, validation, test = (np.flatnonzero(part == number) for number in range(3))
    return Split(train, validation, test)
