"""A fine-tuned network as an ordinary model folder, which `mlsp score` runs without torch."""

from __future__ import annotations

import csv
import dataclasses
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mlsp.backbones import BackboneSpec
from mlsp.base.arrays import UInt8Array
from mlsp.base.atomic_file import atomic_write_text
from mlsp.base.errors import RatingsError
from mlsp.base.text import escape_bytes
from mlsp.features.onnx_export import check_graph, export_backbone
from mlsp.features.spec import FeatureSpec
from mlsp.models.model import Model
from mlsp.models.records import Agreement, Card
from mlsp.models.writing import write_model
from mlsp.photos.crops import ViewsName, cut_views, min_photo_side
from mlsp.ratings.splits import Split
from mlsp.reports.predictions import vote_column
from mlsp.training.cards import DEFAULT_LICENSE, HEAD_NAME, head_record, trained_card
from mlsp.training.epochs import best_epoch
from mlsp.training.finetuning.network import FinetunedNetwork, weights_digest
from mlsp.training.finetuning.photos import CutViews, PhotoReader
from mlsp.training.finetuning.scores import Outputs, predict, seeded_views
from mlsp.training.finetuning.settings import FinetuneSettings
from mlsp.training.measured import Measured
from mlsp.training.run_folder import EpochRecord
from mlsp.training.targets import scores_of
from mlsp.training.trainer import title_of

# In the run's folder: what `mlsp evaluate` and `mlsp experiment --scores` read.
TEST_SCORES = "test-scores.csv"


@dataclass(frozen=True, slots=True)
class Agreements:
    """Agreement of a fine-tuned network with people, on photos that it did not learn from.

    Attributes:
        validation: photos that chose the best, by the model's own views.
        test: photos that nothing was chosen by, by the model's own views; None where there are not two.
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
        """Crops that the model scores: as random ones do not repeat, the four corners and their mirror images."""
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
            read_as=self.settings.read_as,
        )

    def measure(self) -> Agreements:
        """Measure the agreement with people, and note it in the run folder's `results.json`.

        The scores of the test photos by random views, of whole photos without augmentation, go to `test-scores.csv`, with the votes of
        a head that predicts them.

        Raises:
            RatingsError: fewer than 2 validation photos can be read.
        """

        def own(pixels: UInt8Array, row: int) -> UInt8Array:
            del row
            return cut_views(pixels, self.views)

        validation = self._measured("validation", self._outputs("validation", own))
        if validation is None:
            raise RatingsError(
                f"{self.reader.table.name}: fewer than 2 validation photos could be read: check the paths"
            )
        outputs = self._outputs("test", own)
        test, drawn = self._measured("test", outputs), None
        if self.settings.augment:
            cut = seeded_views(
                self.reader.table,
                count=self.settings.views,
                seed=self.settings.seed,
                augment=True,
            )
            outputs = self._outputs("test", cut)
            drawn = self._measured("test", outputs)
        self._write_scores(outputs)
        found = Agreements(validation, test, drawn)
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
        table = self.reader.table
        record = head_record(
            table,
            parts,
            self._stated(measured),
            train=self._readable("train"),
            validation=self._readable("validation"),
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
                # A photo of any size is resized to one that was large enough to learn from.
                smallest_side=1
                if feature_spec.resize
                else min_photo_side(self.spec.smallest_side, self.views),
                heads=[(record, itself.head)],
                channels=self.spec.channels,
                card=self._card(feature_spec, license_),
                backbone=graph,
            )

    def _outputs(self, part: str, cut: CutViews) -> Outputs:
        return predict(self.network, self.reader, getattr(self.split, part).tolist(), cut)

    def _measured(self, part: str, found: Outputs) -> Measured | None:
        scores = scores_of(found.outputs, self.network.head.spec)
        return Measured.of(part, self.reader.table, found.rows, scores)

    def _write_scores(self, found: Outputs) -> None:
        head, ids = self.network.head.spec, self.reader.table.photo_ids
        columns = {HEAD_NAME: scores_of(found.outputs, head)}
        if head.output == "distribution":
            shares = found.outputs.double().softmax(dim=1).numpy().T
            columns |= {
                vote_column(HEAD_NAME, bin_): of
                for bin_, of in zip(head.bins or (), shares, strict=True)
            }
        with atomic_write_text(self.folder / TEST_SCORES) as stream:
            writer = csv.writer(stream)
            writer.writerow(("photo", *columns))
            names = [escape_bytes(ids[row]) for row in found.rows]
            writer.writerows(zip(names, *(of.tolist() for of in columns.values()), strict=True))

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

    def _card(self, feature_spec: FeatureSpec, license_: str) -> Card:
        table, spec = self.reader.table, self.spec
        title = title_of(self.network.head.spec)
        return trained_card(
            f"{spec.name} and {title}, fine-tuned end to end on {table.name}.",
            f"{spec.name}: {spec.origin}. Began with {self.origin}; all but the statistics of its batch norms was"
            " changed by the ratings",
            f"{title}: recipe paper, {len(self.history)} epochs of which {best_epoch(self.history)} was the best, batch"
            f" {self.settings.batch}, seed {self.settings.seed}",
            ratings=table.name,
            feature_spec=feature_spec,
            left_out=len(self.reader.failed),
            license_=license_,
        )
