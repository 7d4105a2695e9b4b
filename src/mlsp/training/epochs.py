"""Epochs of any run: learn, validate, keep the best weights, continue after a kill."""

from __future__ import annotations

import contextlib
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mlsp.base.arrays import Float64Array
from mlsp.base.errors import TrainingError
from mlsp.evaluation.metrics import plcc, srcc
from mlsp.training.adam import KerasAdam
from mlsp.training.recipes import Schedule
from mlsp.training.run_folder import EpochRecord, RunFolder
from mlsp.training.targets import Targets, scores_of


@dataclass(frozen=True, slots=True)
class TrainingCallbacks:
    """Functions that are called as a run goes on.

    Attributes:
        epoch_begins: with the number of the epoch, from 1, and the number of its photos.
        batch_done: with the number of photos in the batch.
        epoch_done: with the record of the epoch.
    """

    epoch_begins: Callable[[int, int], None] = lambda _epoch, _photos: None
    batch_done: Callable[[int], None] = lambda _photos: None
    epoch_done: Callable[[EpochRecord], None] = lambda _record: None


@dataclass(frozen=True, slots=True)
class Validation:
    """Loss and agreement on the validation photos after an epoch."""

    loss: float
    srcc: float
    plcc: float

    @classmethod
    def of(cls, outputs: Tensor, mos: Float64Array, values: Tensor, targets: Targets) -> Validation:
        """Measure outputs.

        Args:
            outputs: (photos, outputs) means over the views.
            mos: (photos,) on the ratings' scale.
            values: (photos, outputs) rows of `targets.values`.
            targets: of the run.
        """
        scores = scores_of(outputs, targets.spec)
        return cls(float(targets.loss(outputs, values)), srcc(scores, mos), plcc(scores, mos))


class EpochLoop(ABC):
    """The epochs of a run; a subclass has the steps of an epoch, and the validation.

    Args:
        model: learns, on its device already.
        name: key of its weights in the folder's state: `head`, or `network` for a fine-tuning.
        schedule: of the run.
        seed: of the run.
        epochs: at most; None for as many as the schedule has.
        folder: of the run; None keeps nothing.
        callbacks: are called as the run goes on.

    Attributes:
        log: the epochs so far.
    """

    # What to try when a loss is not finite.
    hint: str

    def __init__(
        self,
        model: nn.Module,
        name: str,
        schedule: Schedule,
        *,
        seed: int,
        epochs: int | None,
        folder: RunFolder | None,
        callbacks: TrainingCallbacks,
    ) -> None:
        self._model = model
        self._name = name
        self._schedule = schedule
        self._seed = seed
        self._limit = epochs or math.inf
        self._folder = folder
        self._callbacks = callbacks
        self._device = next(model.parameters()).device
        self._optimizer = KerasAdam(model, schedule.learning_rate)
        self._best: dict[str, Tensor] = {}
        self.log: list[EpochRecord] = []

    @abstractmethod
    def learn(self, epoch: int) -> tuple[float, int]:
        """Take the steps of an epoch; returns the mean loss and the number of photos."""

    @abstractmethod
    def validate(self) -> Validation:
        """Measure the model as it is now."""

    def run(self) -> dict[str, Tensor]:
        """Continue the folder's run to the end.

        Returns:
            The weights of the best epoch, on the CPU.

        Raises:
            TrainingError: a loss is not finite, or the state in the folder is damaged.
            OutputError: the folder cannot be written.
        """
        self._resume()
        while not self._schedule.is_over and len(self.log) < self._limit:
            self._epoch(len(self.log) + 1)
        if self._folder is not None:
            self._folder.finish(self.log)
        return self._best

    def _epoch(self, epoch: int) -> None:
        started = time.monotonic()
        learning_rate = self._schedule.learning_rate
        with self._seeded(epoch):
            train_loss, photos = self.learn(epoch)
        learned = time.monotonic()
        found = self.validate()
        self.check_finite("validation loss", found.loss, epoch)
        noted = self._schedule.note(found.plcc if self._schedule.monitor == "plcc" else found.loss)
        if noted.is_best:
            self._best = {
                name: array.detach().cpu().clone()
                for name, array in self._model.state_dict().items()
            }
        if noted.changes_rate:
            # Adam's moments belong to other weights.
            self._model.load_state_dict(self._best)
            self._optimizer = KerasAdam(self._model, self._schedule.learning_rate)
        record = EpochRecord(
            epoch,
            learning_rate,
            train_loss,
            found.loss,
            found.srcc,
            found.plcc,
            seconds=time.monotonic() - started,
            rows_per_s=photos / max(learned - started, 1e-9),
            is_best=noted.is_best,
        )
        self.log.append(record)
        if self._folder is not None:
            self._folder.save(self._state(), self.log)
        self._callbacks.epoch_done(record)

    @contextlib.contextmanager
    def _seeded(self, epoch: int) -> Iterator[None]:
        """Seed torch's global generator, which dropout draws from: an epoch draws the same after a kill as without one."""
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(int(np.random.default_rng([self._seed, epoch, 1]).integers(2**62)))
            yield

    def check_finite(self, noun: str, value: float, epoch: int) -> None:
        """Stop at a loss that is not finite.

        Raises:
            TrainingError: it is not.
        """
        if not math.isfinite(value):
            raise TrainingError(
                f"the {noun} became {value} in epoch {epoch}: the run stops, and its last whole epoch is kept; {self.hint}"
            )

    def _state(self) -> dict[str, Any]:
        return {
            self._name: self._model.state_dict(),
            "best": self._best,
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
        }

    def _resume(self) -> None:
        found = None if self._folder is None else self._folder.load()
        if found is None:
            return
        state, self.log = found
        self._schedule.load_state_dict(state["schedule"])
        self._model.load_state_dict(state[self._name])
        self._best = state["best"]
        self._optimizer = KerasAdam(self._model, self._schedule.learning_rate)
        self._optimizer.load_state_dict(state["optimizer"])


def best_epoch(log: Sequence[EpochRecord]) -> int:
    """Return the number of the last epoch that was better than all before it."""
    return [record.epoch for record in log if record.is_best][-1]
