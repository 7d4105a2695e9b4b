"""Features -> values -> scores: the one place that applies a model's heads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Protocol, Self

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import EngineError, ModelError, SettingsError
from mlsp.models.model import Model
from mlsp.scoring.results import Score


class Head(Protocol):
    """A head that is open; see `mlsp.features.engines.openvino_engine.OpenVinoHead`."""

    def predict(self, features: Float32Array) -> Float32Array:
        """(N, G, G, C) -> (N,)."""


class Heads:
    """A model's heads. Several threads may use them at once.

    Args:
        model: the model's record.
        heads: in the order of its records.
        channels: C of the features they read; 0 where that is not known.

    Raises:
        SettingsError: the model has another number of heads.
    """

    def __init__(self, model: Model, heads: Iterable[Head], *, channels: int = 0) -> None:
        heads = tuple(heads)
        if len(heads) != len(model.heads):
            raise SettingsError(
                f"model {model.name!r} has {len(model.heads)} heads, got {len(heads)}"
            )
        self._records = model.heads
        self._heads = heads
        self.channels = channels

    @classmethod
    def open(cls, model: Model, *, threads: int = 1) -> Self:
        """Open the heads of a model folder by OpenVINO.

        Args:
            model: the model's record.
            threads: cores per call: 1 where photos are scored side by side, more for large batches.

        Raises:
            ModelError: a head cannot be read, or they read different numbers of channels.
        """
        from mlsp.features.engines.openvino_engine import OpenVinoHead

        heads = [OpenVinoHead(model.folder / head.file, threads=threads) for head in model.heads]
        if len({head.channels for head in heads}) > 1:
            raise ModelError(
                f"model {model.folder}: its heads read different numbers of channels. Build the model again"
            )
        return cls(model, heads, channels=heads[0].channels)

    def values(self, features: Float32Array) -> list[dict[str, float] | EngineError]:
        """Compute the values of photos.

        Args:
            features: (N, V, G, G, C): V crops per photo, whose values are averaged.

        Returns:
            Per photo its values by the head's name, each within its scale; an error where a head gave no finite number.

        Raises:
            EngineError: a head failed.
        """
        photos, views = features.shape[:2]
        crops = features.reshape(photos * views, *features.shape[2:])
        means = [head.predict(crops).reshape(photos, views).mean(axis=1) for head in self._heads]
        return [self._checked([float(mean[photo]) for mean in means]) for photo in range(photos)]

    def _checked(self, values: list[float]) -> dict[str, float] | EngineError:
        checked = {}
        for record, value in zip(self._records, values, strict=True):
            if not math.isfinite(value):
                return EngineError(f"the head {record.name!r} gave {value}, which is no score")
            # A head extrapolates where a photo is unlike all that were rated; people's scale has ends.
            checked[record.name] = min(max(value, record.lowest), record.highest)
        return checked

    def scores(self, values: Mapping[str, float]) -> dict[str, Score]:
        """Return the scores of values that `values` gave, by the head's name."""
        return {
            head.name: Score(value, head.percentile(value), head.position(value))
            for head in self._records
            for value in [values[head.name]]
        }
