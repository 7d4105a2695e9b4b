"""A fine-tuned network as an ordinary model folder, which `mlsp score` runs without torch."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from mlsp.backbones import BackboneSpec
from mlsp.base.arrays import UInt8Array
from mlsp.base.atomic_file import atomic_write_text
from mlsp.base.errors import RatingsError
from mlsp.features.onnx_export import check_graph, export_backbone
from mlsp.features.spec import FeatureSpec
from mlsp.models.model import Model
from mlsp.models.records import Agreement, Card, HeadRecord
from mlsp.models.writing import write_model
from mlsp.photos.crops import ViewsName, cut_views, min_photo_side
from mlsp.ratings.splits import Split
from mlsp.training.epochs import best_epoch
from mlsp.training.finetuning.network import FinetunedNetwork, weights_digest
from mlsp.training.finetuning.photos import CutViews, PhotoReader
from mlsp.training.finetuning.scores import predict, seeded_views
from mlsp.training.finetuning.settings import FinetuneSettings
from mlsp.training.run_folder import EpochRecord
from mlsp.training.targets import scores_of
from mlsp.training.trained import DEFAULT_LICENSE, HEAD_NAME, Measured
from mlsp.training.trainer import title_of

# Percentiles need no more steps.
_QUANTILES = 101


@dataclass(frozen=True, slots=True)
class Agreements:
    """How well a fine-tuned network agrees with people, by photos that it did not learn from.

    Attributes:
        validation: photos that chose the best, by the model's own views.
        test: photos that nothing was chosen by, likewise; None where there are not two.
        test_random: the same by random views, as in the paper; None also where there was no augmentation.
    """

    validation: Measured
    test: Measured | None
    test_random: Measured | None


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
        history: epoch by epoch.
    """

    network: FinetunedNetwork
    spec: BackboneSpec
    origin: str
    reader: PhotoReader
    split: Split
    settings: FinetuneSettings
    folder: Path
    history: tuple[EpochRecord, ...]

    @property
    def views(self) -> ViewsName:
        """What the model sees of a photo: as random crops are nothing that repeats, the corners and their mirror images."""
        return "corners8" if self.settings.augment else "whole"

    @property
    def feature_spec(self) -> FeatureSpec:
        """Of the features that the network makes now."""
        return FeatureSpec(
            self.spec.name,
            weights_digest(self.network.network),
            tuple(level.name for level in self.spec.levels),
            self.views,
            self.settings.longest_side,
            self.network.head.spec.grid,
            self.settings.resize,
        )

    def measure(self) -> Agreements:
        """Measure the agreement with people, and note it in the run folder's `results.json`.

        Raises:
            RatingsError: fewer than 2 validation photos can be read.
        """

        def own(pixels: UInt8Array, row: int) -> UInt8Array:
            del row
            return cut_views(pixels, self.views)

        validation = self._measured("validation", own)
        if validation is None:
            raise RatingsError(
                f"{self.reader.table.name}: fewer than 2 validation photos could be read: check the paths"
            )
        drawn = None
        if self.settings.augment:
            cut = seeded_views(
                self.reader.table,
                count=self.settings.views,
                seed=self.settings.seed,
                augment=True,
            )
            drawn = self._measured("test", cut)
        found = Agreements(validation, self._measured("test", own), drawn)
        with atomic_write_text(self.folder / "results.json") as stream:
            agreements = [dataclasses.asdict(one) for one in self._stated(found)]
            stream.write(json.dumps(agreements, indent=1) + "\n")
        return found

    def write(
        self, folder: Path, *, name: str | None = None, license_: str = DEFAULT_LICENSE
    ) -> Model:
        """Write the model.

        Args:
            folder: see `mlsp.models.writing.write_model`.
            name: of the model; that of the folder by default.
            license_: of the model.

        Raises:
            OutputError: it cannot be written.
            ModelError: the graph does not compute what the network does.
            RatingsError: see `measure`.
        """
        measured = self.measure()
        parts = [part for part in (measured.test, measured.validation) if part is not None]
        held_out = np.concatenate([part.scores for part in parts])
        table = self.reader.table
        record = HeadRecord(
            name=HEAD_NAME,
            file="",
            sha256="",
            meaning=f"what people gave the photos of {table.name}, on average",
            lowest=table.lowest,
            highest=table.highest,
            ratings=f"{table.name}: {self._readable('train')} train photos, the best chosen by"
            f" {self._readable('validation')} others",
            quantiles=tuple(np.quantile(held_out, np.linspace(0, 1, _QUANTILES)).tolist()),
            agreement=self._stated(measured),
        )
        itself = self.network.to("cpu").eval()
        feature_spec = self.feature_spec
        with tempfile.TemporaryDirectory(prefix="mlsp-") as temporary:
            graph = Path(temporary) / "backbone.onnx"
            export_backbone(itself.network, self.spec, graph, grid=feature_spec.grid)
            check_graph(itself.network, self.spec, graph, feature_spec)
            return write_model(
                folder,
                name=name or folder.absolute().name,
                feature_spec=feature_spec,
                # Whatever a photo's size, it is brought to one that was large enough to learn from.
                smallest_side=1
                if feature_spec.resize
                else min_photo_side(self.spec.smallest_side, self.views),
                heads=[(record, itself.head)],
                channels=self.spec.channels,
                card=self._card(license_),
                backbone=graph,
            )

    def _measured(self, part: str, cut: CutViews) -> Measured | None:
        said = predict(self.network, self.reader, getattr(self.split, part).tolist(), cut)
        scores = scores_of(said.outputs, self.network.head.spec)
        return Measured.of(part, self.reader.table, said.rows, scores)

    def _stated(self, measured: Agreements) -> tuple[Agreement, ...]:
        """As they stand in the card, the model's own views first."""
        own = f"views {self.views}"
        stated = (
            (measured.test, own),
            (measured.test_random, f"{self.settings.views} random views"),
            (measured.validation, own),
        )
        return tuple(
            dataclasses.replace(one, photos=f"{one.photos}; {views}")
            for part, views in stated
            if part is not None
            for one in (part.agreement(self.reader.table.name),)
        )

    def _readable(self, part: str) -> int:
        rows = getattr(self.split, part).tolist()
        return sum(row not in self.reader.failed for row in rows)

    def _card(self, license_: str) -> Card:
        settings, table = self.settings, self.reader.table
        size = "their own size"
        if settings.resize is not None:
            size = f"{settings.resize[0]}×{settings.resize[1]} pixels"
        elif settings.longest_side is not None:
            size = f"at most {settings.longest_side} pixels a side"
        title = title_of(self.network.head.spec)
        count = len(self.reader.failed)
        left_out = f"; {count} photos could not be read" if count else ""
        return Card(
            summary=f"{self.spec.name} and {title}, fine-tuned end to end on {table.name}.",
            networks=(
                f"{self.spec.name}: {self.spec.origin}. Began with {self.origin}; all but the statistics of its batch norms was"
                " changed by the ratings",
                f"{title}: recipe paper, {len(self.history)} epochs of which {best_epoch(self.history)} was the best, batch"
                f" {settings.batch}, seed {settings.seed}; mlsp {version('mlsp')}, torch {version('torch')}{left_out}",
            ),
            limits=(
                f"It learned from {table.name} alone, photos at {size}; on other photos, and for other people, it is untested.",
                "Agreement on the validation photos is a little too good: they chose what was kept.",
            ),
            license=license_,
        )
