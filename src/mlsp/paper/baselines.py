"""Baseline without features: photos classified by their width and height (section 4.3 of the paper)."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mlsp.base.arrays import Float64Array
from mlsp.models.heads.layers import dense, initialise
from mlsp.ratings.splits import Split

# The paper does not report how it trains this network; all photos at once, as two numbers each are few.
_STEPS, _CHECK_EVERY, _LEARNING_RATE = 400, 10, 0.01
_WIDTHS = (2, 11, 9, 7, 2)
# With so few units some first weights leave all of a layer at 0, where nothing is learned.
_STARTS = 5


class SizeNetwork(nn.Module):
    """2 → 11 → 9 → 7 → 2 with ReLU between; learns by cross-entropy whether the MOS is above the threshold.

    Args:
        largest: width and height of the photos that it learns from, in pixels: sizes are divided by them.
        seed: of the first weights.
    """

    largest: Tensor

    def __init__(self, largest: Sequence[float], *, seed: int = 0) -> None:
        super().__init__()
        self.register_buffer("largest", torch.tensor(largest))
        layers: list[nn.Module] = [dense(*_WIDTHS[:2])]
        for before, width in itertools.pairwise(_WIDTHS[1:]):
            layers += [nn.ReLU(), dense(before, width)]
        self.layers = nn.Sequential(*layers)
        initialise(self, seed)

    def forward(self, sizes: Tensor) -> Tensor:
        """(N, 2) width and height in pixels -> (N, 2) logits of low and high."""
        out: Tensor = self.layers(sizes / self.largest)
        return out


def size_scores(
    sizes: Float64Array, high: NDArray[np.bool_], split: Split, *, seed: int = 0
) -> Float64Array:
    """Train the paper's network on width and height, and classify the test photos.

    Args:
        sizes: (photos of the table, 2) width and height in pixels.
        high: (photos of the table,) whether the MOS is above the threshold.
        split: of the table; of several starts the step with the smallest loss on its validation photos is kept.
        seed: of the first weights.

    Returns:
        (test photos,) difference of the logits: above 0 is high.
    """
    inputs = torch.from_numpy(sizes.astype(np.float32))
    classes = torch.from_numpy(high.astype(np.int64))
    train, validation, test = (
        torch.from_numpy(rows.astype(np.int64))
        for rows in (split.train, split.validation, split.test)
    )
    largest = sizes[split.train].max(axis=0).tolist()
    least, best = float("inf"), SizeNetwork(largest, seed=seed)
    for start in range(_STARTS):
        network = SizeNetwork(largest, seed=seed + start)
        optimiser = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
        for step in range(_STEPS):
            if step % _CHECK_EVERY == 0:
                with torch.no_grad():
                    loss = float(_loss(network, inputs[validation], classes[validation]))
                if loss < least:
                    least, best = loss, copy.deepcopy(network)
            optimiser.zero_grad()
            _loss(network, inputs[train], classes[train]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    with torch.no_grad():
        logits = best(inputs[test]).double().numpy()
    return np.asarray(logits[:, 1] - logits[:, 0])


def _loss(network: nn.Module, sizes: Tensor, classes: Tensor) -> Tensor:
    return nn.functional.cross_entropy(network(sizes), classes)
