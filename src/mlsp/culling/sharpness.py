"""How sharp a piece of a photo is, in pixels of blur, whatever its contrast and exposure.

luma ─ blurred once more ─ gradients of both along the strongest edges ─ their ratio ─ the blur that was there before

A step that is blurred by a Gaussian of σ has 1/σ of its gradient; blurred again by σ₀ it has 1/√(σ² + σ₀²). The ratio R of both has no
contrast in it, and σ = σ₀ / √(R² − 1). After S. Zhuo and T. Sim, "Defocus map estimation from a single image", Pattern Recognition
2011, with one ratio for all strong edges of a piece instead of one for each.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arrays import Float32Array, UInt8Array
from mlsp.photos.colour import luma_of

# Blurs that photos have at 100 % lie on both sides of it.
_AGAIN = 1.5
_RADIUS = 5
# Of the piece's pixels; edges are what can be sharp.
_STRONGEST = 0.05
# Mean gradient of the strong edges, in steps of 8 bits a pixel, below which there is noise and no edge.
_MIN_GRADIENT = 3.0
_MIN_SIDE = 20
# Nothing sharper can be told apart, and nothing softer is an edge.
_MIN_BLUR, _MAX_BLUR = 0.3, 20.0
# Variance of central differences, which see the mean slope over two pixels.
_OF_DIFFERENCES = 1 / 3


def blur_of(pixels: UInt8Array) -> float | None:
    """Measure the blur of a piece of a photo.

    Args:
        pixels: (H, W, 3) at full size: a reduced photo is sharper than it was.

    Returns:
        Standard deviation, in pixels, of the Gaussian that would blur sharp edges as much: 0.3…20; 0.4 to 0.8 of a sharp photo.
        None where the piece is smaller than 20 × 20 pixels or has no edge.
    """
    if min(pixels.shape[:2]) < _MIN_SIDE:
        return None
    luma = luma_of(pixels)
    again = _blurred(luma)
    luma = luma[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS]
    # Where the edges are is asked of the smoother one, so that noise does not choose them.
    across, down = _gradient(again)
    edges = across**2 + down**2
    crests = _crests(edges, is_across=np.abs(across) >= np.abs(down))
    crests &= edges >= np.quantile(edges, 1 - _STRONGEST)
    after = float(edges[crests].mean()) if crests.any() else 0.0
    if after < _MIN_GRADIENT**2:
        return None
    across, down = _gradient(luma)
    before = float((across[crests] ** 2 + down[crests] ** 2).mean())
    variance = _AGAIN**2 / max(before / after - 1, (_AGAIN / _MAX_BLUR) ** 2)
    return math.sqrt(max(variance - _OF_DIFFERENCES, _MIN_BLUR**2))


def _gradient(luma: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Return central differences across and down, without the borders, each (H - 2, W - 2)."""
    half = np.float32(0.5)
    across: Float32Array = (luma[1:-1, 2:] - luma[1:-1, :-2]) * half
    down: Float32Array = (luma[2:, 1:-1] - luma[:-2, 1:-1]) * half
    return across, down


def _crests(edges: Float32Array, *, is_across: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where gradients are largest across their edge, (H, W): beside the crest they say how wide it is, not how steep.

    Args:
        edges: (H, W) squared gradients.
        is_across: (H, W) whether the gradient points across rather than down.
    """
    inner = edges[1:-1, 1:-1]
    crests = np.zeros(edges.shape, bool)
    crests[1:-1, 1:-1] = np.where(
        is_across[1:-1, 1:-1],
        (inner >= edges[1:-1, 2:]) & (inner >= edges[1:-1, :-2]),
        (inner >= edges[2:, 1:-1]) & (inner >= edges[:-2, 1:-1]),
    )
    return crests


def _blurred(luma: Float32Array) -> Float32Array:
    """Return luma blurred by a Gaussian, without its borders: (H - 10, W - 10)."""
    offsets = np.arange(-_RADIUS, _RADIUS + 1)
    kernel = np.exp(-(offsets**2) / (2 * _AGAIN**2)).astype(np.float32)
    kernel /= kernel.sum()
    height, width = luma.shape[0] - 2 * _RADIUS, luma.shape[1] - 2 * _RADIUS
    rows = np.zeros((height, luma.shape[1]), np.float32)
    for start, share in enumerate(kernel):
        rows += share * luma[start : start + height]
    blurred = np.zeros((height, width), np.float32)
    for start, share in enumerate(kernel):
        blurred += share * rows[:, start : start + width]
    return blurred
