"""Epochs: batches -> steps; validation, the best weights, and what goes on after a kill."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import TrainingError
from mlsp.evaluation.metrics import plcc, srcc
from mlsp.models.heads import HeadSpec, ScoreHead
from mlsp.ratings.splits import Split
from mlsp.ratings.table import RatingTable
from mlsp.training.batches import FeatureBatches, Halves, Rows, ordered_batches, training_batches
from mlsp.training.distributed import DistributedContext
from mlsp.training.recipes import Schedule
from mlsp.training.run_folder import EpochRecord, RunFolder
from mlsp.training.settings import TrainSettings
from mlsp.training.targets import Targets, mean_over_views, scores_of
from mlsp.training.trainable_head import HeadAdam, TrainableHead

_TEST_BYTES = 64 << 20
_MOST_TEST_VIEWS = 1024


@dataclass(frozen=True, slots=True)
class TrainingCallbacks:
    """Who is told of a run's progress; only by the first of several processes.

    Attributes:
        epoch_begins: with its number, from 1, and its photos.
        batch_done: with the photos of it.
        epoch_done: with its record.
    """

    epoch_begins: Callable[[int, int], None] = lambda _epoch, _photos: None
    batch_done: Callable[[int], None] = lambda _photos: None
    epoch_done: Callable[[EpochRecord], None] = lambda _record: None


def predict(
    outputs_of: Callable[[Tensor], Tensor],
    spec: HeadSpec,
    features: FeatureBatches,
    rows: Rows,
    *,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Outputs of photos, each the mean over its stored views.

    Args:
        outputs_of: (N, G, G, C) -> (N, outputs).
        spec: of the head.
        features: of the photos.
        rows: of the table.
        device: to compute on.
        dtype: of the features that are given to the head.

    Returns:
        (photos, outputs) float32 on the processor, in the order of `rows`.
    """
    view_bytes = features.channels * features.grid**2 * 4
    views_at_once = min(_MOST_TEST_VIEWS, max(1, _TEST_BYTES // view_bytes))
    size = max(1, views_at_once // features.views)
    found = []
    for array in features.read(ordered_batches(rows, size=size)):
        views = _moved(array, device, dtype)
        outputs = outputs_of(views.flatten(0, 1)).float()
        outputs = outputs.reshape(len(views), features.views, -1)
        found.append(mean_over_views(outputs, spec).cpu())
    return torch.cat(found) if found else torch.zeros(0, spec.outputs)


class Learning:
    """The epochs of a run.

    Args:
        head: has learned nothing yet; is changed.
        features: of the rated photos.
        ratings: the table.
        split: of the table, photos with features only.
        targets: of the table.
        settings: how.
        world: the processes.
        folder: of the run; the first process has one.
        watch: is told of it.
    """

    def __init__(
        self,
        head: ScoreHead,
        features: FeatureBatches,
        ratings: RatingTable,
        split: Split,
        targets: Targets,
        settings: TrainSettings,
        world: DistributedContext,
        folder: RunFolder | None,
        watch: TrainingCallbacks,
    ) -> None:
        dtype = torch.bfloat16 if settings.precision == "bfloat16" else torch.float32
        recipe = settings.of_recipe()
        self._learning = TrainableHead(head, world, dtype, norm_momentum=recipe.norm_momentum)
        # All that heads on wide features do with them is products.
        self._dtype = dtype if head.spec.grid > 1 else torch.float32
        self._features = features
        self._ratings = ratings
        self._split = split
        self._targets = targets
        self._settings = settings
        self._world = world
        self._folder = folder
        self._watch = watch
        self._batch = settings.batch or recipe.batch_size(head.spec.grid, features.views)
        self._schedule = Schedule.of(recipe, head.spec.grid)
        self._optimizer = HeadAdam(self._learning, self._schedule.learning_rate)
        self._best: dict[str, Tensor] = {}
        self.log: list[EpochRecord] = []

    def run(self) -> dict[str, Tensor]:
        """Go on where the folder's run was, to the end.

        Returns:
            The weights of the best epoch, on the processor.

        Raises:
            TrainingError: the loss became NaN or infinite, or the run's state cannot be read.
            OutputError: the folder cannot be written.
        """
        self._resume()
        limit = self._settings.epochs or math.inf
        while not self._schedule.is_over and len(self.log) < limit:
            self._epoch(len(self.log) + 1)
        return self._best

    def _epoch(self, epoch: int) -> None:
        started = time.monotonic()
        learning_rate = self._schedule.learning_rate
        train_loss = self._learn(epoch)
        learned = time.monotonic()
        loss, of_ranks, of_values = self._validate()
        noted = self._schedule.note(of_values if self._schedule.monitor == "plcc" else loss)
        if noted.is_best:
            self._best = _copied(self._learning.head)
        if noted.changes_rate:
            # Adam's moments are of other weights.
            self._learning.head.load_state_dict(self._best)
            self._optimizer = HeadAdam(self._learning, self._schedule.learning_rate)
        record = EpochRecord(
            epoch,
            learning_rate,
            train_loss,
            loss,
            of_ranks,
            of_values,
            seconds=time.monotonic() - started,
            rows_per_s=len(self._split.train) / max(learned - started, 1e-9),
            is_best=noted.is_best,
        )
        self.log.append(record)
        if self._folder is not None:
            self._folder.save(self._state(), self.log)
            self._watch.epoch_done(record)

    def _learn(self, epoch: int) -> float:
        """Returns the mean loss."""
        seed, world = self._settings.seed, self._world
        of_dropout = np.random.default_rng([seed, epoch, 1])
        self._learning.begin_epoch(int(of_dropout.integers(2**62)))
        rows = self._split.train
        if world.is_first:
            self._watch.epoch_begins(epoch, len(rows))
        batches = list(
            training_batches(
                rows, size=self._batch, views=self._features.views, seed=seed, epoch=epoch
            )
        )
        own = [batch.part(world.share(len(batch.rows))) for batch in batches]
        total = 0.0
        for whole, part, array in zip(batches, own, self._features.read(own), strict=True):
            features = _moved(array, world.device, self._dtype)[:, 0]
            total += self._step(features, part.rows, len(whole.rows), epoch)
            if world.is_first:
                self._watch.batch_done(len(whole.rows))
        sums = world.sum_in_place(torch.tensor(total, dtype=torch.float64, device=world.device))
        return float(sums) / len(rows)

    def _step(self, features: Tensor, rows: Rows, whole: int, epoch: int) -> float:
        """Learn from this process's part of a batch; returns the sum of its losses."""
        outputs = self._learning.learn_from(features, rows=whole, own=self._world.share(whole))
        values = self._targets.values[torch.from_numpy(rows)].to(self._world.device)
        # A process without a photo of the last batch takes part all the same.
        loss = self._targets.loss(outputs, values) if len(rows) else outputs.sum()
        summed = float(loss.detach()) * len(rows)
        if not math.isfinite(summed):
            raise TrainingError(
                f"the loss became {summed} in epoch {epoch}: the run stops, and its last whole epoch is kept; check the features with"
                " `mlsp features check`, or train in float32"
            )
        # DDP takes the mean over the processes.
        self._optimizer.step(loss * (len(rows) * self._world.size / whole))
        return summed

    def _validate(self) -> tuple[float, float, float]:
        """Returns loss, SRCC and PLCC."""
        rows, world = self._split.validation, self._world
        share = world.share(len(rows))
        outputs = torch.zeros(len(rows), self._targets.spec.outputs)
        outputs[share] = predict(
            self._learning.predict,
            self._targets.spec,
            self._features,
            rows[share],
            device=world.device,
            dtype=self._dtype,
        )
        if world.size > 1:
            outputs = world.sum_in_place(outputs.to(world.device)).cpu()
        loss = float(self._targets.loss(outputs, self._targets.values[torch.from_numpy(rows)]))
        if not math.isfinite(loss):
            raise TrainingError(
                f"the validation loss became {loss} in epoch {len(self.log) + 1}: the run stops, and its last whole epoch is kept;"
                " check the features with `mlsp features check`, or train in float32"
            )
        scores, mos = scores_of(outputs, self._targets.spec), self._ratings.mos[rows]
        return loss, srcc(scores, mos), plcc(scores, mos)

    def _state(self) -> dict[str, Any]:
        schedule = dataclasses.asdict(self._schedule)
        return {
            "head": self._learning.head.state_dict(),
            "best": self._best,
            "optimizer": self._optimizer.state_dict(),
            "schedule": {name: schedule[name] for name in ("rate", "epochs", "waited", "best")},
        }

    def _resume(self) -> None:
        found = self._world.from_first(None if self._folder is None else self._folder.load())
        if found is None:
            return
        state, self.log = found
        for name, value in state["schedule"].items():
            setattr(self._schedule, name, value)
        self._learning.head.load_state_dict(state["head"])
        self._best = state["best"]
        self._optimizer = HeadAdam(self._learning, self._schedule.learning_rate)
        self._optimizer.load_state_dict(state["optimizer"])
        if self._folder is not None:
            # A kill may have come between the state and the log.
            self._folder.write_log(self.log)


def _moved(array: Halves | Float32Array, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Features on a device, converted there: torch would convert them before it moves them, which takes longer than the head."""
    return torch.from_numpy(array).to(device).to(dtype)


def _copied(head: ScoreHead) -> dict[str, Tensor]:
    return {name: array.detach().cpu().clone() for name, array in head.state_dict().items()}


def best_epoch(log: Sequence[EpochRecord]) -> int:
    """The last epoch than which none before was as good."""
    return [record.epoch for record in log if record.is_best][-1]
