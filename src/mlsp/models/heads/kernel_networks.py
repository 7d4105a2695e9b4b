"""Small networks that learn in the directions of a kernel head, and share its score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import SettingsError
from mlsp.models.network_form import NetworkForm

_HIDDEN_LAYERS = 2
# Of an epoch: with fewer, networks of few photos have hardly begun when their epochs end.
_MIN_STEPS = 16


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """What a kernel head learns from, in its components.

    Attributes:
        photos: (photos, D), rated.
        deviations: (photos,) of their ratings from the mean.
        weights: (photos,) of their squared errors.
        better: (pairs, D), of which one is known to be better.
        worse: (pairs, D), the other ones.
        margins: (pairs,) by which their scores should differ.
        pair_weights: (pairs,) of the squared errors of their differences.
    """

    photos: Float32Array
    deviations: Float64Array
    weights: Float64Array
    better: Float32Array
    worse: Float32Array
    margins: Float64Array
    pair_weights: Float64Array

    @classmethod
    def of_ratings(cls, photos: Float32Array, deviations: Float64Array) -> TrainingSet:
        """Return rated photos that weigh alike, and no pairs."""
        no_pairs, none = photos[:0], deviations[:0]
        return cls(photos, deviations, np.ones_like(deviations), no_pairs, no_pairs, none, none)


@dataclass(frozen=True, slots=True)
class KernelNetworks:
    """How networks learn beside a kernel head.

    A kernel head trusts the photos that are near; networks err elsewhere, so that the mean of both errs less. All learn by the same
    squared errors of ratings and pairs, and differ by their seeds.

    Attributes:
        share: of the networks in the score, 0 to 1; the kernel has the rest.
        count: networks, whose mean is taken.
        widths: of the two hidden layers.
        epochs: passes over all rated photos, and all pairs.
        dropout: probability that a channel of a hidden layer is left out in a step.
        pair_weight: of a pair for the networks, against its weight for the kernel.
        batch_size: rated photos in a step, at most: an epoch has 16 steps or more. So many pairs are beside them that all are seen.
        learning_rate: highest (AdamW, one cycle: Smith and Topin 2019).
        weight_decay: of AdamW.

    Raises:
        SettingsError: a number is out of range.
    """

    share: float = 0.5
    count: int = 3
    widths: tuple[int, int] = (512, 64)
    epochs: int = 20
    dropout: float = 0.2
    pair_weight: float = 0.6
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        # Written so that NaN fails as well.
        if not (0 <= self.share <= 1 and 0 <= self.dropout < 1):
            raise SettingsError(
                f"share of networks in the score must be 0 to 1, got {self.share:g}; dropout 0 to below 1, got {self.dropout:g}"
            )
        if len(self.widths) != _HIDDEN_LAYERS or (
            min(self.count, *self.widths, self.epochs, self.batch_size) < 1
        ):
            raise SettingsError(
                "a kernel head with networks needs at least 1 network, of two hidden layers of at least 1 channel, and at least 1 epoch and"
                f" photo in a step, got {self.count}, {self.widths}, {self.epochs} and {self.batch_size}"
            )
        if not (self.learning_rate > 0 and min(self.pair_weight, self.weight_decay) >= 0):
            raise SettingsError(
                f"learning rate must be above 0, got {self.learning_rate:g}; pair weight and weight decay 0 or more, got"
                f" {self.pair_weight:g} and {self.weight_decay:g}"
            )

    def fit(self, training: TrainingSet, seed: int) -> tuple[NetworkForm, ...]:
        """Fit the networks.

        Args:
            training: to learn from.
            seed: of weights and order; no two seeds share a network.

        Returns:
            The networks; what they give is their share of the deviation from the mean rating.
        """
        learned = _Tensors.of(training, self.pair_weight)
        networks = (
            self._trained(learned, seed * self.count + number) for number in range(self.count)
        )
        return tuple(self._form(network, learned) for network in networks)

    def _form(self, network: nn.Sequential, learned: _Tensors) -> NetworkForm:
        first, second, last = (layer for layer in network if isinstance(layer, nn.Linear))

        def array(of: Tensor) -> Float64Array:
            return of.detach().numpy().T.astype(np.float64)

        return NetworkForm(
            array(first.weight) * learned.scale,
            array(first.bias),
            array(second.weight),
            array(second.bias),
            array(last.weight)[:, 0] * learned.deviation * self.share / self.count,
        )

    def _trained(self, learned: _Tensors, seed: int) -> nn.Sequential:
        order = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = self._network(learned.photos.shape[1])
            batch_size = min(self.batch_size, max(1, len(learned.photos) // _MIN_STEPS))
            steps = len(learned.photos) // batch_size
            optimizer = torch.optim.AdamW(
                network.parameters(), self.learning_rate, weight_decay=self.weight_decay
            )
            schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimizer, self.learning_rate, total_steps=self.epochs * steps
            )
            for _ in range(self.epochs):
                photos, pairs = (
                    torch.randperm(len(some), generator=order).tensor_split(steps)
                    for some in (learned.photos, learned.better)
                )
                for at, at_pairs in zip(photos, pairs, strict=True):
                    optimizer.zero_grad()
                    error = learned.error(network, at, at_pairs)
                    error.backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
                    schedule.step()
        return network

    def _network(self, components: int) -> nn.Sequential:
        first, second = self.widths
        return nn.Sequential(
            nn.Linear(components, first),
            nn.SiLU(),
            nn.Dropout(self.dropout),
            nn.Linear(first, second),
            nn.SiLU(),
            nn.Dropout(self.dropout),
            nn.Linear(second, 1, bias=False),
        )


@dataclass(frozen=True, slots=True)
class _Tensors:
    """A training set as torch reads it: those of `TrainingSet`, components multiplied by `scale`, ratings divided by `deviation`."""

    scale: float
    deviation: float
    photos: Tensor
    deviations: Tensor
    weights: Tensor
    better: Tensor
    worse: Tensor
    margins: Tensor
    pair_weights: Tensor

    @classmethod
    def of(cls, training: TrainingSet, pair_weight: float) -> _Tensors:
        # Networks begin from numbers with a mean square of 1: a photo's components have it all together, ratings have any.
        scale = float(np.sqrt(training.photos.shape[1]))
        squares = np.average(training.deviations**2, weights=training.weights)
        deviation = float(np.sqrt(squares))
        arrays = (
            training.photos * np.float32(scale),
            training.deviations / deviation,
            training.weights,
            training.better * np.float32(scale),
            training.worse * np.float32(scale),
            training.margins / deviation,
            training.pair_weights * pair_weight,
        )
        return cls(
            scale, deviation, *(torch.tensor(array, dtype=torch.float32) for array in arrays)
        )

    def error(self, network: nn.Module, at: Tensor, at_pairs: Tensor) -> Tensor:
        """Return the squared errors of a step, added up, for each of its rated photos."""
        photos = torch.cat([self.photos[at], self.better[at_pairs], self.worse[at_pairs]])
        sizes = [len(at), len(at_pairs), len(at_pairs)]
        rated, better, worse = network(photos)[:, 0].split(sizes)
        of_rated = self.weights[at] * (rated - self.deviations[at]).square()
        differences = better - worse - self.margins[at_pairs]
        of_pairs = self.pair_weights[at_pairs] * differences.square()
        mean: Tensor = (of_rated.sum() + of_pairs.sum()) / len(at)
        return mean
