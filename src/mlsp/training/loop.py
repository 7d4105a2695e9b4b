"""The epochs of a head on stored features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from mlsp.base.arrays import Float16Array, Float32Array, Float64Array
from mlsp.models.heads import HeadSpec, ScoreHead
from mlsp.ratings.splits import Split
from mlsp.ratings.table import RatingTable
from mlsp.training.batches import (
    FeatureBatches,
    Rows,
    ordered_batches,
    training_batches,
)
from mlsp.training.epochs import EpochLoop, TrainingCallbacks, Validation
from mlsp.training.recipes import Schedule
from mlsp.training.run_folder import RunFolder
from mlsp.training.settings import TrainSettings
from mlsp.training.targets import Targets, mean_over_views
from mlsp.training.trainable_head import trainable_head

_TEST_BYTES = 64 << 20
_MAX_TEST_VIEWS = 1024


@torch.no_grad()
def predict(
    outputs_of: Callable[[Tensor], Tensor],
    spec: HeadSpec,
    features: FeatureBatches,
    rows: Rows,
    *,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Compute outputs of photos, each the mean over its stored views.

    Args:
        outputs_of: (N, G, G, C) -> (N, outputs).
        spec: of the head.
        features: of the photos.
        rows: of the table.
        device: to compute on.
        dtype: of the features that are given to the head.

    Returns:
        (photos, outputs) float32 on the CPU, in the order of `rows`.
    """
    view_bytes = features.channels * features.grid**2 * 4
    views_at_once = min(_MAX_TEST_VIEWS, max(1, _TEST_BYTES // view_bytes))
    size = max(1, views_at_once // features.views)
    found = []
    for array in features.read(ordered_batches(rows, size=size)):
        views = _moved(array, device, dtype)
        outputs = outputs_of(views.flatten(0, 1)).float()
        outputs = outputs.reshape(len(views), features.views, -1)
        found.append(mean_over_views(outputs, spec).cpu())
    return torch.cat(found) if found else torch.zeros(0, spec.outputs)


def scores_of_photos(
    module: nn.Module, features: FeatureBatches, rows: Rows, device: torch.device
) -> Float64Array:
    """Compute scores of photos, each the mean over its stored views.

    Args:
        module: (N, G, G, C) -> (N,) scores on the ratings' scale.
        features: of the photos.
        rows: of the table.
        device: to compute on.

    Returns:
        (photos,) in the order of `rows`.
    """
    module.to(device)
    scores = numbers_of_photos(lambda views: module(views)[:, None], features, rows, device)
    module.to("cpu")
    return scores[:, 0]


def numbers_of_photos(
    numbers_of: Callable[[Tensor], Tensor],
    features: FeatureBatches,
    rows: Rows,
    device: torch.device,
) -> Float64Array:
    """Compute numbers of photos, each the mean over its stored views.

    Args:
        numbers_of: (N, G, G, C) -> (N, numbers).
        features: of the photos.
        rows: of the table.
        device: to compute on.

    Returns:
        (photos, numbers) in the order of `rows`.
    """
    # They are averaged as they are, like the outputs of a head that gives one number.
    found = predict(numbers_of, HeadSpec("single_1fc"), features, rows, device=device)
    return np.asarray(found.double().numpy())


class HeadLoop(EpochLoop):
    """The epochs of a head.

    Args:
        head: has learned nothing yet; is changed.
        features: of the rated photos.
        ratings: the table.
        split: of the table, photos with features only.
        targets: of the table.
        settings: of the run.
        device: to learn on.
        folder: of the run; None keeps nothing.
        callbacks: are called as the run goes on.
    """

    hint = "check the features with `mlsp features check`, or train in float32"

    def __init__(
        self,
        head: ScoreHead,
        features: FeatureBatches,
        ratings: RatingTable,
        split: Split,
        targets: Targets,
        settings: TrainSettings,
        *,
        device: torch.device,
        folder: RunFolder | None = None,
        callbacks: TrainingCallbacks | None = None,
    ) -> None:
        dtype = torch.bfloat16 if settings.precision == "bfloat16" else torch.float32
        recipe = settings.of_recipe()
        self._head = trainable_head(head, device, dtype, norm_momentum=recipe.norm_momentum)
        super().__init__(
            head,
            "head",
            Schedule.of(recipe, head.spec.grid),
            seed=settings.seed,
            epochs=settings.epochs,
            folder=folder,
            callbacks=callbacks or TrainingCallbacks(),
        )
        # All that heads on wide features do with them is products.
        self._dtype = dtype if head.spec.grid > 1 else torch.float32
        self._features = features
        self._ratings = ratings
        self._split = split
        self._targets = targets
        self._batch = settings.batch or recipe.batch_size(head.spec.grid, features.views)

    def learn(self, epoch: int) -> tuple[float, int]:
        """Take the steps of an epoch; returns the mean loss and the number of photos."""
        self._head.train()
        rows = self._split.train
        self._callbacks.epoch_begins(epoch, len(rows))
        batches = list(
            training_batches(
                rows, size=self._batch, views=self._features.views, seed=self._seed, epoch=epoch
            )
        )
        total = 0.0
        for batch, array in zip(batches, self._features.read(batches), strict=True):
            features = _moved(array, self._device, self._dtype)[:, 0]
            values = self._targets.values[torch.from_numpy(batch.rows)].to(self._device)
            loss = self._targets.loss(self._head.outputs(features), values)
            summed = float(loss.detach()) * len(batch.rows)
            self.check_finite("loss", summed, epoch)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            total += summed
            self._callbacks.batch_done(len(batch.rows))
        return total / len(rows), len(rows)

    def validate(self) -> Validation:
        """Measure the head on the validation photos, all stored views of each."""
        self._head.eval()
        rows = self._split.validation
        spec, features = self._head.spec, self._features
        outputs = predict(
            self._head.outputs, spec, features, rows, device=self._device, dtype=self._dtype
        )
        values = self._targets.values[torch.from_numpy(rows)]
        return Validation.of(outputs, self._ratings.mos[rows], values, self._targets)


def _moved(array: Float16Array | Float32Array, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Features on a device, converted there: torch would convert them before it moves them, which takes longer than the head."""
    return torch.from_numpy(array).to(device).to(dtype)
