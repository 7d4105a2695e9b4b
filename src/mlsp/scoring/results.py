"""What a model says of a photo."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import EngineError, SettingsError
from mlsp.models.model import Model


@dataclass(frozen=True, slots=True)
class Score:
    """What one head says of a photo.

    Attributes:
        value: on the scale of the ratings that the head learned from.
        percentile: share of the rated photos whose score is lower, 0…100; NaN where the model does not know of them.
        place: where the value lies on the scale: 0 at its lowest end, 100 at its highest.
    """

    value: float
    percentile: float
    place: float = math.nan


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """A photo and its scores.

    Attributes:
        source: the photo.
        scores: one a head, by the head's name, in the model's order.
        width: of the upright photo, in pixels.
        height: likewise.
        content_sha256: of the file, in hexadecimal digits.
    """

    source: Path
    scores: Mapping[str, Score]
    width: int
    height: int
    content_sha256: str = ""

    @property
    def overall(self) -> float:
        """Mean of the heads' percentiles, 0…100; for a head without percentiles its score's place on the scale counts."""
        shares = [
            score.place if math.isnan(score.percentile) else score.percentile
            for score in self.scores.values()
        ]
        return sum(shares) / len(shares)


class Head(Protocol):
    """What reads features; see `mlsp.features.engines.openvino_engine.OpenVinoHead`."""

    def predict(self, features: Float32Array) -> Float32Array:
        """(N, G, G, C) -> (N,)."""


class Heads:
    """A model's heads: features -> scores. Several threads may use them at once.

    Args:
        model: the model's record.
        heads: in the order of its records.

    Raises:
        SettingsError: they are not as many as the model has.
    """

    def __init__(self, model: Model, heads: Iterable[Head]) -> None:
        heads = tuple(heads)
        if len(heads) != len(model.heads):
            raise SettingsError(
                f"model {model.name!r} has {len(model.heads)} heads, got {len(heads)}"
            )
        self._records = model.heads
        self._heads = heads

    def values(self, features: Float32Array) -> dict[str, float]:
        """Score a photo.

        Args:
            features: (V, G, G, C), a view each.

        Returns:
            By the head's name, on its scale, the mean over the views.

        Raises:
            EngineError: a head failed, or gave no number.
        """
        values: dict[str, float] = {}
        for record, head in zip(self._records, self._heads, strict=True):
            value = float(head.predict(features).mean())
            if not math.isfinite(value):
                raise EngineError(f"the head {record.name!r} gave {value}, which is no score")
            # A head extrapolates where a photo is unlike all that were rated; people's scale has ends.
            values[record.name] = min(max(value, record.lowest), record.highest)
        return values

    def scores(self, values: Mapping[str, float]) -> dict[str, Score]:
        """Say what values mean, by the head's name."""
        return {
            head.name: Score(value, head.percentile(value), head.place(value))
            for head in self._records
            for value in [values[head.name]]
        }
