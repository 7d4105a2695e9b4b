"""The fully-connected heads on narrow features (section 3.2.1 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mlsp.models.heads.layers import batch_norm, dense

Dropouts = tuple[float, float, float]
DROPOUTS: Dropouts = (0.25, 0.25, 0.5)
MORE_DROPOUTS: Dropouts = (0.5, 0.5, 0.75)


class ThreeFC(nn.Sequential):
    """The paper's 3FC(X) (Fig. 3): (N, inputs) -> (N, outputs).

    Three times Dense, ReLU, batch norm and dropout, with X, X/2 and X/8 neurons (rounded down, at least 1), then Dense.

    Args:
        inputs: width of what it reads.
        first: X.
        outputs: 1, or one per bin.
        dropouts: shares that are left out while it learns.
    """

    def __init__(self, inputs: int, first: int, outputs: int, dropouts: Dropouts) -> None:
        layers: list[nn.Module] = []
        widths = (inputs, first, max(first // 2, 1), max(first // 8, 1))
        for before, width, dropout in zip(widths, widths[1:], dropouts, strict=False):
            layers += [dense(before, width), nn.ReLU(), batch_norm(width), nn.Dropout(dropout)]
        super().__init__(*layers, dense(widths[-1], outputs))


class MultiThreeFC(nn.Module):
    """Multi-3FC (Fig. 5): a 3FC for each level with X its width, and the weighted sum of their outputs.

    The paper reports of the sum only that it is learned and linear. Here it is one free weight per level without a bias, for each 3FC
    has one already; all begin as 1 / levels, so that the first prediction is the mean of the levels' and as large as that of
    one 3FC, whatever the number of levels.

    Args:
        widths: channels of each level.
        outputs: 1, or one per bin; a level's weight is the same for all of them.
        dropouts: see `ThreeFC`.
    """

    def __init__(self, widths: Sequence[int], outputs: int, dropouts: Dropouts) -> None:
        super().__init__()
        self._widths = list(widths)
        self.levels = nn.ModuleList(ThreeFC(width, width, outputs, dropouts) for width in widths)
        self.weights = nn.Parameter(torch.full((len(self._widths),), 1 / len(self._widths)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels of all levels) -> (N, outputs)."""
        parts = torch.split(x, self._widths, dim=1)
        outputs = [level(part) for level, part in zip(self.levels, parts, strict=True)]
        return torch.stack(outputs, dim=2) @ self.weights
