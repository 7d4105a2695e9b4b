"""Groups of things that belong together, directly or through others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def join_groups(groups: NDArray[np.intp], pairs: NDArray[np.intp]) -> NDArray[np.intp]:
    """Join the groups of pairs.

    Args:
        groups: (things,) group of each: the index of its first thing; `np.arange(things)` where
            nothing is joined yet.
        pairs: (pairs, 2) indices of things that belong together.

    Returns:
        (things,) the groups after that, named in the same way.

    Examples:
        >>> join_groups(np.arange(5), np.array([[3, 1], [4, 3]]))
        array([0, 1, 2, 1, 1])
    """
    # What belonged together before still does, also where a thing gets another group before the rest of its own.
    pairs = np.concatenate([pairs, np.stack([np.arange(len(groups)), groups], axis=1)])
    # The smallest index wins, until nothing changes.
    while True:
        of_pairs = groups[pairs]
        lowest = of_pairs.min(1)
        joined = groups.copy()
        # Not the thing only but its whole group gets the smaller index, so that long chains end soon.
        np.minimum.at(joined, of_pairs, lowest[:, None])
        np.minimum.at(joined, pairs, lowest[:, None])
        joined = joined[joined]
        if np.array_equal(joined, groups):
            return groups
        groups = joined
