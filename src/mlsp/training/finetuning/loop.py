"""The epochs of a fine-tuning."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from mlsp.base.arrays import UInt8Array
from mlsp.base.errors import RatingsError
from mlsp.photos.crops import cut_views, random_view
from mlsp.ratings.splits import Split
from mlsp.training.epochs import EpochLoop, TrainingCallbacks, Validation
from mlsp.training.finetuning.network import FinetunedNetwork, checkpointed
from mlsp.training.finetuning.photos import PhotoReader, batches, photo_rng, pieces
from mlsp.training.finetuning.scores import predict, seeded_views
from mlsp.training.finetuning.settings import FinetuneSettings
from mlsp.training.recipes import Schedule, find_recipe
from mlsp.training.run_folder import RunFolder
from mlsp.training.targets import Targets


class FinetuneLoop(EpochLoop):
    """The epochs of a network and its head."""

    hint = "take precision float32, a lower learning rate, or trained weights to begin with"

    def __init__(
        self,
        network: FinetunedNetwork,
        reader: PhotoReader,
        split: Split,
        targets: Targets,
        settings: FinetuneSettings,
        folder: RunFolder,
        callbacks: TrainingCallbacks,
    ) -> None:
        # Of narrow features, whatever the head's: the paper has one for all.
        schedule = Schedule.of(find_recipe("paper"), grid=1)
        if settings.learning_rate is not None:
            factor = settings.learning_rate / schedule.rates[0]
            schedule.rates = tuple(factor * rate for rate in schedule.rates)
        super().__init__(
            network,
            "network",
            schedule,
            seed=settings.seed,
            epochs=settings.epochs,
            folder=folder,
            callbacks=callbacks,
        )
        self._network = network
        self._reader = reader
        self._split = split
        self._settings = settings
        self._targets = targets

    def run(self) -> dict[str, Tensor]:
        """Continue the folder's run to the end; the network has the best weights then.

        Raises:
            RatingsError: too few photos can be read.
            MlspError: see `EpochLoop.run`.
        """
        saving = checkpointed(self._network.network)
        with saving if self._settings.checkpointing else contextlib.nullcontext():
            best = super().run()
        self._network.load_state_dict(best)
        return best

    def learn(self, epoch: int) -> tuple[float, int]:
        """Take the steps of an epoch; returns the mean loss and the number of photos."""
        order = np.random.default_rng([self._seed, epoch]).permutation(self._split.train)
        self._callbacks.epoch_begins(epoch, len(order))
        total, photos = 0.0, 0
        with contextlib.closing(self._reader.views(order, self._cut(epoch))) as read:
            for batch in batches(read, self._settings.batch):
                loss = self._step([row for row, _ in batch], [views for _, views in batch])
                self.check_finite("loss", loss, epoch)
                self._optimizer.step()
                total += loss * len(batch)
                photos += len(batch)
                self._callbacks.batch_done(len(batch))
        if not photos:
            raise RatingsError(
                f"{self._reader.table.name}: fewer than 2 of {len(order)} photos to learn from could be read: check the paths"
            )
        return total / photos, photos

    def _step(self, rows: list[int], views: list[UInt8Array]) -> float:
        """Compute the gradients of a batch; returns its loss."""
        parts = pieces(views, at_most=self._settings.at_once, device=self._device)
        targets = self._targets.values[rows].to(self._device)
        return self._network.learn_from(parts, targets, self._targets.loss)

    def _cut(self, epoch: int) -> Callable[[UInt8Array, int], UInt8Array]:
        table, settings = self._reader.table, self._settings

        def cut(pixels: UInt8Array, row: int) -> UInt8Array:
            if not settings.augment:
                return cut_views(pixels, "whole")
            rng = photo_rng(settings.seed, table.ratings[row].photo_id, epoch=epoch)
            return random_view(pixels, rng)[None]

        return cut

    def validate(self) -> Validation:
        """Measure the network on the validation photos, the same random crops every time."""
        table, settings = self._reader.table, self._settings
        cut = seeded_views(
            table, count=settings.validation_views, seed=settings.seed, augment=settings.augment
        )
        found = predict(self._network, self._reader, self._split.validation.tolist(), cut)
        if len(found.rows) < 2:
            raise RatingsError(
                f"{table.name}: fewer than 2 of {len(self._split.validation)} validation photos could be read: check the paths,"
                " or enlarge validation_share"
            )
        values = self._targets.values[torch.from_numpy(found.rows)]
        return Validation.of(found.outputs, table.mos[found.rows], values, self._targets)
