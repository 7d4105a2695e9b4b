"""What came out of training, and how it becomes a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from torch import nn

from mlsp.backbones import backbone
from mlsp.base.arrays import Float64Array
from mlsp.base.errors import SettingsError
from mlsp.evaluation.metrics import accuracy, default_threshold, majority_accuracy, plcc, srcc
from mlsp.features.spec import FeatureSpec, Grid
from mlsp.models.model import Model
from mlsp.models.records import Agreement, Card, HeadRecord
from mlsp.models.writing import write_model
from mlsp.photos.crops import min_photo_side
from mlsp.ratings.splits import Split
from mlsp.ratings.table import RatingTable
from mlsp.training.batches import Rows
from mlsp.training.run_folder import EpochRecord

HEAD_NAME = "score"
# Percentiles need no more steps.
_QUANTILES = 101
_LEAST_MEASURED = 2
DEFAULT_LICENSE = "That of the ratings and of the network's weights"


@dataclass(frozen=True, slots=True)
class Measured:
    """What a head says of photos that it did not learn from, and how well people agree.

    Attributes:
        part: `validation` or `test`.
        rows: of the rating table, (photos,).
        scores: (photos,) on the ratings' scale, within its ends; means over all stored views.
        srcc: Spearman's correlation; NaN where scores or ratings are constant.
        plcc: Pearson's.
        accuracy: share of photos that are on the right side of `threshold`.
        majority_accuracy: that of calling all photos what most are.
        threshold: 5 on a scale of 1 to 10, as in the paper, else the middle of the scale.
    """

    part: str
    rows: Rows
    scores: Float64Array
    srcc: float
    plcc: float
    accuracy: float
    majority_accuracy: float
    threshold: float

    @classmethod
    def of(
        cls, part: str, ratings: RatingTable, rows: Rows, scores: Float64Array
    ) -> Measured | None:
        """Measure; None of fewer than 2 photos."""
        if len(rows) < _LEAST_MEASURED:
            return None
        lowest, highest = ratings.lowest, ratings.highest
        scores, mos = scores.clip(lowest, highest), ratings.mos[rows]
        threshold = default_threshold(lowest, highest)
        return cls(
            part,
            rows,
            scores,
            srcc(scores, mos),
            plcc(scores, mos),
            accuracy(scores, mos, threshold=threshold),
            majority_accuracy(scores, mos, threshold=threshold),
            threshold,
        )

    def agreement(self, name: str) -> Agreement:
        """As it stands in a model's card."""
        photos = (
            f"{self.part} photos of {name}; accuracy {self.accuracy:.1%} at {self.threshold:g}"
            f" ({self.majority_accuracy:.1%} for calling all alike)"
        )
        return Agreement(photos, len(self.rows), self.srcc, self.plcc)


@dataclass(frozen=True, slots=True)
class TrainedHead:
    """A head that has learned, from what, and how well.

    Attributes:
        module: (N, G, G, C) of all levels -> (N,) scores on the ratings' scale; with the weights of the best epoch, in float32.
        title: name of the head.
        grid: G.
        feature_spec: of the features.
        channels: C.
        ratings: what it learned from.
        split: rows of the table that were used; photos without features are left out.
        failed: names of photos that were left out, because their extraction failed.
        how: recipe and settings, in a line.
        best_epoch: from 1; None for a head in closed form.
        history: epoch by epoch; empty for a head in closed form.
        validation: photos that chose the best.
        test: photos that nothing was chosen by; None where there are not two.
    """

    module: nn.Module
    title: str
    grid: Grid
    feature_spec: FeatureSpec
    channels: int
    ratings: RatingTable
    split: Split
    failed: tuple[str, ...]
    how: str
    best_epoch: int | None
    history: tuple[EpochRecord, ...]
    validation: Measured
    test: Measured | None

    @property
    def measured(self) -> tuple[Measured, ...]:
        """Test photos first, if there are some."""
        return (self.validation,) if self.test is None else (self.test, self.validation)

    def write(
        self,
        folder: Path,
        *,
        name: str | None = None,
        backbone_graph: Path | None = None,
        license_: str = DEFAULT_LICENSE,
    ) -> Model:
        """Write the head as a model.

        Args:
            folder: see `mlsp.models.writing.write_model`.
            name: of the model; that of the folder by default.
            backbone_graph: of the network, from 8-bit photos to features of this kind; without it the model reads stored features.
            license_: of the model.

        Raises:
            OutputError: it cannot be written.
        """
        ratings = self.ratings
        held_out = np.concatenate([part.scores for part in self.measured])
        record = HeadRecord(
            name=HEAD_NAME,
            file="",
            sha256="",
            meaning=f"what people gave the photos of {ratings.name}, on average",
            lowest=ratings.lowest,
            highest=ratings.highest,
            ratings=f"{ratings.name}: {len(self.split.train)} train photos, the best chosen by {len(self.split.validation)} others",
            quantiles=tuple(np.quantile(held_out, np.linspace(0, 1, _QUANTILES)).tolist()),
            agreement=tuple(part.agreement(ratings.name) for part in self.measured),
        )
        return write_model(
            folder,
            name=name or folder.absolute().name,
            feature_spec=replace(self.feature_spec, grid=self.grid),
            smallest_side=_smallest_side(self.feature_spec),
            heads=[(record, self.module)],
            channels=self.channels,
            card=self._card(license_),
            backbone=backbone_graph,
        )

    def _card(self, license_: str) -> Card:
        size = "their own size"
        if self.feature_spec.resize is not None:
            size = f"{self.feature_spec.resize[0]}×{self.feature_spec.resize[1]} pixels"
        elif self.feature_spec.longest_side is not None:
            size = f"at most {self.feature_spec.longest_side} pixels a side"
        width = "narrow" if self.grid == 1 else "wide"
        left_out = f"; {len(self.failed)} photos could not be read" if self.failed else ""
        return Card(
            summary=f"{self.title} on {width} features of {self.feature_spec.backbone}, trained on {self.ratings.name}.",
            networks=(
                f"{self.feature_spec.backbone}, weights SHA-256 {self.feature_spec.weights_sha256[:16]}…, not changed by the ratings",
                f"{self.title}: {self.how}; mlsp {version('mlsp')}, torch {version('torch')}{left_out}",
            ),
            limits=(
                f"It learned from {self.ratings.name} alone, photos at {size}; on other photos, and for other people, it is untested.",
                "Agreement on the validation photos is a little too good: they chose what was kept.",
            ),
            license=license_,
        )


def _smallest_side(feature_spec: FeatureSpec) -> int:
    if feature_spec.resize is not None:
        return 1
    try:
        return min_photo_side(backbone(feature_spec.backbone).smallest_side, feature_spec.views)
    except SettingsError:
        # A network that this version does not know: the model will be without it.
        return 1


def level_names(feature_spec: FeatureSpec, levels: str) -> Sequence[str] | None:
    """Levels of features by a user's words.

    Args:
        feature_spec: of the features.
        levels: `all`; `last5`, say, for the last five; or names, with commas between them.

    Returns:
        In the order of the channels; None for all.

    Raises:
        SettingsError: there are not so many. Unknown names are found by the head.
    """
    if levels == "all":
        return None
    count = levels.removeprefix("last")
    if count != levels and count.isdecimal():
        if not 1 <= int(count) <= len(feature_spec.levels):
            raise SettingsError(
                f"levels {levels!r}: the features have 1 to {len(feature_spec.levels)} levels to choose from"
            )
        return feature_spec.levels[-int(count) :]
    return tuple(name.strip() for name in levels.split(","))
