"""Cross-validation: scores of photos by models that have not seen them, nor similar ones.

Groups of photos are dealt into folds. A fold tests the ratings of its groups, and the comparisons whose first photo is in one of
them; the groups of their other photos are left out of learning too, as knowing one side of a comparison would be cheating.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arrays import Float64Array
from mlsp.personal.fitting import Observations, fit_utility
from mlsp.personal.settings import TasteSettings


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Utility of photos by models that have not seen them; without the bias, which does not rank.

    Attributes:
        ratings: (repeats, ratings) of the rated photos.
        margins: (repeats, comparisons) of the better photo less that of the worse one.
        scores: (observed photos,) means over the repeats, for the spread of scores.
    """

    ratings: Float64Array
    margins: Float64Array
    scores: Float64Array


def hold_out(
    photos: Float64Array,
    crowd: Float64Array,
    said: Observations,
    groups: NDArray[np.intp],
    settings: TasteSettings,
) -> HeldOut:
    """Cross-validate.

    Args:
        photos: (N, D) components.
        crowd: (N, H) standardised scores of the default's heads.
        said: ratings and comparisons of some of the photos.
        groups: (N,) group of each photo; similar photos have one group.
        settings: folds, repeats and seed.
    """
    rng = np.random.default_rng(settings.seed)
    codes = np.unique(groups, return_inverse=True)[1]
    number = int(codes.max()) + 1
    rated = len(said.rating_rows)
    ratings = np.zeros((settings.repeats, rated))
    margins = np.zeros((settings.repeats, len(said.better)))
    sums, times = np.zeros(len(photos)), np.zeros(len(photos))
    for repeat in range(settings.repeats):
        fold_of = rng.permutation(number) % min(settings.folds, number)
        swapped = rng.random(len(said.better)) < 0.5
        home = codes[np.where(swapped, said.worse, said.better)]
        for fold in range(int(fold_of.max()) + 1):
            tests_ratings = fold_of[codes[said.rating_rows]] == fold
            tests = fold_of[home] == fold
            left_out = fold_of == fold
            left_out[codes[said.better[tests]]] = left_out[codes[said.worse[tests]]] = True
            kept = said.chosen(
                ~left_out[codes[said.rating_rows]],
                ~(left_out[codes[said.better]] | left_out[codes[said.worse]]),
            )
            utility = fit_utility(photos, crowd, kept, observation_groups(kept, codes)).of(
                photos, crowd
            )
            ratings[repeat, tests_ratings] = utility[said.rating_rows[tests_ratings]]
            margins[repeat, tests] = utility[said.better[tests]] - utility[said.worse[tests]]
            unseen = left_out[codes]
            sums[unseen] += utility[unseen]
            times[unseen] += 1
    return HeldOut(ratings, margins, sums / times)


def observation_groups(said: Observations, groups: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the group of each observation, (observations,), a comparison's by its better photo: they are left out together when the penalty is chosen."""
    return np.concatenate([groups[said.rating_rows], groups[said.better]])
