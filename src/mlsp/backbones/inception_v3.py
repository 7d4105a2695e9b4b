"""Inception-v3 in torch, as Keras and TF-Slim compute it, up to its last block.

Source: Szegedy et al., *Rethinking the Inception Architecture for Computer Vision* (CVPR 2016). Blocks and units are defined in
the order in which Keras numbers its layers, which the weight readers rely on.
"""

from __future__ import annotations

from torch import Tensor, nn

from mlsp.backbones.convolution import (
    Concatenation,
    averaging_pool,
    inception_conv,
    inception_stem,
    reducing_pool,
)


def _block_35(in_channels: int, pool_channels: int) -> Concatenation:
    """Figure 5 of the paper, its 5×5 kept in one branch; 35×35 cells for a photo of 299×299."""
    return Concatenation(
        inception_conv(in_channels, 64),
        nn.Sequential(inception_conv(in_channels, 48), inception_conv(48, 64, 5)),
        nn.Sequential(
            inception_conv(in_channels, 64), inception_conv(64, 96, 3), inception_conv(96, 96, 3)
        ),
        nn.Sequential(averaging_pool(), inception_conv(in_channels, pool_channels)),
    )


def _reduction_17() -> Concatenation:
    return Concatenation(
        inception_conv(288, 384, 3, stride=2, is_valid=True),
        nn.Sequential(
            inception_conv(288, 64),
            inception_conv(64, 96, 3),
            inception_conv(96, 96, 3, stride=2, is_valid=True),
        ),
        reducing_pool(),
    )


def _block_17(inner: int) -> Concatenation:
    """Figure 6 of the paper: 7×7 as 1×7 and 7×1."""
    return Concatenation(
        inception_conv(768, 192),
        nn.Sequential(
            inception_conv(768, inner),
            inception_conv(inner, inner, (1, 7)),
            inception_conv(inner, 192, (7, 1)),
        ),
        nn.Sequential(
            inception_conv(768, inner),
            inception_conv(inner, inner, (7, 1)),
            inception_conv(inner, inner, (1, 7)),
            inception_conv(inner, inner, (7, 1)),
            inception_conv(inner, 192, (1, 7)),
        ),
        nn.Sequential(averaging_pool(), inception_conv(768, 192)),
    )


def _reduction_8() -> Concatenation:
    return Concatenation(
        nn.Sequential(
            inception_conv(768, 192), inception_conv(192, 320, 3, stride=2, is_valid=True)
        ),
        nn.Sequential(
            inception_conv(768, 192),
            inception_conv(192, 192, (1, 7)),
            inception_conv(192, 192, (7, 1)),
            inception_conv(192, 192, 3, stride=2, is_valid=True),
        ),
        reducing_pool(),
    )


def _fork() -> Concatenation:
    return Concatenation(inception_conv(384, 384, (1, 3)), inception_conv(384, 384, (3, 1)))


def _block_8(in_channels: int) -> Concatenation:
    """Figure 7 of the paper: branches that end in a 1×3 and a 3×1 side by side."""
    return Concatenation(
        inception_conv(in_channels, 320),
        nn.Sequential(inception_conv(in_channels, 384), _fork()),
        nn.Sequential(inception_conv(in_channels, 448), inception_conv(448, 384, 3), _fork()),
        nn.Sequential(averaging_pool(), inception_conv(in_channels, 192)),
    )


class InceptionV3(nn.Module):
    """Convolutional part of Inception-v3; its levels are the outputs of the 11 blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = inception_stem()
        blocks = (
            _block_35(192, 32),
            _block_35(256, 64),
            _block_35(288, 64),
            _reduction_17(),
            _block_17(128),
            _block_17(160),
            _block_17(160),
            _block_17(192),
            _reduction_8(),
            _block_8(1280),
            _block_8(2048),
        )
        self.mixed = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the maps of all levels.

        Args:
            x: preprocessed photos, (N, 3, H, W), each side at least 75.

        Returns:
            One (N, C, h, w) map per level, `mixed0` to `mixed10`.
        """
        x = self.stem(x)
        levels: list[Tensor] = []
        for block in self.mixed:
            x = block(x)
            levels.append(x)
        return levels


def build() -> InceptionV3:
    """Build the network with random weights."""
    return InceptionV3()
