"""A trained head: its agreement with people, its scores, its model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mlsp.backbones import backbone
from mlsp.base.arrays import Float64Array
from mlsp.base.errors import FeatureStoreError, SettingsError
from mlsp.features.spec import FeatureSpec, Grid
from mlsp.features.store.schema import DONE, spec_differences
from mlsp.features.store.store import FeatureStore
from mlsp.models.heads import ScoreHead
from mlsp.models.model import Model
from mlsp.models.writing import write_model
from mlsp.photos.crops import min_photo_side
from mlsp.ratings.splits import Split
from mlsp.ratings.table import RatingTable
from mlsp.training.backbone_graph import find_backbone_graph
from mlsp.training.batches import FeatureBatches, Rows
from mlsp.training.cards import DEFAULT_LICENSE, head_record, trained_card
from mlsp.training.loop import numbers_of_photos
from mlsp.training.measured import Measured
from mlsp.training.run_folder import EpochRecord

_log = logging.getLogger(__name__)


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
        failed: names of rated photos that were left out: missing from the features, or failed when these were extracted.
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

    def __repr__(self) -> str:
        found = self.measured[0]
        return (
            f"TrainedHead({self.title} on {self.feature_spec.backbone}, {self.ratings.name!r}:"
            f" SRCC {found.srcc:.3f} on {len(found.rows)} {found.part} photos)"
        )

    @property
    def measured(self) -> tuple[Measured, ...]:
        """Test photos first, if there are some."""
        return (self.validation,) if self.test is None else (self.test, self.validation)

    def predict(
        self, store: FeatureStore | Path | str, rows: Sequence[int] | Rows | None = None
    ) -> Float64Array:
        """Score photos of a feature file.

        Args:
            store: features of the same network, weights, levels, views and sizes as those that the head learned from.
            rows: of the file; None for all.

        Returns:
            (photos,) means over all stored views, on the ratings' scale but not cut to its ends, in the order of the rows; NaN
            for photos without features.

        Raises:
            FeatureStoreError: the file holds other features, or is damaged.
        """
        return self._computed(store, rows, lambda features: self.module(features)[:, None])[:, 0]

    def predict_votes(
        self, store: FeatureStore | Path | str, rows: Sequence[int] | Rows | None = None
    ) -> Float64Array:
        """Predict the distribution of people's votes.

        Args:
            store: see `predict`.
            rows: see `predict`.

        Returns:
            (photos, bins) shares, which add up to 1, means over all stored views; NaN for photos without features.

        Raises:
            SettingsError: the head did not learn a distribution.
            FeatureStoreError: see `predict`.
        """
        head = self.module
        if not isinstance(head, ScoreHead) or head.spec.output != "distribution":
            raise SettingsError(
                f"{self.title} learned mean ratings: train it with distribution=True on ratings with votes"
            )
        return self._computed(store, rows, lambda features: head.outputs(features).softmax(dim=1))

    def _computed(
        self,
        store: FeatureStore | Path | str,
        rows: Sequence[int] | Rows | None,
        numbers_of: Callable[[Tensor], Tensor],
    ) -> Float64Array:
        """Means over the views of (N, G, G, C) -> (N, numbers), for rows of a file."""
        if not isinstance(store, FeatureStore | Path | str):
            raise SettingsError(f"expected a feature file or its path, got {type(store).__name__}")
        if not isinstance(store, FeatureStore):
            with FeatureStore.open(Path(store)) as opened:
                return self._computed(opened, rows, numbers_of)
        other = store.layout.feature_spec
        if replace(other, grid=self.grid) != replace(self.feature_spec, grid=self.grid):
            differing = "; ".join(spec_differences(other, self.feature_spec))
            raise FeatureStoreError(
                f"feature file {store.path} has other features: {differing}. Choose another file, or extract again"
            )
        chosen = np.arange(len(store)) if rows is None else np.asarray(rows, dtype=np.intp)
        has_features = store.statuses()[chosen] == DONE
        features = FeatureBatches(store, np.arange(len(store)), self.grid, memory_bytes=0)
        found = numbers_of_photos(numbers_of, features, chosen[has_features], torch.device("cpu"))
        numbers = np.full((len(chosen), found.shape[1]), np.nan)
        numbers[has_features] = found
        return numbers

    def save(
        self,
        folder: Path | str,
        *,
        name: str | None = None,
        weights: Path | str | None = None,
        license_: str = DEFAULT_LICENSE,
    ) -> Model:
        """Write a model that `mlsp score` and `mlsp.Scorer` score photos with.

        Where the network's graph cannot be made, because its weights are not at hand, a warning is logged, and the model scores
        stored features only, as `mlsp predict` does.

        Args:
            folder: of the model; see `mlsp.models.writing.write_model`.
            name: of the model; that of the folder by default.
            weights: of the network that made the features; by default the published ones, which may be downloaded.
            license_: of the model.

        Raises:
            OutputError: the folder cannot be written.
            WeightsError: `weights` are given, and are not those that the features were made with.
            ModelError: the graph of the head does not compute what the head does.
        """
        given = None if weights is None else Path(weights)
        graph, note = find_backbone_graph(self.feature_spec, self.grid, given)
        if note:
            _log.warning(
                "the model %s has no network: it scores stored features, and photos where the network's weights are given: %s",
                folder,
                note,
            )
        return self.write(Path(folder), name=name, backbone_graph=graph, license_=license_)

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
        record = head_record(
            ratings,
            self.measured,
            tuple(part.agreement(ratings.name) for part in self.measured),
            train=len(self.split.train),
            validation=len(self.split.validation),
        )
        spec, width = self.feature_spec, "narrow" if self.grid == 1 else "wide"
        card = trained_card(
            f"{self.title} on {width} features of {spec.backbone}, trained on {ratings.name}.",
            f"{spec.backbone}, weights SHA-256 {spec.weights_sha256[:16]}…, not changed by the ratings",
            f"{self.title}: {self.how}",
            ratings=ratings.name,
            feature_spec=spec,
            left_out=len(self.failed),
            license_=license_,
        )
        return write_model(
            folder,
            name=name or folder.absolute().name,
            feature_spec=replace(self.feature_spec, grid=self.grid),
            smallest_side=_smallest_side(self.feature_spec),
            heads=[(record, self.module)],
            channels=self.channels,
            card=card,
            backbone=backbone_graph,
        )


def _smallest_side(feature_spec: FeatureSpec) -> int:
    if feature_spec.resize is not None:
        return 1
    try:
        return min_photo_side(backbone(feature_spec.backbone).smallest_side, feature_spec.views)
    except SettingsError:
        # A network that this version does not know: the model will be without it.
        return 1
