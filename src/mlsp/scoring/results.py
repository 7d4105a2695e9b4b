"""The scores of a photo."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True)
class Score:
    """The score that one head gives a photo.

    Attributes:
        value: on the scale of the ratings that the head learned from.
        percentile: share of the rated photos whose score is lower, 0…100; NaN where the model has no percentiles.
        position: of the value on the scale: 0 at its lowest end, 100 at its highest.
    """

    value: float
    percentile: float
    position: float = math.nan

    @property
    def standing(self) -> float:
        """The percentile; the position on the scale where the model has no percentiles. 0…100."""
        return self.position if math.isnan(self.percentile) else self.percentile

    def __str__(self) -> str:
        percentile = "" if math.isnan(self.percentile) else f" ({self.percentile:.0f} %)"
        return f"{self.value:.3g}{percentile}"


@dataclass(frozen=True, slots=True, repr=False)
class ScoreResult:
    """A photo and its scores.

    Attributes:
        ok: True; False for a `ScoreFailure`.
        error: None.
        source: the photo; `photo` for one that came as bytes, image or array.
        scores: one score per head, by the head's name, in the model's order.
        width: of the upright photo, in pixels.
        height: of the upright photo, in pixels.
        content_sha256: of the file, in hexadecimal digits; empty for an image or array.
    """

    ok: ClassVar[Literal[True]] = True
    error: ClassVar[None] = None

    source: Path
    scores: Mapping[str, Score]
    width: int
    height: int
    content_sha256: str = ""

    @property
    def overall(self) -> float:
        """Mean of the heads' percentiles, 0…100; a head without percentiles counts by its position on the scale."""
        return sum(score.standing for score in self.scores.values()) / len(self.scores)

    def raise_for_error(self) -> None:
        """Do nothing; a `ScoreFailure` raises its error."""

    def __repr__(self) -> str:
        scores = ", ".join(f"{name}={score}" for name, score in self.scores.items())
        return f"ScoreResult({self.source.name!r}, {scores})"

    def _repr_html_(self) -> str:
        """Return the file name and one row per score, for notebooks."""
        import html

        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{html.escape(str(score))}</td></tr>"
            for name, score in self.scores.items()
        )
        return f"<table><caption>{html.escape(self.source.name)}</caption>{rows}</table>"
