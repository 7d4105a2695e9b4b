"""Embeddings of positions of a vision transformer, resized so that an exported graph does it for photos of every size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# Of the cubic filter, as torch has it where it smooths.
_A = -0.5


class MatrixResizing(TorchFunctionMode):
    """While it is active, torch's smoothed bicubic resizing is done by `resized`: OpenVINO computes other numbers for torch's own."""

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch, or `resized` in place of one."""
        options = kwargs or {}
        if (
            func is nn.functional.interpolate
            and options.get("antialias")
            and options.get("mode") == "bicubic"
            and not options.get("align_corners")
            and options.get("size") is not None
        ):
            return resized(args[0], options["size"])
        return func(*args, **options)


def resized(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Resize maps like `torch.nn.functional.interpolate(maps, size, mode="bicubic", antialias=True)`, by matrix products.

    Args:
        maps: (N, C, h, w).
        size: height and width H, W of the result; may be symbolic while a graph is traced.

    Returns:
        (N, C, H, W).
    """
    rows = _weights(maps.shape[2], size[0], maps)
    columns = _weights(maps.shape[3], size[1], maps).transpose(0, 1)
    return torch.matmul(torch.matmul(rows, maps), columns)


def _weights(size: int, wanted: int, like: Tensor) -> Tensor:
    """Compute the share of each of `size` cells in each of the `wanted` ones, (wanted, size)."""
    cells = torch.arange(size, device=like.device, dtype=like.dtype) + 0.5
    centres = (torch.arange(wanted, device=like.device, dtype=like.dtype) + 0.5) * size / wanted
    # In units of the larger cells: what shrinks is smoothed.
    unit = (torch.full((), size, device=like.device, dtype=like.dtype) / wanted).clamp(min=1)
    away = ((cells[None, :] - centres[:, None]) / unit).abs()
    near = ((_A + 2) * away - (_A + 3)) * away * away + 1
    far = ((away - 5) * away + 8) * away * _A - 4 * _A
    weights = torch.where(away < 1, near, torch.where(away < 2, far, torch.zeros_like(away)))
    return weights / weights.sum(dim=1, keepdim=True)
