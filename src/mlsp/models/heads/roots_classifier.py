"""A linear classifier on the square roots of narrow features, as a torch module."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from mlsp.base.arrays import Float64Array


class RootsClassifier(nn.Module):
    """Probabilities of labels: (N, 1, 1, C) -> (N, labels).

    Args:
        weight: (C, labels) of the square roots; kept in 16 bits.
        bias: (labels,)
        labels: `independent` of each other, or of each photo `one`, whose probabilities add up to 1.
    """

    weight: Tensor
    bias: Tensor
    step: Tensor

    def __init__(
        self, weight: Float64Array, bias: Float64Array, labels: Literal["independent", "one"]
    ) -> None:
        super().__init__()
        self.is_one = labels == "one"
        # Weights of channels that hardly vary are large: a scale for each channel keeps all within 16 bits.
        step = np.maximum(np.abs(weight).max(axis=1, keepdims=True), 1e-30)
        self.register_buffer("weight", torch.from_numpy((weight / step).astype(np.float16)))
        self.register_buffer("step", torch.from_numpy(step[:, 0].astype(np.float32)))
        self.register_buffer("bias", torch.from_numpy(bias.astype(np.float32)))

    def forward(self, features: Tensor) -> Tensor:
        """Classify features: (N, 1, 1, C) -> (N, labels)."""
        roots = features[:, 0, 0, :].clamp(min=0).sqrt() * self.step
        logits = roots @ self.weight.float() + self.bias
        return logits.softmax(dim=1) if self.is_one else logits.sigmoid()
