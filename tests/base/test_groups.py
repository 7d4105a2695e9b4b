"""Groups, compared with what a search through all pairs finds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlsp.base.groups import join_groups

COUNT = 12
PAIRS = st.lists(st.tuples(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1)), max_size=20)


def slowly(pairs: list[tuple[int, int]]) -> list[int]:
    groups = list(range(COUNT))
    for one, other in pairs:
        low, high = sorted((groups[one], groups[other]))
        groups = [low if group == high else group for group in groups]
    return groups


@given(PAIRS, PAIRS)
def test_groups_have_all_that_belongs_together(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    groups = np.arange(COUNT)
    for pairs in (first, second):
        groups = join_groups(groups, np.array(pairs, dtype=np.intp).reshape(-1, 2))
    assert groups.tolist() == slowly(first + second)


def test_a_long_chain_ends_soon() -> None:
    chain = np.arange(200_000)
    pairs = np.stack([chain[:-1], chain[1:]], axis=1)
    assert not join_groups(chain, np.random.default_rng(0).permutation(pairs)).any()
