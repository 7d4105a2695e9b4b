"""Epochs: views -> batches -> steps; validation, the best weights, and what goes on after a kill."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mlsp.arrays import UInt8Array
from mlsp.errors import RatingsError, SettingsError
from mlsp.features import Failed
from mlsp.finetuning.network import FinetunedNetwork, Loss, checkpointed
from mlsp.finetuning.photos import PhotoReader, batches, photo_rng, pieces
from mlsp.finetuning.run_folder import EpochRecord, RunFolder
from mlsp.finetuning.schedule import PaperSchedule
from mlsp.finetuning.scores import predict, seeded_views
from mlsp.finetuning.settings import FinetuneSettings
from mlsp.heads import HeadSpec, emd_squared
from mlsp.metrics import srcc
from mlsp.ratings import RatingTable
from mlsp.splits import Split
from mlsp.views import cut_views, random_view


@dataclass(frozen=True, slots=True)
class Targets:
    """What a head is to learn.

    Attributes:
        values: (photos, 1) MOS on the paper's scale, or (photos, bins) shares of the votes; for every row of the table.
        loss: of outputs and targets.
    """

    values: Tensor
    loss: Loss

    @classmethod
    def of(cls, ratings: RatingTable, head: HeadSpec) -> Targets:
        """Targets of a table for a head.

        Raises:
            RatingsError: the head learns distributions and the table has only means.
        """
        if head.output == "distribution":
            votes = ratings.votes
            shares = votes / votes.sum(axis=1, keepdims=True)
            return cls(torch.from_numpy(shares.astype(np.float32)), emd_squared)
        mos = head.to_paper_scale(ratings.mos)
        return cls(torch.from_numpy(mos.astype(np.float32))[:, None], functional.mse_loss)


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told of a run's progress.

    Attributes:
        epoch_begins: with its number, from 1, and the photos in it.
        batch_done: with the photos of it.
        epoch_done: with its record.
        failed: with each photo that is left out, once.
    """

    epoch_begins: Callable[[int, int], None] = lambda _epoch, _photos: None
    batch_done: Callable[[int], None] = lambda _photos: None
    epoch_done: Callable[[EpochRecord], None] = lambda _record: None
    failed: Callable[[Failed], None] = lambda _failed: None


