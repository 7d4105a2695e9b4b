"""Photos in torch -> resized and cut as `mlsp.photos` does it, with gradients."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mlsp.backbones.pooled import area_weights
from mlsp.features.spec import FeatureSpec
from mlsp.photos.crops import ViewsName, crop_size
from mlsp.photos.sizes import LANCZOS_MARGIN, reduced_size


def resize_as(spec: FeatureSpec, pixels: Tensor) -> Tensor:
    """Resize photos as the decoder does it for features, but without rounding to 8 bits.

    Args:
        spec: of the features.
        pixels: (N, 3, H, W), 0 to 255.

    Returns:
        (N, 3, h, w); what has the size already is returned as it is.
    """
    height, width = pixels.shape[2:]
    if spec.resize is not None:
        target = spec.resize
        shrunk = min(width, target[0]), min(height, target[1])
        pixels = _reduced(pixels, shrunk, lanczos=False)
        if shrunk != target:
            pixels = functional.interpolate(pixels, (target[1], target[0]), mode="bilinear")
        return pixels
    target = reduced_size(width, height, spec.longest_side)
    return _reduced(pixels, target, lanczos=spec.reduction == "lanczos")


def cut_views(pixels: Tensor, views: ViewsName) -> list[Tensor]:
    """Cut the views of photos, in the order of `mlsp.photos.crops.cut_views`.

    Args:
        pixels: (N, 3, H, W).
        views: see `mlsp.photos.crops`.

    Returns:
        (N, 3, h, w) for each view.
    """
    if views == "whole":
        return [pixels]
    crops = [pixels]
    if views == "corners8":
        height, width = crop_size(pixels.shape[2:])
        rows = (slice(0, height), slice(pixels.shape[2] - height, None))
        columns = (slice(0, width), slice(pixels.shape[3] - width, None))
        crops = [pixels[:, :, row, column] for row in rows for column in columns]
    return [view for crop in crops for view in (crop, crop.flip(3))]


def _reduced(pixels: Tensor, target: tuple[int, int], *, lanczos: bool) -> Tensor:
    """Reduce (N, 3, H, W) to width and height; see `mlsp.photos.sizes.reduce_rows`."""
    height, width = pixels.shape[2:]
    if target == (width, height):
        return pixels
    if lanczos:
        middle = (
            min(width, LANCZOS_MARGIN * target[0]),
            min(height, LANCZOS_MARGIN * target[1]),
        )
        pixels = _reduced(pixels, middle, lanczos=False)
        weights = [
            _lanczos_weights(size, cells, pixels)
            for size, cells in zip(middle, target, strict=True)
        ]
        # Pillow keeps pixels within their range after each axis.
        fewer = (pixels @ weights[0].T).clamp(0, 255)
        return (weights[1] @ fewer).clamp(0, 255)
    columns, rows = (
        area_weights(size, cells, pixels)
        for size, cells in zip((width, height), target, strict=True)
    )
    return rows @ (pixels @ columns.T)


def _lanczos_weights(size: int, cells: int, like: Tensor) -> Tensor:
    """Return Pillow's weights of Lanczos's filter with three lobes, (cells, size); rows add up to 1."""
    scale = size / cells
    middles = (np.arange(cells) + 0.5) * scale
    distance = (np.arange(size) + 0.5 - middles[:, None]) / scale
    weights = np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0)
    weights /= weights.sum(axis=1, keepdims=True)
    return torch.from_numpy(weights).to(like)
