"""What features are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlsp.views import ViewsName

Grid = Literal[1, 5]


@dataclass(frozen=True, slots=True)
class FeatureKind:
    """What features are: two features may be compared, stored together or fed to one head only if their kinds are equal.

    Attributes:
        backbone: name of the network.
        weights_sha256: of the trained weights.
        levels: names of the levels, in the order of the channels.
        views: what of the photo the network saw.
        longest_side: photos are reduced to this many pixels by exact areas first; None for never.
        grid: cells of each side of a pooled map.
    """

    backbone: str
    weights_sha256: str
    levels: tuple[str, ...]
    views: ViewsName
    longest_side: int | None
    grid: Grid
