"""Pool-3FC, the head on wide features (section 3.2.2 of the paper)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlsp.models.heads.fully_connected import Dropouts, ThreeFC
from mlsp.models.heads.layers import ShiftBatchNorm, convolution, dense


class _Unit(nn.Module):
    """Convolution, batch norm without scale, ReLU; of maps with channels last.

    Args:
        conv: a 1×1 convolution as a dense layer, or a larger one.
        width: channels that it makes.
    """

    def __init__(self, conv: nn.Linear | nn.Conv2d, width: int) -> None:
        super().__init__()
        self.conv = conv
        self.norm = ShiftBatchNorm(width)

    def convolve(self, x: Tensor) -> Tensor:
        if isinstance(self.conv, nn.Linear):
            out: Tensor = self.conv(x)
            return out
        # A view, in the memory layout that convolutions like best.
        out = self.conv(x.permute(0, 3, 1, 2))
        return out.permute(0, 2, 3, 1)

    def finish(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.finish(self.convolve(x))


class _PoolColumn(_Unit):
    """3×3 average pooling (padding left out of the means), then 1×1 convolution, batch norm, ReLU.

    The convolution has no bias, so it may as well come before the means, where it leaves them a sixteenth of the channels.
    """

    def forward(self, x: Tensor) -> Tensor:
        maps = self.convolve(x).permute(0, 3, 1, 2)
        means = functional.avg_pool2d(maps, 3, stride=1, padding=1, count_include_pad=False)
        return self.finish(means.permute(0, 2, 3, 1))


class _FactorisedColumn(nn.Module):
    """The released 3×3 column: 1×1, then 1×3 and 3×1 side by side, each half as wide."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.reduced = _Unit(dense(channels, width, bias=False), width)
        self.flat = _Unit(convolution(width, width // 2, (1, 3)), width // 2)
        self.tall = _Unit(convolution(width, width // 2, (3, 1)), width // 2)

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduced(x)
        return torch.cat([self.flat(reduced), self.tall(reduced)], dim=3)


class PoolThreeFC(nn.Module):
    """Three columns on the map, joined, averaged over it, then 3FC: (N, 5, 5, C) -> (N, outputs).

    Args:
        channels: C.
        outputs: 1, or one per bin.
        dropouts: see `ThreeFC`.
        factorised: the 3×3 column as in the released weights; else one plain 3×3 convolution on all channels, as in the paper.
        first: X of the 3FC.
        column: channels of each column.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        dropouts: Dropouts,
        *,
        factorised: bool,
        first: int,
        column: int,
    ) -> None:
        super().__init__()
        self.column_1x1 = _Unit(dense(channels, column, bias=False), column)
        self.column_3x3 = (
            _FactorisedColumn(channels, column)
            if factorised
            else _Unit(convolution(channels, column, (3, 3)), column)
        )
        self.column_pool = _PoolColumn(dense(channels, column, bias=False), column)
        self.three_fc = ThreeFC(3 * column, first, outputs, dropouts)

    def glorot_layers(self) -> list[nn.Module]:
        """Return the layers that the released code begins with Keras's `glorot_uniform`: the convolutions of the released form."""
        if not isinstance(self.column_3x3, _FactorisedColumn):
            return []
        return [unit.conv for unit in self.modules() if isinstance(unit, _Unit)]

    def joined(self, x: Tensor) -> Tensor:
        """(N, 5, 5, C) -> (N, 5, 5, channels of the three columns)."""
        columns = (self.column_1x1, self.column_3x3, self.column_pool)
        return torch.cat([column(x) for column in columns], dim=3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 5, 5, C) -> (N, outputs)."""
        out: Tensor = self.three_fc(self.joined(x).mean(dim=(1, 2)))
        return out
