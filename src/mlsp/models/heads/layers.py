"""Layers of the paper's heads, and their initialisation, as Keras has them."""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn import functional

# Keras's defaults; its momentum .99 of the old is torch's .01 of the new.
EPSILON = 1e-3
MOMENTUM = 0.01
# Keras draws from a normal distribution cut at two deviations, and widens it so that what is left has the wanted deviation.
_DEVIATION_OF_CUT_NORMAL = 0.87962566103423978


def dense(inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
    """A fully-connected layer, or on maps with channels last a 1×1 convolution; its weights are set by `initialise`."""
    # Without memory at first: torch's own beginning would draw from its global generator.
    return nn.Linear(inputs, outputs, bias=bias, device="meta").to_empty(device="cpu")


def convolution(inputs: int, outputs: int, size: tuple[int, int]) -> nn.Conv2d:
    """A convolution without bias that keeps a map's size; its weights are set by `initialise`."""
    padding = (size[0] // 2, size[1] // 2)
    layer = nn.Conv2d(inputs, outputs, size, padding=padding, bias=False, device="meta")
    return layer.to_empty(device="cpu")


def batch_norm(width: int) -> nn.BatchNorm1d:
    """A batch norm of vectors."""
    return nn.BatchNorm1d(width, eps=EPSILON, momentum=MOMENTUM)


class ShiftBatchNorm(nn.Module):
    """A batch norm without scale, of maps with channels last.

    Attributes:
        momentum: share of a batch's statistics in the running ones.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.momentum = MOMENTUM
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        # Where there is no scale torch's exporter expects one all the same.
        self.register_buffer("_scale", torch.ones(channels), persistent=False)

    _scale: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)."""
        rows = functional.batch_norm(
            x.reshape(-1, x.shape[-1]),
            self.running_mean,
            self.running_var,
            self._scale,
            self.bias,
            training=self.training,
            momentum=self.momentum,
            eps=EPSILON,
        )
        return rows.reshape(x.shape)


def initialise(module: nn.Module, seed: int, *, glorot: Collection[nn.Module] = ()) -> None:
    """Begin as Keras's `he_normal` does: kernels normal with deviation √(2 / inputs), cut at two deviations; biases 0.

    Args:
        module: changed in place; its batch norms are as new already.
        seed: of an own generator, so that torch's global one stays as it is.
        glorot: layers of it that begin as Keras's `glorot_uniform` does: even between ±√(6 / (inputs + outputs)).
    """
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            inputs = layer.weight[0].numel()
            with torch.no_grad():
                if layer in glorot:
                    # Keras counts the inputs and outputs of a kernel at each of its positions.
                    limit = math.sqrt(6 / (inputs + layer.weight[:, 0].numel()))
                    layer.weight.uniform_(-limit, limit, generator=generator)
                else:
                    deviation = math.sqrt(2 / inputs) / _DEVIATION_OF_CUT_NORMAL
                    layer.weight.copy_(_cut_normal(layer.weight.shape, generator) * deviation)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _cut_normal(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Standard normal values, those beyond ±2 drawn again: several times as fast as `torch.nn.init.trunc_normal_`."""
    values = torch.randn(shape, generator=generator)
    while (beyond := values.abs() > 2).any():
        values[beyond] = torch.randn(int(beyond.sum()), generator=generator)
    return values


def parameter_count(module: nn.Module) -> int:
    """Numbers of a network as Keras counts them: trainable ones and running statistics together."""
    # Torch's batch norms count their batches; Keras's do not.
    arrays = module.state_dict().values()
    return sum(array.numel() for array in arrays if array.is_floating_point())
