"""InceptionResNet-v2 in torch, as Keras and TF-Slim compute it, up to its last level.

Source: Szegedy et al., *Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning* (AAAI 2017), in the
variant that TF-Slim published, whose stem is that of Inception-v3. A level is what the branches of a block join to, before the
1×1 convolution that widens it and before the residual sum. Nothing behind the last level is made.

Blocks and units are defined in the order in which Keras numbers its layers, which the weight readers rely on.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from mlsp.backbones.convolution import (
    Concatenation,
    averaging_pool,
    inception_conv,
    inception_stem,
    reducing_pool,
)


def _mixed_5b() -> Concatenation:
    return Concatenation(
        inception_conv(192, 96),
        nn.Sequential(inception_conv(192, 48), inception_conv(48, 64, 5)),
        nn.Sequential(
            inception_conv(192, 64), inception_conv(64, 96, 3), inception_conv(96, 96, 3)
        ),
        nn.Sequential(averaging_pool(), inception_conv(192, 64)),
    )


def _block35() -> Concatenation:
    return Concatenation(
        inception_conv(320, 32),
        nn.Sequential(inception_conv(320, 32), inception_conv(32, 32, 3)),
        nn.Sequential(
            inception_conv(320, 32), inception_conv(32, 48, 3), inception_conv(48, 64, 3)
        ),
    )


def _mixed_6a() -> Concatenation:
    return Concatenation(
        inception_conv(320, 384, 3, stride=2, is_valid=True),
        nn.Sequential(
            inception_conv(320, 256),
            inception_conv(256, 256, 3),
            inception_conv(256, 384, 3, stride=2, is_valid=True),
        ),
        reducing_pool(),
    )


def _block17() -> Concatenation:
    return Concatenation(
        inception_conv(1088, 192),
        nn.Sequential(
            inception_conv(1088, 128),
            inception_conv(128, 160, (1, 7)),
            inception_conv(160, 192, (7, 1)),
        ),
    )


def _mixed_7a() -> Concatenation:
    return Concatenation(
        nn.Sequential(
            inception_conv(1088, 256), inception_conv(256, 384, 3, stride=2, is_valid=True)
        ),
        nn.Sequential(
            inception_conv(1088, 256), inception_conv(256, 288, 3, stride=2, is_valid=True)
        ),
        nn.Sequential(
            inception_conv(1088, 256),
            inception_conv(256, 288, 3),
            inception_conv(288, 320, 3, stride=2, is_valid=True),
        ),
        reducing_pool(),
    )


def _block8() -> Concatenation:
    return Concatenation(
        inception_conv(2080, 192),
        nn.Sequential(
            inception_conv(2080, 192),
            inception_conv(192, 224, (1, 3)),
            inception_conv(224, 256, (3, 1)),
        ),
    )


class _Residual(nn.Module):
    """Residual path from a level to the block's output: widened, scaled, added to the block's input, ReLU."""

    def __init__(self, level_channels: int, channels: int, scale: float) -> None:
        super().__init__()
        self.up = nn.Conv2d(level_channels, channels, 1)
        self.scale = scale

    def forward(self, level: Tensor, block_input: Tensor) -> Tensor:
        return nn.functional.relu(block_input + self.scale * self.up(level))


def _blocks() -> Iterator[tuple[str, Concatenation, _Residual | None]]:
    """Yield the name of each level, the branches that make it and, in residual blocks, what follows it."""
    yield "mixed_5b", _mixed_5b(), None
    for number in range(1, 11):
        yield f"block35_{number}_mixed", _block35(), _Residual(128, 320, 0.17)
    yield "mixed_6a", _mixed_6a(), None
    for number in range(1, 21):
        yield f"block17_{number}_mixed", _block17(), _Residual(384, 1088, 0.1)
    yield "mixed_7a", _mixed_7a(), None
    for number in range(1, 10):
        yield f"block8_{number}_mixed", _block8(), _Residual(448, 2080, 0.2)
    # What follows the last level is not needed.
    yield "block8_10_mixed", _block8(), None


class InceptionResNetV2(nn.Module):
    """Convolutional part of InceptionResNet-v2; its levels are the 43 layers that Keras calls `…mixed…`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = inception_stem()
        self.mixed = nn.ModuleDict()
        self.residuals = nn.ModuleDict()
        for name, branches, residual in _blocks():
            self.mixed[name] = branches
            if residual is not None:
                self.residuals[name] = residual

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the maps of all levels.

        Args:
            x: preprocessed photos, (N, 3, H, W), each side at least 75.

        Returns:
            One (N, C, h, w) map per level, `mixed_5b` to `block8_10_mixed`.
        """
        x = self.stem(x)
        levels: list[Tensor] = []
        for name, branches in self.mixed.items():
            level = branches(x)
            levels.append(level)
            x = self.residuals[name](level, x) if name in self.residuals else level
        return levels


def build() -> InceptionResNetV2:
    """Build the network with random weights."""
    return InceptionResNetV2()
