"""Explainer: a photo -> an explanation per head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlsp.base.arrays import Float32Array, Float64Array, UInt8Array
from mlsp.base.errors import EngineError, PhotoError, SettingsError, unknown_name
from mlsp.base.results import ScoreFailure
from mlsp.explaining.contents import without_content
from mlsp.explaining.contributions import View, by_cell, by_position
from mlsp.explaining.explanation import Explanation, LevelShare, Reason
from mlsp.explaining.level_maps import LevelMaps
from mlsp.explaining.regions import Region, level_region, view_regions
from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.models.kernel_form import KernelForm
from mlsp.models.linear_form import LinearForm, linear_form
from mlsp.models.records import HeadRecord
from mlsp.photos.crops import cut_views
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer

# Pixels of the network's input per position of the result: as fine as the second of five strides of most networks.
_PIXELS_PER_POSITION = 8
_MAX_POSITIONS = 96


@dataclass(frozen=True, slots=True)
class _Head:
    record: HeadRecord
    reader: OpenVinoHead
    form: LinearForm | KernelForm | None
    average: float


class Explainer:
    """Explains the scores of a model. Several threads may use it at once.

    Args:
        scorer: gives the scores to explain.
        heads: names of the heads to explain; all by default.

    Raises:
        ModelError: the model's network is of a form that cannot be explained.
        SettingsError: the model has no such head.
    """

    def __init__(self, scorer: Scorer, *, heads: Sequence[str] | None = None) -> None:
        self.scorer = scorer
        model = scorer.model
        records = {record.name: record for record in model.heads}
        for name in heads or ():
            if name not in records:
                raise SettingsError(unknown_name("head", name, records))
        readers = {
            name: OpenVinoHead(model.folder / record.file)
            for name, record in records.items()
            if heads is None or name in heads
        }
        channels = next(iter(readers.values())).channels
        self._maps = LevelMaps(model.backbone, levels=model.feature_spec.levels, channels=channels)
        shape = (model.feature_spec.grid, model.feature_spec.grid, channels)
        self._heads = [
            _Head(
                record := records[name],
                reader,
                KernelForm.read(reader)
                if record.form == "kernel"
                else linear_form(reader, shape, record.form),
                _average(record),
            )
            for name, reader in readers.items()
        ]

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the heads whose scores are explained."""
        return tuple(head.record.name for head in self._heads)

    def explain(self, source: Path) -> dict[str, Explanation]:
        """Explain the scores of a photo.

        Args:
            source: the photo.

        Returns:
            One explanation per head, by the head's name.

        Raises:
            PhotoError: the photo cannot be scored.
        """
        (found,) = self.scorer.features([source])
        if isinstance(found, ScoreFailure):
            raise found.error
        result = self.scorer.result_of(found)
        if isinstance(result, ScoreFailure):
            raise result.error
        reasons = self._reasons(result)
        pixels = self.scorer.read(source).pixels
        try:
            views, bases = self._views(pixels)
        except EngineError as error:
            raise PhotoError(str(error)) from error
        positions = min(max(pixels.shape[:2]) / _PIXELS_PER_POSITION, _MAX_POSITIONS)
        longest = max(found.width, found.height)
        canvas = (
            max(1, round(positions * found.height / longest)),
            max(1, round(positions * found.width / longest)),
        )
        explanations = {}
        for head in self._heads:
            levels = self._spread(head, views, bases, canvas, pixels.shape[:2])
            value = float(head.reader.predict(found.features).mean())
            local = np.sum(levels, axis=0)
            # Each position has the same share in the difference of the photo from the average one, rounding included.
            contributions = local - local.mean() + (value - head.average) / local.size
            explanations[head.record.name] = Explanation(
                source=source,
                head=head.record.name,
                meaning=head.record.meaning,
                score=result.scores[head.record.name],
                value=value,
                average=head.average,
                contributions=contributions.astype(np.float32),
                levels=self._shares(levels, views[0].maps) if head.form is not None else (),
                is_linear=head.form is not None,
                width=found.width,
                height=found.height,
                reasons=reasons,
                kind=result.kind,
            )
        return explanations

    def _reasons(self, result: ScoreResult) -> tuple[Reason, ...] | None:
        classifier = self.scorer.model.classifier("faults")
        if classifier is None:
            return None
        return tuple(
            Reason(name, classifier.label(name).meaning, result.fault_probabilities[name])
            for name in result.faults
        )

    def _views(self, pixels: UInt8Array) -> tuple[list[View], list[list[View]]]:
        """Return the views of a photo, and those of each of its baselines."""
        feature_spec = self.scorer.model.feature_spec
        photo, *bases = (
            [
                View.of(self._maps(view), feature_spec.grid)
                for view in cut_views(some, feature_spec.views)
            ]
            for some in (pixels, *without_content(pixels))
        )
        return photo, bases

    def _spread(
        self,
        head: _Head,
        views: list[View],
        bases: list[list[View]],
        canvas: tuple[int, int],
        size: tuple[int, int],
    ) -> Float64Array:
        """Return the contributions, (levels, rows, columns); one level for all where the head is not linear."""
        feature_spec = self.scorer.model.feature_spec
        regions = view_regions(feature_spec.views, *size)
        spread = np.zeros((len(feature_spec.levels) if head.form is not None else 1, *canvas))
        share = 1 / (len(views) * len(bases))
        for base in bases:
            for region, view, without in zip(regions, views, base, strict=True):
                if head.form is None:
                    amounts = by_cell(head.reader, view, without)
                    spread[0] += share * region.spread(amounts, canvas)
                    continue
                for number, amounts in enumerate(by_position(head.form, view, without)):
                    inner = region.part(self._region(feature_spec.levels[number], region, size))
                    spread[number] += share * inner.spread(amounts, canvas)
        return spread

    def _region(self, level: str, view: Region, size: tuple[int, int]) -> Region:
        height = round(size[0] * (view.bottom - view.top))
        width = round(size[1] * (view.right - view.left))
        return level_region(self.scorer.model.feature_spec.backbone, level, height, width)

    def _shares(self, levels: Float64Array, maps: Sequence[Float32Array]) -> tuple[LevelShare, ...]:
        above = np.maximum(levels - levels.mean(axis=(1, 2), keepdims=True), 0).sum(axis=(1, 2))
        return tuple(
            LevelShare(name, level.shape[1], level.shape[2], float(raised))
            for name, level, raised in zip(
                self.scorer.model.feature_spec.levels, maps, above, strict=True
            )
        )


def _average(record: HeadRecord) -> float:
    """Return the score of the average rated photo; the middle of the scale where the model has no percentiles."""
    if record.quantiles:
        # In even steps: their mean, with half weight for the two ends, is that of the scores.
        inner = sum(record.quantiles) - (record.quantiles[0] + record.quantiles[-1]) / 2
        return inner / (len(record.quantiles) - 1)
    return (record.lowest + record.highest) / 2


def explain(scorer: Explainer | Scorer | str | Path, source: Path) -> dict[str, Explanation]:
    """Explain the scores of one photo.

    Args:
        scorer: the scorer, or its model. For several photos make an `Explainer` once and pass that: making it takes about a second.
        source: the photo.

    Returns:
        One explanation per head, by the head's name.

    Raises:
        PhotoError: the photo cannot be scored.
        ModelError: there is no such model, or it cannot be explained.
    """
    if isinstance(scorer, Explainer):
        return scorer.explain(source)
    if not isinstance(scorer, Scorer):
        scorer = Scorer(scorer)
    return Explainer(scorer).explain(source)
