"""EfficientNet-Lite 0, 1 and 2 in torch, as the original TensorFlow code computes them.

Source: Tan and Le, *EfficientNet* (ICML 2019), and the "Lite" variants of its authors: no squeeze-and-excitation, ReLU6
for swish, stem and head of fixed width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlsp.backbones.convolution import Activation, ConvBatchNorm
from mlsp.backbones.padding import SameConv2d


@dataclass(frozen=True, slots=True)
class _Stage:
    repeats: int
    kernel_size: int
    stride: int
    expansion: int
    channels: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_STEM_CHANNELS = 32
_HEAD_CHANNELS = 1280


def _scaled_channels(channels: int, width: float) -> int:
    """Round `channels · width` to a multiple of 8, never more than a tenth below it."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def _unit(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    groups: int = 1,
    activation: Activation | None = "relu6",
) -> ConvBatchNorm:
    conv = SameConv2d(in_channels, out_channels, kernel_size, stride=stride, groups=groups)
    return ConvBatchNorm(conv, out_channels, activation=activation, has_scale=True)


class _Block(nn.Module):
    """Inverted residual block: 1×1 expansion, depthwise convolution, 1×1 projection."""

    def __init__(self, in_channels: int, stage: _Stage, channels: int, stride: int) -> None:
        super().__init__()
        wide = in_channels * stage.expansion
        self.expand = _unit(in_channels, wide, 1) if stage.expansion != 1 else None
        self.depthwise = _unit(wide, wide, stage.kernel_size, stride=stride, groups=wide)
        self.project = _unit(wide, channels, 1, activation=None)
        self.has_skip = stride == 1 and in_channels == channels

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the depthwise activations, which are the level, and the block's output."""
        inner = x if self.expand is None else self.expand(x)
        depthwise: Tensor = self.depthwise(inner)
        out: Tensor = self.project(depthwise)
        return depthwise, out + x if self.has_skip else out


class EfficientNetLite(nn.Module):
    """Convolutional part of EfficientNet-Lite.

    Args:
        width: multiplier of the channels.
        depth: multiplier of the blocks, in tenths.
    """

    def __init__(self, width: float, depth: float) -> None:
        super().__init__()
        self.stem = _unit(3, _STEM_CHANNELS, 3, stride=2)
        blocks: list[_Block] = []
        in_channels = _STEM_CHANNELS
        for number, stage in enumerate(_STAGES):
            channels = _scaled_channels(stage.channels, width)
            is_fixed = number in (0, len(_STAGES) - 1)
            # ceil(repeats · depth) in exact tenths: 1.1 and 1.2 are not exact in binary.
            repeats = stage.repeats if is_fixed else -(-stage.repeats * round(depth * 10) // 10)
            for repeat in range(repeats):
                stride = stage.stride if repeat == 0 else 1
                blocks.append(_Block(in_channels, stage, channels, stride))
                in_channels = channels
        self.blocks = nn.ModuleList(blocks)
        self.head = _unit(in_channels, _HEAD_CHANNELS, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the maps of all levels.

        Args:
            x: preprocessed photos, (N, 3, H, W).

        Returns:
            One (N, C, h, w) map per level, from the first block to the head convolution.
        """
        x = self.stem(x)
        levels: list[Tensor] = []
        for block in self.blocks:
            depthwise, x = block(x)
            levels.append(depthwise)
        levels.append(self.head(x))
        return levels


class TwoScaleEfficientNetLite(EfficientNetLite):
    """EfficientNet-Lite at two scales with the same weights: on the photo at half its size, and on its middle at full size.

    Half the size shows what is in the photo, the middle shows how sharp and clean it is; both together have less than half the pixels
    of a photo of 500×400 (docs/results/speed.md).

    Args:
        width: multiplier of the channels.
        depth: multiplier of the blocks, in tenths.
        detail_side: pixels of each side of the middle, where the photo has so many.
    """

    def __init__(self, width: float, depth: float, detail_side: int) -> None:
        super().__init__(width, depth)
        self.detail_side = detail_side

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the maps of all levels, those of the overview first.

        Args:
            x: preprocessed photos, (N, 3, H, W), H and W at least 2.

        Returns:
            One (N, C, h, w) map per level and scale.
        """
        # An odd last row or column is left out of the overview.
        overview = functional.avg_pool2d(x, 2)
        # torch's own maximum: Python's would fix the exported graph to photos above or below the middle's side, as the traced one is.
        top, left = (
            torch.sym_max(side - self.detail_side, 0) // 2  # type: ignore[no-untyped-call]  # torch has no types here
            for side in x.shape[2:]
        )
        detail = x[:, :, top : top + self.detail_side, left : left + self.detail_side]
        return [*super().forward(overview), *super().forward(detail)]


def build(width: float, depth: float, *, detail_side: int = 0) -> EfficientNetLite:
    """Build a network with random weights, of two scales where the middle has a side."""
    if detail_side:
        return TwoScaleEfficientNetLite(width, depth, detail_side)
    return EfficientNetLite(width, depth)
