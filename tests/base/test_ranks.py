from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from mlsp.base.ranks import DrawnKendall, DrawnSpearman, average_ranks, rank_correlation

PAIRS = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        arrays.arrays(np.float64, (2, n), elements=st.integers(-4, 4).map(float)),
        arrays.arrays(np.intp, n, elements=st.integers(0, 3)),
    )
)


@given(PAIRS)
def test_drawn_correlations_are_those_of_scipy_on_the_drawn(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    (first, second), counts = pair
    rows = np.repeat(np.arange(len(counts)), counts)
    drawn = first[rows], second[rows]
    is_constant = len(rows) < 2 or any(len(set(side)) == 1 for side in drawn)
    for measure, reference in (
        (DrawnSpearman, stats.spearmanr),
        (DrawnKendall, stats.kendalltau),
    ):
        value = measure(first, second)(counts)
        if is_constant:
            assert math.isnan(value)
        else:
            assert value == pytest.approx(reference(*drawn).statistic, abs=1e-12)


def test_kendall_of_many_values_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(size=3001)
    second = (first + rng.normal(size=3001)).round(1)
    tau = DrawnKendall(first, second)(np.ones(3001, np.intp))
    assert tau == pytest.approx(stats.kendalltau(first, second).statistic, abs=1e-12)


def test_ranks_are_those_of_scipy_and_any_shape_has_a_correlation() -> None:
    first, second = np.random.default_rng(0).integers(0, 5, (2, 6, 7)).astype(float)
    np.testing.assert_array_equal(average_ranks(first), stats.rankdata(first))
    expected = stats.spearmanr(first.ravel(), second.ravel()).statistic
    assert rank_correlation(first, second) == pytest.approx(expected, abs=1e-12)
    assert math.isnan(rank_correlation(first, np.ones((6, 7))))
