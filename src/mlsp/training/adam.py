"""Adam with Keras's defaults."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from mlsp.training.large_dense import BETAS, EPSILON, LargeDense


class KerasAdam:
    """Adam over all layers of a model, with Keras's defaults: betas .9 and .999, epsilon 1e-7 (torch's is 1e-8).

    Large dense layers update themselves in the backward pass, see `LargeDense`; torch's fused Adam updates all others.
    """

    def __init__(self, model: nn.Module, learning_rate: float) -> None:
        self._large = [layer for layer in model.modules() if isinstance(layer, LargeDense)]
        own = {id(layer.weight) for layer in self._large}
        rest = [
            array for array in model.parameters() if array.requires_grad and id(array) not in own
        ]
        self._rest = torch.optim.Adam(rest, lr=learning_rate, betas=BETAS, eps=EPSILON, fused=True)
        for layer in self._large:
            layer.learning_rate = learning_rate
            layer.forget_adam_state()

    def step(self) -> None:
        """Take a step down the gradients, and clear them."""
        self._rest.step()
        self._rest.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """Return what the run continues from after a kill."""
        large = [layer.adam_state() for layer in self._large]
        return {"large": large, "rest": self._rest.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take what `state_dict` returned."""
        for layer, its in zip(self._large, state["large"], strict=True):
            layer.load_adam_state(its)
        self._rest.load_state_dict(state["rest"])
