"""Percentile -> stars -> what is written: stars, a flag, a colour label, or nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import get_args

from mlsp.base.errors import SettingsError, unknown_name
from mlsp.culling.marks import NO_MARKS, Flag, Label, Marks

MAX_STARS = 5
_EXAMPLE = "5=5+pick,4=green,2=none,1=reject"
_NUMBERS = tuple(str(number) for number in range(1, MAX_STARS + 1))
_NOTHING = "none"
_WORDS = (*_NUMBERS, *get_args(Flag), *get_args(Label), _NOTHING)


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


@dataclass(frozen=True, slots=True)
class XmpMap:
    """What each number of stars becomes.

    Attributes:
        marks: for 1, 2, 3, 4 and 5 stars; as given, each becomes itself.
    """

    marks: tuple[Marks, ...] = tuple(Marks(number) for number in range(1, MAX_STARS + 1))

    @classmethod
    def of(cls, text: str) -> XmpMap:
        """Read a map as a user writes it.

        Args:
            text: `5=5+pick,4=green`: for a number of stars what it becomes, several joined by `+`: a number of stars, `pick` or
                `reject`, a colour label, or `none`. A number that is not named becomes itself.

        Raises:
            SettingsError: it is not of this form; says where.

        Examples:
            >>> XmpMap.of("5=5+pick,1=none").of_stars(5)
            Marks(stars=5, flag='pick', label=None)
        """
        given: dict[str, Marks] = {}
        for part in text.split(","):
            stars, equals, becomes = (piece.strip() for piece in part.partition("="))
            if not equals or stars not in _NUMBERS:
                raise SettingsError(
                    f"a map names stars from 1 to {MAX_STARS} and what they become, such as {_EXAMPLE}; got {part.strip()!r}"
                )
            if stars in given:
                raise SettingsError(
                    f"the map {text!r} says twice what {stars} stars become: join them by +"
                )
            given[stars] = _marks(
                part.strip(), [word.strip().lower() for word in becomes.split("+")]
            )
        return cls(tuple(given.get(number, Marks(int(number))) for number in _NUMBERS))

    def of_stars(self, stars: int) -> Marks:
        """Return what a number of stars, 1…5, becomes."""
        return self.marks[stars - 1]

    def of_marks(self, marks: Marks) -> Marks:
        """Return what a person's marks become: their stars become what they do, a flag and a label that they gave stay.

        Examples:
            >>> XmpMap.of("5=4+pick+green").of_marks(Marks(5, label="red"))
            Marks(stars=4, flag='pick', label='red')
        """
        if marks.stars is None or marks.flag == "reject":
            return marks
        becomes = self.of_stars(marks.stars)
        return Marks(becomes.stars, marks.flag or becomes.flag, marks.label or becomes.label)


def _marks(part: str, words: list[str]) -> Marks:
    for word in words:
        if word not in _WORDS:
            raise SettingsError(f"{unknown_name('mark', word, _WORDS)}; in the map's {part!r}")
    if words == [_NOTHING]:
        return NO_MARKS
    stars, flag, label = (
        _one(part, words, kind) for kind in (_NUMBERS, get_args(Flag), get_args(Label))
    )
    if _NOTHING in words or (stars and flag == "reject"):
        raise SettingsError(
            f"the map's {part!r} contradicts itself: nothing goes with none, and no stars with reject, which XMP has as -1 stars"
        )
    return Marks(int(stars) if stars else None, flag, label)  # type: ignore[arg-type]


def _one(part: str, words: Iterable[str], kind: tuple[str, ...]) -> str | None:
    found = [word for word in words if word in kind]
    if len(found) > 1:
        raise SettingsError(
            f"a photo has one of {', '.join(found)}; the map's {part!r} says several"
        )
    return found[0] if found else None


STARS_ONLY = XmpMap()
