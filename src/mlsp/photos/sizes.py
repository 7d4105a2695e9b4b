"""Sizes of photos: their limit, and their reduction, by exact area means or by Lanczos's filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlsp.base.arrays import Float32Array, UInt8Array
from mlsp.base.errors import PhotoTooLargeError, SettingsError

# Rows from, up to (both of the stored pixels) -> (rows, W, C).
ReadRows = Callable[[int, int], UInt8Array]
# How a photo is reduced. Area means soften what is reduced by a factor that is no whole number; Lanczos's filter keeps a photo as sharp
# from any size (docs/decisions/034).
Reduction = Literal["area", "lanczos"]

# Lanczos's filter looks at six pixels of the result: of more stored pixels than so many a side, area means are taken first, which
# costs a fraction of the time and at most 3 % of the finest detail.
LANCZOS_MARGIN = 4
# Pillow's modes of so many channels that it filters one by one.
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}

# Stored values that are averaged at once, and minimum rows of the result: the memory for so many comes back from one use to the
# next without a visit to the system, which would double the time; with fewer rows the time goes into calls.
_MAX_VALUES = 50_000
_MIN_ROWS = 8


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Refuse a photo that is too large, before it is decoded.

    Raises:
        PhotoTooLargeError: it has more than `max_pixels` pixels.
    """
    if width * height > max_pixels:
        raise PhotoTooLargeError(
            f"{width} × {height} = {width * height:,} pixels, more than the limit of {max_pixels:,}:"
            " raise the limit to read it (--max-megapixels, in Python max_pixels)"
        )


