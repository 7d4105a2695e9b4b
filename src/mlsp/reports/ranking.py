"""Ranking of results for a report."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from mlsp.base.errors import SettingsError, unknown_name
from mlsp.reports.rows import columns

if TYPE_CHECKING:
    from mlsp.scoring.results import ScoreResult

_PERCENTILE = "_percentile"


def check_sort(by: str, heads: Sequence[str]) -> None:
    """Check, before photos are scored, that their results can be sorted.

    Args:
        by: `overall`, a head, `<head>_percentile` or `photo`.
        heads: names of the model's heads.

    Raises:
        SettingsError: there is no such column, or a head's name makes a column twice.
    """
    known = [name for name in columns(heads) if name not in ("width", "height", "files", "model")]
    if by not in known:
        raise SettingsError(unknown_name("column to sort by", by, known))


def sort_results(
    scored: Iterable[ScoreResult],
    by: str = "overall",
    *,
    heads: Sequence[str],
    top: int | None = None,
) -> list[ScoreResult]:
    """Rank results.

    Args:
        scored: results in any order.
        by: `overall`, a head or `<head>_percentile`: best first; or `photo`: alphabetically.
        heads: names of the model's heads.
        top: only so many of the first; None for all.

    Returns:
        The results; those that are equal by the photo's path, so that every run gives the same order. NaN comes
        last.

    Raises:
        SettingsError: there is no such column, or `top` is below 1.
    """
    check_sort(by, heads)
    if top is not None and top < 1:
        raise SettingsError(f"top must be at least 1, got {top}")
    value = _value_of(by, heads)

    def key(result: ScoreResult) -> tuple[bool, float, str]:
        number = value(result)
        is_missing = math.isnan(number)
        return is_missing, 0.0 if is_missing else -number, os.fspath(result.source)

    return sorted(scored, key=key)[:top]


def _value_of(by: str, heads: Sequence[str]) -> Callable[[ScoreResult], float]:
    """Return what ranks a result: higher is better."""
    if by == "photo":
        return lambda _: 0.0
    if by == "overall":
        return lambda result: result.overall
    if by in heads:
        return lambda result: result.scores[by].value
    head = by.removesuffix(_PERCENTILE)
    return lambda result: result.scores[head].percentile
