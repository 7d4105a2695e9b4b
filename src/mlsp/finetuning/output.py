"""A fine-tuned network as an ordinary model folder, which `mlsp score` runs without torch."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlsp.arrays import Float64Array, UInt8Array
from mlsp.atomic_file import atomic_write_text
from mlsp.backbones import BackboneSpec
from mlsp.export import check_graph, export_backbone
from mlsp.feature_kind import FeatureKind
from mlsp.finetuning.network import FinetunedNetwork, weights_digest
from mlsp.finetuning.photos import PhotoReader
from mlsp.finetuning.scores import predict, seeded_views
from mlsp.finetuning.settings import FinetuneSettings
from mlsp.metrics import plcc, srcc
from mlsp.model import Agreement, Card, HeadRecord, Model
from mlsp.model_writing import write_model
from mlsp.splits import Split
from mlsp.views import ViewsName, cut_views

_HEAD_NAME = "score"
# Percentiles need no more, and with fewer photos not even so many.
_QUANTILES = 101
_LEAST_PHOTOS = 3


@dataclass(frozen=True, slots=True)
class Finetuned:
    """A network and head that have learned, and on what.

    Attributes:
        network: with the best weights.
        spec: the network's record.
        origin: of the weights that it began with, and their licence.
        reader: of the rated photos.
        split: of them.
        settings: how it learned.
        folder: of the run.
    """

    network: FinetunedNetwork
    spec: BackboneSpec
    origin: str
    reader: PhotoReader
    split: Split
    settings: FinetuneSettings
    folder: Path

    @property
    def views(self) -> ViewsName:
        """What the model sees of a photo: as random crops are nothing that repeats, the corners and their mirror images."""
        return "corners8" if self.settings.augment else "whole"

    @property
    def kind(self) -> FeatureKind:
        """Of the features that the network makes now."""
        return FeatureKind(
            self.spec.name,
            weights_digest(self.network.network),
            tuple(level.name for level in self.spec.levels),
            self.views,
            self.settings.longest_side,
            self.network.head.spec.grid,
            self.settings.resize,
        )

    def agreement(self) -> tuple[tuple[Agreement, ...], Float64Array]:
        """Measure on the test photos, by the model's own views and, as the paper does, by random ones; into `results.json` too.

        Returns:
            What was measured, the model's own views first; empty where fewer than three test photos can be read. And the scores of
            the photos that it was measured on, else of the validation photos, by the model's own views.
        """
        table = self.reader.table
        own = self._scores(self.split.test.tolist(), self._own_views)
        if len(own[0]) < _LEAST_PHOTOS:
            return (), self._scores(self.split.validation.tolist(), self._own_views)[1]
        found = [self._measured(own, f"test photos of {table.name}, views {self.views}")]
        if self.settings.augment:
            cut = seeded_views(
                table, count=self.settings.views, seed=self.settings.seed, augment=True
            )
            drawn = self._scores(self.split.test.tolist(), cut)
            where = f"test photos of {table.name}, {self.settings.views} random views"
            found.append(self._measured(drawn, where))
        with atomic_write_text(self.folder / "results.json") as stream:
            stream.write(json.dumps([dataclasses.asdict(one) for one in found], indent=1) + "\n")
        return tuple(found), own[1]

    def write(self, folder: Path, *, name: str, license_: str) -> Model:
        """Write the model.

        Args:
            folder: see `mlsp.model_writing.write_model`.
            name: of the model.
            license_: of the model, which that of the ratings may limit.

        Raises:
            ModelError: it cannot be written, or the graph does not compute what the network does.
        """
        agreement, scores = self.agreement()
        spec = self.network.head.spec
        table = self.reader.table
        record = HeadRecord(
            name=_HEAD_NAME,
            file="",
            sha256="",
            meaning=f"people rate such photos highly in {table.name}",
            lowest=spec.lowest,
            highest=spec.highest,
            ratings=f"{table.name}, {len(self.split.train)} photos",
            quantiles=_quantiles(scores),
            agreement=agreement,
        )
        itself = self.network.to("cpu").eval()
        with tempfile.TemporaryDirectory(prefix="mlsp-") as temporary:
            graph = Path(temporary) / "backbone.onnx"
            export_backbone(itself.network, self.spec, graph, grid=self.kind.grid)
            check_graph(itself.network, self.spec, graph, self.kind)
            return write_model(
                folder,
                name=name,
                kind=self.kind,
                smallest_side=self._smallest_side(),
                heads=[(record, itself.head)],
                channels=self.spec.channels,
                card=self._card(license_),
                backbone=graph,
            )

    def _card(self, license_: str) -> Card:
        settings, table = self.settings, self.reader.table
        size = "their own size"
        if settings.resize is not None:
            size = f"{settings.resize[0]}×{settings.resize[1]} pixels"
        elif settings.longest_side is not None:
            size = f"at most {settings.longest_side} pixels a side"
        return Card(
            summary=f"{self.spec.name} with head {self.network.head.spec.name}, fine-tuned end to end on photos of"
            f" {table.name} at {size}.",
            networks=(
                f"{self.spec.name}: {self.spec.origin}. Began with {self.origin}; all weights but the batch norms'"
                " statistics were changed by the ratings",
            ),
            limits=(
                f"It learned from {table.name} alone; on other photos, and for other people, it is untested.",
                "At the test it averages fixed views, not the random ones of the paper.",
            ),
            license=license_,
        )

    def _smallest_side(self) -> int:
        """Least side of a photo whose views are not too small for the network."""
        if not self.settings.augment or self.settings.resize is not None:
            return 1 if self.settings.resize is not None else self.spec.smallest_side
        return -(-self.spec.smallest_side * 8 // 7)

    def _own_views(self, pixels: UInt8Array, row: int) -> UInt8Array:
        del row
        return cut_views(pixels, self.views)

    def _scores(
        self, rows: list[int], cut: Callable[[UInt8Array, int], UInt8Array]
    ) -> tuple[list[int], Float64Array]:
        said = predict(self.network, self.reader, rows, cut)
        return said.rows.tolist(), said.scores(self.network.head.spec)

    def _measured(self, scored: tuple[list[int], Float64Array], photos: str) -> Agreement:
        rows, scores = scored
        mos = self.reader.table.mos[rows]
        return Agreement(photos, len(rows), srcc(scores, mos), plcc(scores, mos))


def _quantiles(scores: Float64Array) -> tuple[float, ...]:
    if len(scores) < _LEAST_PHOTOS:
        return ()
    return tuple(np.quantile(scores, np.linspace(0, 1, _QUANTILES)).tolist())
