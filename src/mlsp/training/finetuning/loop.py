"""Epochs: views -> batches -> steps; validation, the best weights, and what goes on after a kill."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlsp.base.arrays import UInt8Array
from mlsp.base.errors import RatingsError, TrainingError
from mlsp.evaluation.metrics import plcc, srcc
from mlsp.photos.crops import cut_views, random_view
from mlsp.ratings.splits import Split
from mlsp.training.finetuning.network import FinetunedNetwork, checkpointed
from mlsp.training.finetuning.photos import PhotoReader, batches, photo_rng, pieces
from mlsp.training.finetuning.scores import predict, seeded_views
from mlsp.training.finetuning.settings import FinetuneSettings
from mlsp.training.loop import TrainingCallbacks
from mlsp.training.recipes import Schedule, find_recipe
from mlsp.training.run_folder import EpochRecord, RunFolder
from mlsp.training.targets import Targets, scores_of


class Learning:
    """The epochs of a run.

    Args:
        network: learns; on its device already.
        reader: of the rated photos.
        split: of the reader's table.
        targets: of it.
        settings: how.
        folder: of the run.
        watch: is told of it.
    """

    def __init__(
        self,
        network: FinetunedNetwork,
        reader: PhotoReader,
        split: Split,
        targets: Targets,
        settings: FinetuneSettings,
        folder: RunFolder,
        watch: TrainingCallbacks,
    ) -> None:
        self._network = network
        self._reader = reader
        self._split = split
        self._settings = settings
        self._folder = folder
        self._watch = watch
        self._targets = targets
        self._device = network.pooled.scale.device
        self._schedule = self._new_schedule()
        self._optimizer = self._new_optimizer()
        self._best: dict[str, Tensor] = {}
        self.log: list[EpochRecord] = []

    def run(self) -> None:
        """Go on where the folder's run was, to the end; the network has the best weights then.

        Raises:
            RatingsError: too few photos can be read.
            TrainingError: the loss became NaN or infinite, or the run's state cannot be read.
            OutputError: the folder cannot be written.
        """
        self._resume()
        limit = self._settings.epochs or math.inf
        saving = checkpointed(self._network.network)
        with saving if self._settings.checkpointing else contextlib.nullcontext():
            while not self._schedule.is_over and len(self.log) < limit:
                self._epoch(len(self.log) + 1)
        self._network.load_state_dict(self._best)

    def _epoch(self, epoch: int) -> None:
        started = time.monotonic()
        learning_rate = self._schedule.learning_rate
        train_loss, photos = self._learn(epoch)
        learned = time.monotonic()
        loss, of_ranks, of_values = self._validate(epoch)
        noted = self._schedule.note(loss)
        if noted.is_best:
            self._best = {
                name: array.detach().cpu().clone()
                for name, array in self._network.state_dict().items()
            }
        if noted.changes_rate:
            # Adam's moments are of other weights.
            self._network.load_state_dict(self._best)
            self._optimizer = self._new_optimizer()
        record = EpochRecord(
            epoch,
            learning_rate,
            train_loss,
            loss,
            of_ranks,
            of_values,
            seconds=time.monotonic() - started,
            rows_per_s=photos / max(learned - started, 1e-9),
            is_best=noted.is_best,
        )
        self.log.append(record)
        self._folder.save(self._state(), self.log)
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
                _check_finite("loss", loss, epoch)
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

    def _validate(self, epoch: int) -> tuple[float, float, float]:
        """Returns loss, SRCC and PLCC."""
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
        _check_finite("validation loss", loss, epoch)
        scores, mos = scores_of(said.outputs, self._targets.spec), table.mos[said.rows]
        return loss, srcc(scores, mos), plcc(scores, mos)

    def _state(self) -> dict[str, Any]:
        return {
            "network": self._network.state_dict(),
            "best": self._best,
            "optimizer": self._optimizer.state_dict(),
            "schedule": dataclasses.asdict(self._schedule),
        }

    def _resume(self) -> None:
        found = self._folder.load()
        if found is None:
            return
        state, self.log = found
        self._network.load_state_dict(state["network"])
        self._schedule = Schedule(**state["schedule"])
        self._best = state["best"]
        self._optimizer = self._new_optimizer()
        self._optimizer.load_state_dict(state["optimizer"])
        # A kill may have come between the state and the log.
        self._folder.write_log(self.log)

    def _new_schedule(self) -> Schedule:
        # Of narrow features, whatever the head's: the paper has one for all.
        schedule = Schedule.of(find_recipe("paper"), grid=1)
        first = self._settings.learning_rate
        if first is not None:
            schedule.rates = tuple(first * rate / schedule.rates[0] for rate in schedule.rates)
        return schedule

    def _new_optimizer(self) -> torch.optim.Adam:
        learned = [array for array in self._network.parameters() if array.requires_grad]
        # Keras's defaults but for the learning rate; torch's epsilon is 1e-8.
        return torch.optim.Adam(learned, lr=self._schedule.learning_rate, eps=1e-7)


def _check_finite(what: str, value: float, epoch: int) -> None:
    if not math.isfinite(value):
        raise TrainingError(
            f"the {what} became {value} in epoch {epoch}: the run stops, and its last whole epoch is kept; take precision float32,"
            " a lower learning rate, or trained weights to begin with"
        )
