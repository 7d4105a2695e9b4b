"""Ranking of results for a report."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from mlsp.base.errors import SettingsError, unknown_name
from mlsp.reports.rows import columns

if TYPE_CHECKING:
    from mlsp.scoring.results import ScoreResult

_PERCENTILE = "_percentile"


@dataclass(frozen=True, slots=True)
class Top:
    """The first photos of a ranking, by their number or their share.

    Attributes:
        number: of photos, or percent of all.
        is_percent: which of the two.
    """

    number: float
    is_percent: bool = False

    @classmethod
    def of(cls, text: str) -> Self:
        """Read a number such as `20`, or a share such as `10%`.

        Raises:
            SettingsError: it is neither a whole number of at least 1 nor a share above 0 % and of at most 100 %.

        Examples:
            >>> Top.of("20").count(143), Top.of("10%").count(143)
            (20, 15)
        """
        found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(%?)\s*", text)
        if found is not None:
            number, is_percent = float(found[1]), bool(found[2])
            if 0 < number <= 100 if is_percent else number >= 1 and number.is_integer():
                return cls(number, is_percent)
        raise SettingsError(
            f"top must be at least 1 photo, such as 20, or a share such as 10%, got {text!r}"
        )

    def count(self, photos: int) -> int:
        """Return how many of so many photos these are; of a share at least one."""
        return (
            math.ceil(round(photos * self.number / 100, 6)) if self.is_percent else int(self.number)
        )


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
    top: int | Top | None = None,
) -> list[ScoreResult]:
    """Rank results.

    Args:
        scored: results in any order.
        by: `overall`, a head or `<head>_percentile`: best first; or `photo`: alphabetically.
        heads: names of the model's heads.
        top: only so many of the first, and nothing that is no photo; None for all.

    Returns:
        The results; those that are equal by the photo's path, so that every run gives the same order. NaN comes
        last, and after it what is no photo.

    Raises:
        SettingsError: there is no such column, or `top` is below 1.
    """
    check_sort(by, heads)
    if isinstance(top, int):
        top = Top.of(str(top))
    value = _value_of(by, heads)

    def key(result: ScoreResult) -> tuple[bool, bool, float, str]:
        number = value(result)
        is_missing = math.isnan(number)
        order = 0.0 if is_missing else -number
        return not result.is_photo, is_missing, order, os.fspath(result.source)

    ranked = sorted(scored, key=key)
    if top is None:
        return ranked
    photos = [result for result in ranked if result.is_photo]
    return photos[: top.count(len(photos))]


def _value_of(by: str, heads: Sequence[str]) -> Callable[[ScoreResult], float]:
    """Return what ranks a result: higher is better."""
    if by == "photo":
        return lambda _: 0.0
    if by == "overall":
        return lambda result: result.overall
    if by in heads:
        return lambda result: result.scores[by].value
    head = by.removesuffix(_PERCENTILE)
    return lambda result: result.percentile(head)
