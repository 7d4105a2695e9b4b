"""The record of a head that is to be built."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Literal, Protocol, TypeVar, get_args

from torch import Tensor

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import SettingsError, unknown_name
from mlsp.features.spec import Grid
from mlsp.models.heads.forms import HEADS, HeadForm
from mlsp.models.heads.fully_connected import (
    DROPOUTS,
    MORE_DROPOUTS,
    Dropouts,
)

Output = Literal["mos", "distribution"]
Values = TypeVar("Values", float, Float32Array, Float64Array, Tensor)

# The scale on which the paper's heads learn, that of AVA; other scales are mapped to it.
_PAPER_LOWEST, _PAPER_HIGHEST = 1.0, 10.0


class FeatureLevel(Protocol):
    """A level, as heads know it; `mlsp.backbones.Level` is one."""

    @property
    def name(self) -> str:
        """Of the network's block."""

    @property
    def channels(self) -> int:
        """Width of its map."""


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """A head to be built.

    Attributes:
        name: key in `HEADS`.
        levels: names of the levels that it reads, in any order; None for all that the features have. The paper's "(5)" is
            the last five.
        more_dropout: the paper's "+do": dropouts .5, .5, .75 in place of .25, .25, .5.
        output: `mos`, a number; or `distribution`, a softmax over `bins`, whose mean is the score (NIMA).
        lowest: end of the ratings' scale.
        highest: other end of it.
        bins: ratings that people could give, ascending; needed for `distribution`.
        first: X of its 3FC; None for the paper's.
        column: channels of each column of Pool-3FC, even; None for the paper's 1024.

    Raises:
        SettingsError: a name is unknown, or a value is out of range or does not go with another.

    Examples:
        >>> HeadSpec("pool_3fc").grid
        5
    """

    name: str
    levels: tuple[str, ...] | None = None
    more_dropout: bool = False
    output: Output = "mos"
    lowest: float = _PAPER_LOWEST
    highest: float = _PAPER_HIGHEST
    bins: tuple[float, ...] | None = None
    first: int | None = None
    column: int | None = None

    def __post_init__(self) -> None:
        if self.name not in HEADS:
            raise SettingsError(unknown_name("head", self.name, HEADS))
        if self.output not in get_args(Output):
            raise SettingsError(unknown_name("output of a head", self.output, get_args(Output)))
        if self.more_dropout and self.name == "single_1fc":
            raise SettingsError("single_1fc has no dropout: more_dropout goes with the 3FC heads")
        self._check_sizes()
        if self.levels is not None:
            _check_levels(self.levels)
        if not (math.isfinite(self.lowest) and math.isfinite(self.highest)) or (
            self.lowest >= self.highest
        ):
            raise SettingsError(
                f"the scale of the ratings must rise between two numbers, got {self.lowest} to {self.highest}"
            )
        if self.bins is not None:
            _check_bins(self.bins, self.lowest, self.highest)
        elif self.output == "distribution":
            raise SettingsError(
                "output 'distribution' needs bins: the ratings that people could give, (1, 2, …, 10) for AVA"
            )

    def _check_sizes(self) -> None:
        for name, value, least in (("first", self.first, 1), ("column", self.column, 2)):
            if value is None:
                continue
            if name not in self.form.sizes:
                raise SettingsError(
                    f"{self.name} has no {name} to choose, got {value}: leave it out"
                )
            if not isinstance(value, Integral):
                raise SettingsError(f"{name} must be a whole number, got {value!r}")
            if value < least or value % least:
                even = "an even number, " * (least == 2)
                raise SettingsError(f"{name} must be {even}at least {least}, got {value}")

    @property
    def grid(self) -> Grid:
        """Cells on each side of the features that it reads: 1 narrow, 5 wide."""
        return self.form.grid

    @property
    def form(self) -> HeadForm:
        """The record of its architecture."""
        return HEADS[self.name]

    @property
    def title(self) -> str:
        """Name of its architecture for people: the paper's, or its own."""
        return self.form.title or self.name

    @property
    def outputs(self) -> int:
        """Numbers per photo that the last layer gives: 1, or one per bin."""
        return len(self.bins) if self.output == "distribution" and self.bins else 1

    @property
    def dropouts(self) -> Dropouts:
        """Dropouts of the three hidden layers of a 3FC."""
        return MORE_DROPOUTS if self.more_dropout else DROPOUTS

    def to_paper_scale(self, ratings: Values) -> Values:
        """Map ratings from the own scale to 1…10, on which heads with output `mos` learn; AVA's stay as they are.

        Examples:
            >>> HeadSpec("single_3fc", lowest=0, highest=1).to_paper_scale(0.5)
            5.5
        """
        if self._is_on_paper_scale:
            return ratings
        return _PAPER_LOWEST + (ratings - self.lowest) * self._stretch

    def from_paper_scale(self, outputs: Values) -> Values:
        """Map outputs from 1…10 to the scale of the ratings."""
        if self._is_on_paper_scale:
            return outputs
        return self.lowest + (outputs - _PAPER_LOWEST) / self._stretch

    @property
    def _is_on_paper_scale(self) -> bool:
        return (self.lowest, self.highest) == (_PAPER_LOWEST, _PAPER_HIGHEST)

    @property
    def _stretch(self) -> float:
        return (_PAPER_HIGHEST - _PAPER_LOWEST) / (self.highest - self.lowest)

    def chosen(self, levels: Sequence[FeatureLevel]) -> tuple[slice, ...]:
        """Find the channels of the levels that it reads.

        Args:
            levels: of the features, in the order of the channels.

        Returns:
            A slice of the channels for each level, in the order of the channels.

        Raises:
            SettingsError: the features lack a level.
        """
        known = [level.name for level in levels]
        for name in self.levels or ():
            if name not in known:
                raise SettingsError(unknown_name("level of the features", name, known))
        found, start = [], 0
        for level in levels:
            if self.levels is None or level.name in self.levels:
                found.append(slice(start, start + level.channels))
            start += level.channels
        return tuple(found)


def _check_levels(levels: tuple[str, ...]) -> None:
    if not levels:
        raise SettingsError("a head must read at least one level: name some, or None for all")
    for name in levels:
        if levels.count(name) > 1:
            raise SettingsError(f"level {name!r} is named twice: name each once")


def _check_bins(bins: tuple[float, ...], lowest: float, highest: float) -> None:
    ascending = all(low < high for low, high in itertools.pairwise(bins))
    inside = all(lowest <= value <= highest for value in bins)
    if len(bins) < 2 or not ascending or not inside:
        raise SettingsError(
            f"bins must be at least two, ascending, from {lowest:g} to {highest:g}, got {bins}"
        )
