"""Small networks that learn in the directions of a kernel head, and share its score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import SettingsError
from mlsp.models.network_form import NetworkForm


@dataclass(frozen=True, slots=True)
class LearnedRows:
    """What a head's squared errors are summed over, in its components.

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
    def of_ratings(cls, photos: Float32Array, deviations: Float64Array) -> LearnedRows:
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
        dropout: share of each hidden layer that is left out in a step.
        pairs: weight of a pair for the networks, against its weight for the kernel.
        batch: rated photos in a step; so many pairs beside them that all are seen in an epoch.
        rate: highest learning rate (AdamW, one cycle: Smith and Topin 2019).
        decay: of weights.

    Raises:
        SettingsError: a number is out of range.
    """

    share: float = 0.5
    count: int = 3
    widths: tuple[int, int] = (512, 64)
    epochs: int = 20
    dropout: float = 0.2
    pairs: float = 0.6
    batch: int = 256
    rate: float = 2e-3
    decay: float = 0.01

    def __post_init__(self) -> None:
        if not (0 <= self.share <= 1 and 0 <= self.dropout < 1):
            raise SettingsError(
                f"share of networks in the score must be 0 to 1, got {self.share:g}; dropout 0 to below 1, got {self.dropout:g}"
            )
        if min(self.count, *self.widths, self.epochs, self.batch) < 1:
            raise SettingsError(
                "a kernel head with networks needs at least 1 network, and of each at least 1 channel, epoch and photo in a step, got"
                f" {self.count}, {self.widths}, {self.epochs} and {self.batch}"
            )

    def fit(self, rows: LearnedRows, seed: int) -> tuple[NetworkForm, ...]:
        """Fit the networks.

        Args:
            rows: to learn from.
            seed: of weights and order; that of the next network is one higher.

        Returns:
            The networks; what they give is their share of the deviation from the mean rating.
        """
        learned = _Tensors.of(rows, self.pairs)
        networks = (self._trained(learned, seed + number) for number in range(self.count))
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
            array(last.weight)[:, 0] * learned.spread * self.share / self.count,
        )

    def _trained(self, learned: _Tensors, seed: int) -> nn.Sequential:
        order = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = self._network(learned.photos.shape[1])
            steps = max(1, len(learned.photos) // self.batch)
            optimizer = torch.optim.AdamW(network.parameters(), self.rate, weight_decay=self.decay)
            schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimizer, self.rate, total_steps=self.epochs * steps
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
    """Rows to learn from, as torch reads them: those of `LearnedRows`, components multiplied by `scale`, ratings divided by `spread`."""

    scale: float
    spread: float
    photos: Tensor
    deviations: Tensor
    weights: Tensor
    better: Tensor
    worse: Tensor
    margins: Tensor
    pair_weights: Tensor

    @classmethod
    def of(cls, rows: LearnedRows, pairs: float) -> _Tensors:
        # Networks begin from numbers with a mean square of 1: a photo's components have it all together, ratings have any.
        scale = float(np.sqrt(rows.photos.shape[1]))
        spread = float(np.sqrt(np.average(rows.deviations**2, weights=rows.weights))) or 1.0
        arrays = (
            rows.photos * np.float32(scale),
            rows.deviations / spread,
            rows.weights,
            rows.better * np.float32(scale),
            rows.worse * np.float32(scale),
            rows.margins / spread,
            rows.pair_weights * pairs,
        )
        return cls(
            scale, spread, *(torch.from_numpy(np.asarray(array, np.float32)) for array in arrays)
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
