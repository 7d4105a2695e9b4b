"""Record of a photo's place in a stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mlsp.culling.sets import SetKind

StackKind: TypeAlias = Literal["burst", "copies"] | SetKind


@dataclass(frozen=True, slots=True)
class StackPlace:
    """Place of a photo in its stack.

    Attributes:
        stack: number of the stack: that of its first photo.
        rank: 0 for the best; of a set, the order in which they were taken.
        kind: `burst` for shots that compete, `copies` for one shot and its copies, or the kind of a set.
        reason: of its rank, in words; empty where it was not looked at.
    """

    stack: int
    rank: int
    kind: StackKind
    reason: str
