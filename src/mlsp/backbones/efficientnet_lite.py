"""EfficientNet-Lite 0, 1 and 2 in torch, as the original TensorFlow code computes them.

Source: Tan and Le, *EfficientNet* (ICML 2019), and the "Lite" variants of its authors: no squeeze-and-excitation, ReLU6
for swish, stem and head of fixed width.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from mlsp.backbones.padding import SameConv2d

# Keras and TensorFlow's value for these networks; torch's default is 1e-5.
BATCH_NORM_EPSILON = 1e-3


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

# (width, depth) multipliers.
_SCALES = {
    "efficientnet_lite0": (1.0, 1.0),
    "efficientnet_lite1": (1.0, 1.1),
    "efficientnet_lite2": (1.1, 1.2),
}


def _scaled_channels(channels: int, width: float) -> int:
    """Round `channels · width` to a multiple of 8, never more than a tenth below it."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPSILON)


class _Block(nn.Module):
    """Inverted residual block: 1×1 expansion, depthwise convolution, 1×1 projection."""

    def __init__(self, in_channels: int, stage: _Stage, channels: int, stride: int) -> None:
        super().__init__()
        wide = in_channels * stage.expansion
        self.expand_conv = SameConv2d(in_channels, wide, 1) if stage.expansion != 1 else None
        self.expand_bn = _batch_norm(wide) if stage.expansion != 1 else None
        self.depthwise_conv = SameConv2d(wide, wide, stage.kernel_size, stride=stride, groups=wide)
        self.depthwise_bn = _batch_norm(wide)
        self.project_conv = SameConv2d(wide, channels, 1)
        self.project_bn = _batch_norm(channels)
        self.has_skip = stride == 1 and in_channels == channels

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the depthwise activations, which are the level, and the block's output."""
        inner = x
        if self.expand_conv is not None and self.expand_bn is not None:
            inner = nn.functional.relu6(self.expand_bn(self.expand_conv(x)))
        depthwise = nn.functional.relu6(self.depthwise_bn(self.depthwise_conv(inner)))
        out = self.project_bn(self.project_conv(depthwise))
        return depthwise, out + x if self.has_skip else out


class EfficientNetLite(nn.Module):
    """The convolutional part of EfficientNet-Lite.

    Args:
        name: `efficientnet_lite0`, `efficientnet_lite1` or `efficientnet_lite2`.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        width, depth = _SCALES[name]
        self.stem_conv = SameConv2d(3, _STEM_CHANNELS, 3, stride=2)
        self.stem_bn = _batch_norm(_STEM_CHANNELS)
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
        self.head_conv = SameConv2d(in_channels, _HEAD_CHANNELS, 1)
        self.head_bn = _batch_norm(_HEAD_CHANNELS)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the maps of all levels.

        Args:
            x: preprocessed photos, (N, 3, H, W).

        Returns:
            One (N, C, h, w) map a level, from the first block to the head convolution.
        """
        x = nn.functional.relu6(self.stem_bn(self.stem_conv(x)))
        levels: list[Tensor] = []
        for block in self.blocks:
            depthwise, x = block(x)
            levels.append(depthwise)
        levels.append(nn.functional.relu6(self.head_bn(self.head_conv(x))))
        return levels


def rename_published_key(key: str) -> str | None:
    """Our name of an array of the published `efficientnet-liteN` checkpoints; None for their classifier."""
    if key.startswith("_fc."):
        return None
    renamed = key.replace("_conv_stem", "stem_conv").replace("_conv_head", "head_conv")
    if not key.startswith("_blocks."):
        return renamed.replace("_bn0", "stem_bn").replace("_bn1", "head_bn")
    for theirs, ours in (
        ("_blocks", "blocks"),
        ("_expand_conv", "expand_conv"),
        ("_bn0", "expand_bn"),
        ("_depthwise_conv", "depthwise_conv"),
        ("_bn1", "depthwise_bn"),
        ("_project_conv", "project_conv"),
        ("_bn2", "project_bn"),
    ):
        renamed = renamed.replace(theirs, ours)
    return renamed
