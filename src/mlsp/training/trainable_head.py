"""Prepares a head for learning: the same arrays under the same names, in layers that learn faster."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlsp.models.heads import ScoreHead
from mlsp.models.heads.layers import MOMENTUM, ShiftBatchNorm
from mlsp.training.large_dense import MIN_WEIGHTS, LargeDense


def trainable_head(
    head: ScoreHead,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    *,
    norm_momentum: float = MOMENTUM,
) -> ScoreHead:
    """Prepare a head for learning.

    In bfloat16 only the products of dense layers and convolutions are computed, except for the last layer, whose output of about 5
    would be rounded to steps of .03. Weights, batch norms, dropout, loss, gradients between layers and Adam stay float32. On the CPU
    large dense layers become `LargeDense`.

    Args:
        head: is changed; its `state_dict` keeps its names.
        device: to learn on.
        dtype: of the products, float32 or bfloat16.
        norm_momentum: share of a batch's statistics in the running ones of batch norms.

    Returns:
        The same head.
    """
    head.to(device)
    last = head.last_layers()
    for parent in list(head.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.BatchNorm1d | ShiftBatchNorm):
                layer.momentum = norm_momentum
            elif isinstance(layer, nn.Dropout):
                layer.forward = partial(_dropout, layer)  # type: ignore[method-assign]
            elif isinstance(layer, nn.Linear | nn.Conv2d):
                is_last = any(layer is one for one in last)
                of_layer = torch.float32 if is_last else dtype
                is_large = layer.weight.numel() >= MIN_WEIGHTS and device.type == "cpu"
                # Subclasses and users' networks may use the weights in ways of their own.
                if is_large and type(layer) is nn.Linear:
                    setattr(parent, name, LargeDense(layer, of_layer))
                elif of_layer != torch.float32:
                    layer.forward = partial(_product, layer, dtype)  # type: ignore[method-assign]
    return head


def _dropout(layer: nn.Dropout, x: Tensor) -> Tensor:
    """Draw as earlier versions did, so that a seed repeats their runs."""
    if not layer.training:
        return x
    return x * ((torch.rand_like(x) >= layer.p).to(x.dtype) / (1 - layer.p))


def _product(layer: nn.Linear | nn.Conv2d, dtype: torch.dtype, x: Tensor) -> Tensor:
    """Compute the product in `dtype`, and add a dense layer's bias in float32."""
    with torch.autocast(x.device.type, dtype):
        if isinstance(layer, nn.Conv2d):
            return type(layer).forward(layer, x).float()
        product = functional.linear(x, layer.weight).float()
    return product if layer.bias is None else product + layer.bias
