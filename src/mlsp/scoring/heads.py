"""Features -> outputs -> scores, faults and kinds: the one place that applies a model's heads and classifiers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import EngineError, ModelError, SettingsError
from mlsp.models.model import Model
from mlsp.photos.crops import VIEW_COUNTS
from mlsp.scoring.results import Score, ScoreResult

# Crops that heads on means read at a time: megabytes of their weights come from memory for each call, not for each photo.
_CROPS_AT_ONCE = 8


class Head(Protocol):
    """A head or classifier that is open; see `mlsp.features.engines.openvino_engine.OpenVinoHead`."""

    def predict(self, features: Float32Array) -> Float32Array:
        """(N, G, G, C) -> (N,), of a classifier (N, labels)."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a model's heads and classifiers compute for a photo.

    Attributes:
        values: by the head's name, each within its scale.
        probabilities: by the classifier's name and the label's, 0…1.
        unclipped: by the head's name, before it was clipped to its scale; empty of a photo that the cache knew.
    """

    values: Mapping[str, float]
    probabilities: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    unclipped: Mapping[str, float] = field(default_factory=dict)


class Heads:
    """A model's heads and classifiers. Several threads may use them at once.

    Args:
        model: the model's record.
        heads: in the order of its records.
        classifiers: in the order of its records; none where faults and kinds are not wanted.
        channels: C of the features they read; 0 where that is not known.

    Attributes:
        channels: as given.
        at_once: photos that are computed fastest in one call; fewer are filled up to so many.

    Raises:
        SettingsError: the model has another number of heads or classifiers.
    """

    def __init__(
        self,
        model: Model,
        heads: Iterable[Head],
        classifiers: Iterable[Head] = (),
        *,
        channels: int = 0,
    ) -> None:
        self._heads, self._classifiers = tuple(heads), tuple(classifiers)
        if len(self._heads) != len(model.heads):
            raise SettingsError(
                f"model {model.name!r} has {len(model.heads)} heads, got {len(self._heads)}"
            )
        if len(self._classifiers) not in (0, len(model.classifiers)):
            raise SettingsError(
                f"model {model.name!r} has {len(model.classifiers)} classifiers, got {len(self._classifiers)}"
            )
        self._records = model.heads
        self._full_side = model.feature_spec.longest_side or 0
        self._classifier_records = model.classifiers if self._classifiers else ()
        self.channels = channels
        # Heads on 5×5 grid cells compute for longer than they wait for memory. The number is fixed, because the last bits of a product of
        # matrices may change with it, and a photo's score must not depend on those beside it.
        views = VIEW_COUNTS[model.feature_spec.views]
        self.at_once = max(1, _CROPS_AT_ONCE // views) if model.feature_spec.grid == 1 else 1

    @classmethod
    def open(cls, model: Model, *, threads: int = 1) -> Self:
        """Open the heads and classifiers of a model folder by OpenVINO.

        Args:
            model: the model's record.
            threads: cores per call: 1 where photos are scored side by side, more for large batches.

        Raises:
            ModelError: one cannot be read, they read different numbers of channels, or a classifier gives another number of probabilities
                than it has labels.
        """
        from mlsp.features.engines.openvino_engine import OpenVinoHead

        def opened(file: str) -> OpenVinoHead:
            return OpenVinoHead(model.folder / file, threads=threads)

        heads = [opened(head.file) for head in model.heads]
        classifiers = [opened(classifier.file) for classifier in model.classifiers]
        if len({head.channels for head in (*heads, *classifiers)}) > 1:
            raise ModelError(
                f"model {model.folder}: its heads read different numbers of channels. Build the model again"
            )
        for record, classifier in zip(model.classifiers, classifiers, strict=True):
            if classifier.labels != len(record.labels):
                raise ModelError(
                    f"model {model.folder}: its classifier {record.name!r} has {len(record.labels)} labels, its graph"
                    f" {classifier.labels or 1}. Build the model again"
                )
        return cls(model, heads, classifiers, channels=heads[0].channels)

    def compute(self, features: Float32Array) -> list[Outputs | EngineError]:
        """Compute the outputs of photos.

        Args:
            features: (N, V, G, G, C): V crops per photo, whose values are averaged.

        Returns:
            Per photo its outputs; an error where a feature is not finite, or a head or classifier gave no finite number.

        Raises:
            EngineError: a head failed.
        """
        count = len(features)
        if count < self.at_once:
            features = np.concatenate([features, features[-1:].repeat(self.at_once - count, 0)])
        photos, views = features.shape[:2]
        crops = features.reshape(photos * views, *features.shape[2:])
        values, labelled = (
            [_mean_of_views(part.predict(crops), photos, views) for part in parts]
            for parts in (self._heads, self._classifiers)
        )
        # Some heads turn what is no number into one.
        are_finite = [bool(np.isfinite(photo).all()) for photo in features]
        return [
            self._checked([value[index] for value in values], [of[index] for of in labelled])
            if are_finite[index]
            else EngineError("its features are not finite, and give no score")
            for index in range(count)
        ]

    def is_complete(self, probabilities: Mapping[str, Mapping[str, float]]) -> bool:
        """Return whether probabilities, as cached, are those of all classifiers; a version without classifiers cached none."""
        return all(record.name in probabilities for record in self._classifier_records)

    def scores(self, outputs: Outputs) -> dict[str, Score]:
        """Return the scores of outputs, by the head's name; percentiles are among photos of the same kind where the model tells kinds apart."""
        kinds = outputs.probabilities.get("kinds", {})
        scores = {}
        for head in self._records:
            value = outputs.values[head.name]
            scores[head.name] = Score(
                value,
                head.percentile_of_kind(value, kinds),
                head.position(value),
                head.percentile(value),
            )
        return scores

    def result(
        self, source: Path, outputs: Outputs, width: int, height: int, content_sha256: str = ""
    ) -> ScoreResult:
        """Return the result of a photo; for the arguments see `ScoreResult`."""
        shown = {
            record.name: record.shown(outputs.probabilities[record.name])
            for record in self._classifier_records
        }
        return ScoreResult(
            source,
            self.scores(outputs),
            width,
            height,
            content_sha256,
            faults=shown.get("faults", ()),
            fault_probabilities=outputs.probabilities.get("faults", {}),
            kind=next(iter(shown.get("kinds", ())), None),
            kind_probabilities=outputs.probabilities.get("kinds", {}),
            is_small=max(width, height) < self._full_side,
        )

    def _checked(
        self, values: list[Float32Array], labelled: list[Float32Array]
    ) -> Outputs | EngineError:
        checked, unclipped = {}, {}
        for record, value in zip(self._records, map(float, values), strict=True):
            if not math.isfinite(value):
                return EngineError(f"the head {record.name!r} gave {value}, which is no score")
            unclipped[record.name] = value
            # A head extrapolates where a photo is unlike all that were rated; people's scale has ends.
            checked[record.name] = min(max(value, record.lowest), record.highest)
        probabilities: dict[str, Mapping[str, float]] = {}
        for classifier, found in zip(self._classifier_records, labelled, strict=True):
            by_label = dict(
                zip((label.name for label in classifier.labels), map(float, found), strict=True)
            )
            if not all(map(math.isfinite, by_label.values())):
                return EngineError(
                    f"the classifier {classifier.name!r} gave {by_label}, which are no probabilities"
                )
            probabilities[classifier.name] = by_label
        return Outputs(checked, probabilities, unclipped)


def _mean_of_views(outputs: Float32Array, photos: int, views: int) -> Float32Array:
    """(photos · views, …) -> (photos, …)."""
    mean: Float32Array = outputs.reshape(photos, views, *outputs.shape[1:]).mean(axis=1)
    return mean
