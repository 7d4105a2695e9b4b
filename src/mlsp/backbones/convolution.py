"""Building blocks of the embedded networks: a convolution with batch norm and activation, and parallel branches.

A batch norm always belongs to one convolution and follows it directly, so that an exporter can fold every `ConvBatchNorm` alike.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from mlsp.backbones.padding import SameConv2d

# Keras and TensorFlow's value for all networks here; torch's default is 1e-5.
BATCH_NORM_EPSILON = 1e-3
# Share of the new batch in the running statistics; Keras calls the rest momentum, .99. Matters to fine-tuning only.
_BATCH_NORM_MOMENTUM = 0.01

Activation = Literal["relu", "relu6"]


class ConvBatchNorm(nn.Module):
    """Convolution, batch norm and activation, in this order.

    Args:
        conv: without a bias, which the batch norm would take away again.
        out_channels: of the convolution.
        activation: None for a projection, which has none.
        has_scale: whether the batch norm learns a factor (gamma). Without, the factor stays 1, as in the networks of TF-Slim.
    """

    def __init__(
        self,
        conv: nn.Conv2d | SameConv2d,
        out_channels: int,
        *,
        activation: Activation | None,
        has_scale: bool,
    ) -> None:
        super().__init__()
        self.conv = conv
        self.bn = nn.BatchNorm2d(
            out_channels, eps=BATCH_NORM_EPSILON, momentum=_BATCH_NORM_MOMENTUM
        )
        self.bn.weight.requires_grad_(has_scale)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Compute (N, C, h, w) from (N, C', H, W)."""
        out: Tensor = self.bn(self.conv(x))
        if self.activation == "relu":
            return nn.functional.relu(out)
        if self.activation == "relu6":
            return nn.functional.relu6(out)
        return out


def fold_batch_norms(network: nn.Module) -> None:
    """Fold each batch norm, a fixed scale and shift at test time, into its convolution; changes the network."""
    for unit in network.modules():
        if isinstance(unit, ConvBatchNorm):
            _fold(unit)


def _fold(unit: ConvBatchNorm) -> None:
    conv, norm = unit.conv, unit.bn
    running_mean, running_var = norm.running_mean, norm.running_var
    if running_mean is None or running_var is None:
        raise TypeError("a batch norm without running statistics cannot be folded")
    # float64, because eight-bit weights have variances near zero, whose inverse roots are large.
    factor = 1 / torch.sqrt(running_var.double() + norm.eps)
    if norm.weight is not None:
        factor = factor * norm.weight.double()
    shift = -running_mean.double() * factor
    if norm.bias is not None:
        shift = shift + norm.bias.double()
    weight = conv.weight.double() * factor[:, None, None, None]
    conv.weight = nn.Parameter(weight.float().detach())
    conv.bias = nn.Parameter(shift.float().detach())
    unit.bn = nn.Identity()  # type: ignore[assignment]


class Concatenation(nn.Module):
    """Branches that read the same map; their outputs are joined along the channels.

    Args:
        branches: in the order of the channels.
    """

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Compute (N, sum of the branches' C, h, w) from (N, C', H, W)."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def inception_conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, int] = 1,
    *,
    stride: int = 1,
    is_valid: bool = False,
) -> ConvBatchNorm:
    """Make the unit of both Inception networks: ReLU, no gamma.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel_size: odd; (height, width) or both.
        stride: of both axes; above 1 only with `is_valid`.
        is_valid: TensorFlow's `valid`, without padding; its `same` otherwise.
    """
    height, width = (kernel_size,) * 2 if isinstance(kernel_size, int) else kernel_size
    # `same` is symmetric for odd kernels at stride 1, so torch's own padding does it.
    padding = (0, 0) if is_valid else (height // 2, width // 2)
    conv = nn.Conv2d(
        in_channels, out_channels, (height, width), stride=stride, padding=padding, bias=False
    )
    return ConvBatchNorm(conv, out_channels, activation="relu", has_scale=False)


def inception_stem() -> nn.Sequential:
    """Make the stem of both Inception networks: from 3 channels to 192, from n cells per side to about n / 8."""
    return nn.Sequential(
        inception_conv(3, 32, 3, stride=2, is_valid=True),
        inception_conv(32, 32, 3, is_valid=True),
        inception_conv(32, 64, 3),
        reducing_pool(),
        inception_conv(64, 80, is_valid=True),
        inception_conv(80, 192, 3, is_valid=True),
        reducing_pool(),
    )


def reducing_pool() -> nn.MaxPool2d:
    """Make the max-pool that halves a map; TensorFlow's `valid`."""
    return nn.MaxPool2d(3, stride=2)


def averaging_pool() -> nn.AvgPool2d:
    """Make the average pool of a branch: 3×3, stride 1, TensorFlow's `same`, which leaves the padding out of the mean."""
    return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
