"""The paper's network on a photo's width and height alone (section 4.3)."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from mlsp.base.errors import SettingsError
from mlsp.models.heads.layers import dense, initialise

_WIDTHS = (2, 11, 9, 7, 2)


class SizeNetwork(nn.Module):
    """2 → 11 → 9 → 7 → 2 with ReLU between; learns by cross-entropy whether the MOS is above the threshold.

    Args:
        largest_width: of the photos that it learns from, in pixels: sizes are divided by it.
        largest_height: of the same photos.
    """

    largest: Tensor

    def __init__(self, largest_width: float, largest_height: float) -> None:
        super().__init__()
        self.register_buffer("largest", torch.tensor([largest_width, largest_height]))
        layers: list[nn.Module] = [dense(*_WIDTHS[:2])]
        for before, width in itertools.pairwise(_WIDTHS[1:]):
            layers += [nn.ReLU(), dense(before, width)]
        self.layers = nn.Sequential(*layers)

    def forward(self, sizes: Tensor) -> Tensor:
        """(N, 2) width and height in pixels -> (N, 2) logits of low and high."""
        out: Tensor = self.layers(sizes / self.largest)
        return out


def build_size_network(
    largest_width: float, largest_height: float, *, seed: int = 0
) -> SizeNetwork:
    """Make a network that has learned nothing yet; see `SizeNetwork` and `mlsp.models.heads.build_head`.

    Raises:
        SettingsError: a size is not positive.
    """
    if not (largest_width > 0 and largest_height > 0):
        raise SettingsError(
            f"the largest width and height must be positive, got {largest_width} and {largest_height}"
        )
    network = SizeNetwork(float(largest_width), float(largest_height))
    initialise(network, seed)
    return network
