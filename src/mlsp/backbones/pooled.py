"""A network with its preprocessing before it and the pooling behind it: 8-bit photos in, features out, in torch.

The torch engine runs this module and the exported graph is traced from it, so the two cannot drift.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mlsp.backbones import BackboneSpec


def area_weights(size: int, grid: int, like: Tensor) -> Tensor:
    """`mlsp.pooling.area_weights` in torch operations, so that an exported graph computes it from the map's own shape.

    Args:
        size: pixels of the axis; may be symbolic while a graph is traced.
        grid: cells of the axis.
        like: gives dtype and device.

    Returns:
        (grid, size) matrix whose rows add up to 1.
    """
    cells = torch.arange(grid, device=like.device)[:, None] * size
    pixels = torch.arange(size, device=like.device)[None, :] * grid
    overlap = torch.minimum(cells + size, pixels + grid) - torch.maximum(cells, pixels)
    return overlap.clamp(min=0).to(like.dtype) / size


def area_pool(maps: Tensor, grid: int) -> Tensor:
    """Pool (N, C, h, w) maps to (N, C, grid, grid) by exact area means."""
    if grid == 1:
        return maps.mean((2, 3), keepdim=True)
    rows = area_weights(maps.shape[2], grid, maps)
    columns = area_weights(maps.shape[3], grid, maps)
    return torch.matmul(torch.matmul(rows, maps), columns.transpose(0, 1))


class PooledNetwork(nn.Module):
    """Features of a batch of photos of one size.

    Args:
        network: returns one map a level, as `build_network` makes it.
        spec: the network's record.
        grid: cells of each side of a pooled map.
        levels: names of the levels to return, in the record's order; all by default.
    """

    def __init__(
        self,
        network: nn.Module,
        spec: BackboneSpec,
        grid: int,
        *,
        levels: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.grid = grid
        self.scale = spec.preprocessing.scale
        self.offset = spec.preprocessing.offset
        self.kept = [
            index
            for index, level in enumerate(spec.levels)
            if levels is None or level.name in levels
        ]

    def forward(self, photos: Tensor) -> Tensor:
        """Compute features.

        Args:
            photos: uint8 RGB, (N, H, W, 3).

        Returns:
            float32 (N, G, G, C), the levels' channels one behind the other.
        """
        x = photos.permute(0, 3, 1, 2).to(torch.float32) * self.scale + self.offset
        maps = self.network(x)
        pooled = [area_pool(maps[index], self.grid) for index in self.kept]
        return torch.cat(pooled, dim=1).permute(0, 2, 3, 1)
