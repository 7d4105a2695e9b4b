"""Baseline without features: photos classified by their width and height (section 4.3 of the paper)."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mlsp.base.arrays import Float64Array
from mlsp.models.heads import build_size_network
from mlsp.ratings.splits import Split

# The paper does not report how it trains this network; all photos at once, as two numbers each are few.
_STEPS, _CHECK_EVERY, _LEARNING_RATE = 400, 10, 0.01
# With so few units some first weights leave all of a layer at 0, where nothing is learned.
_STARTS = 5


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
    least, best = float("inf"), build_size_network(*largest, seed=seed)
    for start in range(_STARTS):
        network = build_size_network(*largest, seed=seed + start)
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
