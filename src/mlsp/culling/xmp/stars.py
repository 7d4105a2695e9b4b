"""Percentile -> stars."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from mlsp.base.errors import SettingsError

MAX_STARS = 5


@dataclass(frozen=True, slots=True)
class StarSettings:
    """Thresholds of stars.

    Attributes:
        thresholds: percentiles at which 2, 3, 4 and 5 stars begin, 0…100, ascending.

    Raises:
        SettingsError: they are not four ascending numbers from 0 to 100.
    """

    thresholds: tuple[float, float, float, float] = (20, 45, 70, 90)

    def __post_init__(self) -> None:
        given = self.thresholds
        is_good = (
            len(given) == MAX_STARS - 1
            and all(0 <= value <= 100 for value in given)
            and all(lower < higher for lower, higher in pairwise(given))
        )
        if not is_good:
            shown = ",".join(f"{value:g}" for value in given)
            raise SettingsError(
                "thresholds of stars must be four ascending percentiles from 0 to 100, at which 2, 3, 4 and 5 stars begin,"
                f" such as 20,45,70,90; got {shown or 'none'}"
            )


def stars(percentile: float, settings: StarSettings = StarSettings()) -> int:
    """Turn a percentile into stars.

    Args:
        percentile: 0…100.
        settings: where each number of stars begins.

    Returns:
        1…5.

    Raises:
        SettingsError: the percentile is not a number from 0 to 100.

    Examples:
        >>> [stars(percentile) for percentile in (0, 20, 69.9, 70, 100)]
        [1, 2, 3, 4, 5]
    """
    if math.isnan(percentile) or not 0 <= percentile <= 100:
        raise SettingsError(f"a percentile is a number from 0 to 100, got {percentile:g}")
    return 1 + sum(percentile >= threshold for threshold in settings.thresholds)
