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
    observations: Observations,
    groups: NDArray[np.intp],
    settings: TasteSettings,
) -> HeldOut:
    """Cross-validate.

    Args:
        photos: (N, D) components.
        crowd: (N, H) standardised scores of the default's heads.
        observations: ratings and comparisons of some of the photos.
        groups: (N,) group of each photo; similar photos have one group.
        settings: folds, repeats and seed.
    """
    rng = np.random.default_rng(settings.seed)
    codes = np.unique(groups, return_inverse=True)[1]
    number = int(codes.max()) + 1
    rated = len(observations.rating_rows)
    ratings = np.zeros((settings.repeats, rated))
    margins = np.zeros((settings.repeats, len(observations.better)))
    sums, times = np.zeros(len(photos)), np.zeros(len(photos))
    for repeat in range(settings.repeats):
        fold_of = rng.permutation(number) % min(settings.folds, number)
        swapped = rng.random(len(observations.better)) < 0.5
        home = codes[np.where(swapped, observations.worse, observations.better)]
        for fold in range(int(fold_of.max()) + 1):
            tests_ratings = fold_of[codes[observations.rating_rows]] == fold
            tests = fold_of[home] == fold
            left_out = fold_of == fold
            left_out[codes[observations.better[tests]]] = left_out[
                codes[observations.worse[tests]]
            ] = True
            kept = observations.chosen(
                ~left_out[codes[observations.rating_rows]],
                ~(left_out[codes[observations.better]] | left_out[codes[observations.worse]]),
            )
            utility = fit_utility(photos, crowd, kept, observation_groups(kept, codes)).of(
                photos, crowd
            )
            ratings[repeat, tests_ratings] = utility[observations.rating_rows[tests_ratings]]
            margins[repeat, tests] = (
                utility[observations.better[tests]] - utility[observations.worse[tests]]
            )
            unseen = left_out[codes]
            sums[unseen] += utility[unseen]
            times[unseen] += 1
    return HeldOut(ratings, margins, sums / times)


def observation_groups(observations: Observations, groups: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the group of each observation, (observations,), a comparison's by its better photo: they are left out together when the penalty is chosen."""
    return np.concatenate([groups[observations.rating_rows], groups[observations.better]])
