"""The scores of a photo."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from mlsp.base.text import percentile_text
from mlsp.models.records import NOT_PHOTO


@dataclass(frozen=True, slots=True)
class Score:
    """The score that one head gives a photo.

    Attributes:
        value: on the scale of the ratings that the head learned from.
        percentile: share of the rated photos whose score is lower, 0…100, of those of the same kind where the model tells kinds apart;
            NaN where it has no percentiles.
        position: of the value on the scale: 0 at its lowest end, 100 at its highest.
        percentile_all: percentile among the rated photos of all kinds.
    """

    value: float
    percentile: float
    position: float = math.nan
    percentile_all: float = math.nan

    @property
    def standing(self) -> float:
        """The percentile; the position on the scale where the model has no percentiles. 0…100."""
        return self.position if math.isnan(self.percentile) else self.percentile

    def __str__(self) -> str:
        percentile = (
            "" if math.isnan(self.percentile) else f" ({percentile_text(self.percentile)} %)"
        )
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
        faults: names of the faults that are probable enough to be shown, the most probable first.
        fault_probabilities: by the fault's name, of all, shown or not; empty where the model finds no faults.
        kind: name of the most probable kind, such as `people`; None where the model tells no kinds apart.
        kind_probabilities: by the kind's name; they add up to 1.
        files: all files of the shot that the photo is of, itself first; empty where no shots were looked for.
        is_small: whether it is smaller than the size that photos are scored at, and its percentiles are less sure.
        relative_overall: `overall` where percentiles are among the photos of one run; see `mlsp.scoring.relative`.
    """

    ok: ClassVar[Literal[True]] = True
    error: ClassVar[None] = None

    source: Path
    scores: Mapping[str, Score]
    width: int
    height: int
    content_sha256: str = ""
    faults: tuple[str, ...] = ()
    fault_probabilities: Mapping[str, float] = field(default_factory=dict)
    kind: str | None = None
    kind_probabilities: Mapping[str, float] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    is_small: bool = False
    relative_overall: float | None = None

    @property
    def is_photo(self) -> bool:
        """Whether it is a photo at all, which a screenshot, a document or a chart is not; those are never ranked."""
        return self.kind != NOT_PHOTO

    @property
    def overall(self) -> float:
        """Mean of the heads' percentiles, 0…100; a head without percentiles counts by its position on the scale. NaN of what is no photo."""
        if not self.is_photo:
            return math.nan
        if self.relative_overall is not None:
            return self.relative_overall
        return sum(score.standing for score in self.scores.values()) / len(self.scores)

    def percentile(self, head: str) -> float:
        """Return the percentile of a head's score as reports show it: NaN of what is no photo, and where the model has no percentiles."""
        return self.scores[head].percentile if self.is_photo else math.nan

    def raise_for_error(self) -> None:
        """Do nothing; a `ScoreFailure` raises its error."""

    def __repr__(self) -> str:
        parts = [f"{name}={score}" for name, score in self.scores.items()]
        if self.kind is not None:
            parts.append(f"kind={self.kind}")
        if self.faults:
            parts.append(f"faults={'+'.join(self.faults)}")
        return f"ScoreResult({self.source.name!r}, {', '.join(parts)})"

    def _repr_html_(self) -> str:
        """Return the file name and one row per score, and the kind and faults, for notebooks."""
        import html

        cells = {name: str(score) for name, score in self.scores.items()}
        if self.kind is not None:
            cells["kind"] = self.kind
        if self.faults:
            cells["faults"] = ", ".join(self.faults)
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{html.escape(text)}</td></tr>"
            for name, text in cells.items()
        )
        return f"<table><caption>{html.escape(self.source.name)}</caption>{rows}</table>"