def reduced_size(width: int, height: int, longest_side: int | None) -> tuple[int, int]:
    """Return the size of a photo after its reduction; it is never enlarged.

    Args:
        width: in pixels.
        height: in pixels.
        longest_side: maximum of both sides; None for no reduction.

    Returns:
        Width and height. The longest side is `longest_side`, the other rounded, at least 1.

    Examples:
        >>> reduced_size(4000, 3000, 512)
        (512, 384)
        >>> reduced_size(400, 300, 512)
        (400, 300)
    """
    longest = max(width, height)
    if longest_side is None or longest <= longest_side:
        return width, height
    # Whole numbers, rounded half up: no float can make two machines differ by a pixel.
    shrink = [
        max(1, (2 * side * longest_side + longest) // (2 * longest)) for side in (width, height)
    ]
    return shrink[0], shrink[1]


def reduce_pixels(
    pixels: UInt8Array, longest_side: int, reduction: Reduction = "area"
) -> UInt8Array:
    """Reduce pixels.

    Args:
        pixels: (H, W, C), 1, 3 or 4 channels.
        longest_side: in pixels; smaller photos are returned as they are.
        reduction: by exact area means, or by Lanczos's filter.

    Returns:
        (h, w, C) whose longest side is at most `longest_side`.
    """
    height, width = pixels.shape[:2]
    size = reduced_size(width, height, longest_side)
    if size == (width, height):
        return pixels
    return reduce_rows(lambda start, stop: pixels[start:stop], (width, height), size, reduction)


def reduce_rows(
    read_rows: ReadRows,
    size: tuple[int, int],
    target: tuple[int, int],
    reduction: Reduction,
    *,
    block: int = 1,
) -> UInt8Array:
    """Reduce a photo whose rows are read as they are needed.

    Args:
        read_rows: gives the stored rows from one index up to another, (rows, ceil(W / block), C).
        size: width W and height H of the photo.
        target: width and height of the result, at most `size`.
        reduction: by exact area means, or by Lanczos's filter (three lobes, Pillow's).
        block: a stored pixel is the mean of block × block pixels of the photo.

    Returns:
        (height, width, C).
    """
    if reduction == "area":
        return area_means(read_rows, size, target, block=block)
    stored = -(-size[0] // block), -(-size[1] // block)
    middle = (
        min(stored[0], LANCZOS_MARGIN * target[0]),
        min(stored[1], LANCZOS_MARGIN * target[1]),
    )
    if middle != stored:
        pixels = area_means(read_rows, size, middle, block=block)
        box = (0.0, 0.0, float(middle[0]), float(middle[1]))
    else:
        pixels = read_rows(0, stored[1])
        # Stored pixels at the right and lower border may reach beyond the photo.
        box = (0.0, 0.0, size[0] / block, size[1] / block)
    height, width, channels = pixels.shape
    image = Image.frombuffer(_MODES[channels], (width, height), np.ascontiguousarray(pixels))
    reduced = image.resize(target, Image.Resampling.LANCZOS, box)
    return np.array(reduced).reshape(target[1], target[0], channels)


def parse_size(text: str) -> tuple[int, int]:
    """Read a size as users write it.

    Args:
        text: width, `x` or `×`, height.

    Raises:
        SettingsError: it is not such a size.

    Examples:
        >>> parse_size("256x192")
        (256, 192)
    """
    sides = text.lower().replace("×", "x").split("x")
    if len(sides) != 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise SettingsError(f"expected width and height in pixels such as 256x256, got {text!r}")
    return int(sides[0]), int(sides[1])


def resize_pixels(pixels: UInt8Array, size: tuple[int, int]) -> UInt8Array:
    """Resize pixels whatever their proportions, as the paper does for its Table 2.

    A side that shrinks does so by exact area means; one that grows is interpolated linearly, by Pillow. The paper does not state
    its method.

    Args:
        pixels: (H, W, 3).
        size: width w and height h.

    Returns:
        (h, w, 3).
    """
    height, width = pixels.shape[:2]
    shrunk = min(width, size[0]), min(height, size[1])
    if shrunk != (width, height):
        pixels = area_means(lambda start, stop: pixels[start:stop], (width, height), shrunk)
    if shrunk != size:
        pixels = np.array(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    return pixels


def area_means(
    read_rows: ReadRows, size: tuple[int, int], target: tuple[int, int], *, block: int = 1
) -> UInt8Array:
    """Compute means over cells whose borders may cut pixels: `mlsp.features.pooling.area_weights` on both axes, a few rows at a time.

    Args:
        read_rows: gives the stored rows from one index up to another, (rows, ceil(W / block), C).
        size: width W and height H of the photo.
        target: width and height of the result, at most `size`.
        block: a stored pixel is the mean of block × block pixels of the photo; those at the right and lower border may
            stand for fewer.

    Returns:
        (height, width, C), each mean rounded once.
    """
    width, height = target
    _, column_taps, column_shares = _weights(size[0], width, block, 0, width)
    stored_width, channels = read_rows(0, 1).shape[1:]
    means = np.empty((height, width, channels), np.uint8)
    at_once = max(_MIN_ROWS, _MAX_VALUES * block * height // (size[1] * stored_width * channels))
    for first in range(0, height, at_once):
        last = min(first + at_once, height)
        start, taps, shares = _weights(size[1], height, block, first, last)
        stored = read_rows(start, start + int(taps[-1, -1]) + 1).reshape(
            -1, stored_width * channels
        )
        rows = _weighted_sums(stored, taps, shares).reshape(last - first, stored_width, channels)
        columns = rows.transpose(1, 0, 2).reshape(stored_width, -1)
        cells = _weighted_sums(columns, column_taps, column_shares)
        np.rint(cells, out=cells)
        means[first:last] = cells.reshape(width, last - first, channels).transpose(1, 0, 2)
    return means


def _weighted_sums(
    values: UInt8Array | Float32Array, taps: NDArray[np.int64], shares: Float32Array
) -> Float32Array:
    """Compute weighted sums of rows: (rows, V) -> (cells, V).

    Not a matrix product, which would be of zeros mostly, and whose threads would fight with those of the caller.
    """
    sums: Float32Array = values[taps[0]] * shares[0]
    for tap, share in zip(taps[1:], shares[1:], strict=True):
        sums += values[tap] * share
    return sums


def _weights(
    size: int, cells: int, block: int, first: int, last: int
) -> tuple[int, NDArray[np.int64], Float32Array]:
    """Compute the shares of stored pixels in the cells from `first` up to `last`.

    Returns:
        The first stored pixel; (T, cells) indices after it of each cell's first, second, … T-th pixel; (T, cells, 1) shares.
        Cells that touch fewer than T pixels have a share of 0 in the rest.
    """
    # In units of 1/cells pixel all borders are whole numbers, so the overlaps are exact.
    begin = np.arange(first, last, dtype=np.int64) * size
    end = begin + size
    begin_pixel = begin // (block * cells)
    end_pixel = -(-end // (block * cells))
    steps = np.arange(int((end_pixel - begin_pixel).max()))[:, None]
    pixels = np.minimum(begin_pixel + steps, end_pixel[-1] - 1)
    overlap = np.minimum(end, np.minimum((pixels + 1) * block, size) * cells)
    overlap -= np.maximum(begin, pixels * (block * cells))
    overlap[steps >= end_pixel - begin_pixel] = 0
    shares = (overlap / size).astype(np.float32)
    return int(begin_pixel[0]), pixels - begin_pixel[0], shares[..., None]
