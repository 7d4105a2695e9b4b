"""TensorFlow's `same` convolution, for any size and any stride, in torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def same_padding(size: int, kernel_size: int, stride: int) -> tuple[int, int]:
    """Zeros that TensorFlow puts before and after one axis for `padding="same"`.

    Args:
        size: of the axis, in cells.
        kernel_size: of the axis.
        stride: of the axis.

    Returns:
        Cells before and after; where their sum is odd, the larger half is after.

    Examples:
        >>> same_padding(224, 3, 2), same_padding(225, 3, 2)
        ((0, 1), (1, 1))
    """
    total = max((-(-size // stride) - 1) * stride + kernel_size - size, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Module):
    """Convolution with TensorFlow's `same` padding: the output has ceil(size / stride) cells.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel_size: of both axes.
        stride: of both axes.
        groups: number of channel groups.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride
        self.groups = groups
        self.weight = nn.Parameter(
            torch.empty(out_channels, in_channels // groups, kernel_size, kernel_size)
        )
        nn.init.kaiming_normal_(self.weight)
        # Filled only when a batch norm is folded into the convolution.
        self.bias: nn.Parameter | None
        self.register_parameter("bias", None)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W)."""
        top, bottom = same_padding(x.shape[2], self.kernel_size, self.stride)
        left, right = same_padding(x.shape[3], self.kernel_size, self.stride)
        padded = nn.functional.pad(x, (left, right, top, bottom))
        return nn.functional.conv2d(
            padded, self.weight, self.bias, stride=self.stride, groups=self.groups
        )