class Learning:
    """The epochs of a run.

    Args:
        network: learns; on its device already.
        reader: of the rated photos.
        split: of the reader's table.
        settings: how.
        folder: of the run.
        watch: is told of it.
    """

    def __init__(
        self,
        network: FinetunedNetwork,
        reader: PhotoReader,
        split: Split,
        settings: FinetuneSettings,
        folder: RunFolder,
        watch: Watch,
    ) -> None:
        self._network = network
        self._reader = reader
        self._split = split
        self._settings = settings
        self._folder = folder
        self._watch = watch
        self._targets = Targets.of(reader.table, network.head.spec)
        self._device = network.pooled.scale.device
        self._schedule = PaperSchedule()
        self._optimizer = self._new_optimizer()
        self.log: list[EpochRecord] = []

    def run(self) -> None:
        """Go on where the folder's run was, to the end; the network has the best weights then.

        Raises:
            RatingsError: too few photos can be read.
            SettingsError: the loss is no number any more.
        """
        self._resume()
        limit = self._settings.epochs or math.inf
        saving = checkpointed(self._network.network)
        with saving if self._settings.checkpointing else contextlib.nullcontext():
            while not self._schedule.is_over and len(self.log) < limit:
                self._epoch(len(self.log) + 1)
        self._network.load_state_dict(self._folder.load_best()["network"])

    def _epoch(self, epoch: int) -> None:
        started = time.monotonic()
        learning_rate = self._schedule.learning_rate
        train_loss, photos = self._learn(epoch)
        validation_loss, agreement = self._validate()
        is_best, changes = self._schedule.note(validation_loss)
        if is_best:
            self._folder.save_best({"network": self._network.state_dict(), "epoch": epoch})
        if changes:
            self._network.load_state_dict(self._folder.load_best()["network"])
            # Its moments are of other weights.
            self._optimizer = self._new_optimizer()
        seconds = time.monotonic() - started
        record = EpochRecord(
            epoch, learning_rate, train_loss, validation_loss, agreement, photos, seconds, is_best
        )
        self.log.append(record)
        self._folder.save(
            {
                "network": self._network.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "schedule": dataclasses.asdict(self._schedule),
            },
            self.log,
        )
        self._watch.epoch_done(record)

    def _learn(self, epoch: int) -> tuple[float, int]:
        """Returns the mean loss and the number of photos."""
        order = np.random.default_rng([self._settings.seed, epoch]).permutation(self._split.train)
        self._watch.epoch_begins(epoch, len(order))
        read = self._reader.views(order, self._cut(epoch))
        total, photos = 0.0, 0
        devices = [self._device] if self._device.type == "cuda" else []
        # Dropout draws from torch's global generator, which must be the same in an epoch whatever was before it.
        with torch.random.fork_rng(devices), contextlib.closing(read):
            torch.manual_seed(
                int(np.random.default_rng([self._settings.seed, epoch, 1]).integers(2**62))
            )
            for batch in batches(read, self._settings.batch):
                loss = self._step([row for row, _ in batch], [views for _, views in batch])
                if not math.isfinite(loss):
                    raise SettingsError(
                        f"the loss became {loss} in epoch {epoch}: the run stops before its weights are saved; take precision"
                        " float32, or a start from trained weights"
                    )
                total += loss * len(batch)
                photos += len(batch)
                self._watch.batch_done(len(batch))
        if not photos:
            raise RatingsError(
                f"{self._reader.table.name}: fewer than 2 of {len(order)} photos to learn from could be read: check the paths"
            )
        return total / photos, photos

    def _step(self, rows: list[int], views: list[UInt8Array]) -> float:
        parts = pieces(views, at_most=self._settings.at_once, device=self._device)
        targets = self._targets.values[rows].to(self._device)
        self._optimizer.zero_grad()
        loss = self._network.learn_from(parts, targets, self._targets.loss)
        self._optimizer.step()
        return loss

    def _cut(self, epoch: int) -> Callable[[UInt8Array, int], UInt8Array]:
        table, settings = self._reader.table, self._settings

        def cut(pixels: UInt8Array, row: int) -> UInt8Array:
            if not settings.augment:
                return cut_views(pixels, "whole")
            rng = photo_rng(settings.seed, table.ratings[row].photo_id, epoch=epoch)
            return random_view(pixels, rng)[None]

        return cut

    def _validate(self) -> tuple[float, float]:
        """Returns loss and SRCC."""
        table, settings = self._reader.table, self._settings
        cut = seeded_views(
            table, count=settings.validation_views, seed=settings.seed, augment=settings.augment
        )
        said = predict(self._network, self._reader, self._split.validation.tolist(), cut)
        if len(said.rows) < 2:
            raise RatingsError(
                f"{table.name}: fewer than 2 of {len(self._split.validation)} validation photos could be read: check the paths,"
                " or enlarge validation_share"
            )
        targets = self._targets.values[torch.from_numpy(said.rows)]
        loss = float(self._targets.loss(said.outputs, targets))
        return loss, srcc(said.scores(self._network.head.spec), table.mos[said.rows])

    def _resume(self) -> None:
        found = self._folder.load()
        if found is None:
            return
        state, self.log = found
        self._network.load_state_dict(state["network"])
        self._schedule = PaperSchedule(**state["schedule"])
        self._optimizer = self._new_optimizer()
        self._optimizer.load_state_dict(state["optimizer"])

    def _new_optimizer(self) -> torch.optim.Adam:
        learned = [array for array in self._network.parameters() if array.requires_grad]
        # Keras's defaults but for the learning rate; torch's epsilon is 1e-8.
        return torch.optim.Adam(learned, lr=self._schedule.learning_rate, eps=1e-7)
