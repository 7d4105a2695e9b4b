"""Preprocessing, network and pooling as one torch module: 8-bit photos in, features out.

The torch engine runs this module and the exported graph is traced from it, so the two cannot drift.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mlsp.backbones.records import BackboneSpec


def area_weights(size: int, grid: int, like: Tensor) -> Tensor:
    """Compute `mlsp.features.pooling.area_weights` in torch, so that an exported graph derives it from the map's own shape.

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


def area_pool(maps: Sequence[Tensor], grid: int) -> list[Tensor]:
    """Pool maps by exact area means.

    Args:
        maps: (N, C, h, w) each, of any sizes. Neighbours of one size share their matrices, which saves most of the time of
            tracing a graph; joining such maps first would cost an engine a copy of each.
        grid: cells of each side.

    Returns:
        One (N, C, grid, grid) per map.
    """
    if grid == 1:
        return [level.mean((2, 3), keepdim=True) for level in maps]
    pooled: list[Tensor] = []
    size = None
    for level in maps:
        if level.shape[2:] != size:
            size = level.shape[2:]
            rows = area_weights(size[0], grid, level)
            columns = area_weights(size[1], grid, level).transpose(0, 1)
        pooled.append(torch.matmul(torch.matmul(rows, level), columns))
    return pooled


def _cut(photos: Tensor, multiple: int) -> Tensor:
    """Cut (N, 3, H, W) to sides that are multiples of a number, from their middle."""
    height, width = (side // multiple * multiple for side in photos.shape[2:])
    top, left = (photos.shape[2] - height) // 2, (photos.shape[3] - width) // 2
    return photos[:, :, top : top + height, left : left + width]


class PooledNetwork(nn.Module):
    """Features of a batch of photos of one size.

    Args:
        network: returns one map per level, as `build_network` builds it.
        spec: the network's record.
        grid: cells of each side of a pooled map.
        levels: names of the levels to return, in the record's order; all by default.
        dtype: of the network's arrays; preprocessing and pooling are float32 always.
    """

    scale: Tensor
    offset: Tensor

    def __init__(
        self,
        network: nn.Module,
        spec: BackboneSpec,
        grid: int,
        *,
        levels: tuple[str, ...] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.network = network
        self.dtype = dtype
        self.grid = grid
        self.side_multiple = spec.side_multiple
        for name in ("scale", "offset"):
            # float32 numbers of the record, (1 or 3, 1, 1); not the network's, so no part of its state.
            values = torch.tensor(getattr(spec.preprocessing, name)).reshape(-1, 1, 1)
            self.register_buffer(name, values, persistent=False)
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
            float32 (N, G, G, C), the levels' channels in their order.
        """
        x = photos.permute(0, 3, 1, 2)
        if self.side_multiple > 1:
            # Before the permutation OpenVINO would scale with the colours innermost, which takes a tenth of the network's time.
            x = _cut(x, self.side_multiple)
        x = x.to(torch.float32) * self.scale + self.offset
        maps = self.network(x.to(self.dtype))
        kept = [maps[index].float() for index in self.kept]
        return torch.cat(area_pool(kept, self.grid), dim=1).permute(0, 2, 3, 1)
