"""Where faces are: MediaPipe's full-range detector, on the whole photo and on overlapping squares of it.

pixels ─ squares ─ 192×192 ─ network ─ boxes and points of 2,304 cells ─ above a score ─ overlapping ones averaged ─ FoundFace

Constants are those of MediaPipe's graph (face_detection_full_range.pbtxt, face_detection.pbtxt).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlsp.base.arrays import Float64Array, UInt8Array
from mlsp.culling.faces.networks import open_network
from mlsp.culling.faces.regions import SquareRegion, as_input

_SIDE = 192
_STRIDE = 4
_MIN_SCORE = 0.6
_MAX_OVERLAP = 0.3
_MAX_LOGIT = 100.0
# The photo is looked at in at least this size: squares of half of it are then larger than the network's input.
_LONGEST_SIDE = 768
# Squares of so much of the photo's longest side find smaller faces. They overlap by a third: a face that fits in there is whole in
# one of them, and a larger one is found in the whole photo.
_SQUARE = 0.6
_OVERLAP = 1 / 3


@dataclass(frozen=True, slots=True)
class FoundFace:
    """A face as the detector found it, in pixels of the photo.

    Attributes:
        box: (4,) left, top, right, bottom; may reach beyond the photo.
        eyes: (2, 2) x and y of both eyes, the left one of the picture first.
        score: how sure the detector is, 0…1.
    """

    box: Float64Array
    eyes: Float64Array
    score: float


class FaceDetector:
    """Finds faces. Several threads may use it at once.

    Raises:
        ModelError: the network's file is damaged.
    """

    def __init__(self) -> None:
        self._network = open_network("face_detection_full_range_sparse")
        cells = _SIDE // _STRIDE
        centres = (np.arange(cells) + 0.5) / cells
        # Row by row, x first.
        self._anchors = np.stack(np.meshgrid(centres, centres), -1).reshape(-1, 2)

    def find(self, pixels: UInt8Array) -> list[FoundFace]:
        """Find the faces of a photo.

        Args:
            pixels: (H, W, 3).

        Returns:
            The faces, the surest first. Those below about 1/30 of the photo's longest side are not found.
        """
        # By whole factors, which takes a tenth of the time of exact means.
        factor = max(1, max(pixels.shape[:2]) // _LONGEST_SIDE)
        reduced = np.asarray(Image.fromarray(pixels).reduce(factor))
        height, width = reduced.shape[:2]
        found = [self._candidates(reduced, square) for square in _squares(height, width)]
        scores = np.concatenate([scores for scores, _ in found])
        values = np.concatenate([values for _, values in found])
        return [
            FoundFace(mean[:4] * factor, mean[4:8].reshape(2, 2) * factor, score)
            for score, mean in _weighted_means(scores, values)
        ]

    def _candidates(
        self, pixels: UInt8Array, square: SquareRegion
    ) -> tuple[Float64Array, Float64Array]:
        """Return scores (N,), and boxes and points (N, 16) in pixels, of the cells that see a face."""
        raw, logits = self._network.outputs(as_input(square.cut(pixels, _SIDE), -1.0), 2)
        scores = 1 / (
            1 + np.exp(-np.clip(logits.reshape(-1), -_MAX_LOGIT, _MAX_LOGIT).astype(np.float64))
        )
        seen = scores >= _MIN_SCORE
        points = raw.reshape(-1, 8, 2)[seen].astype(np.float64) / _SIDE
        half = points[:, 1] / 2
        centre = points[:, 0] + self._anchors[seen]
        points += self._anchors[seen][:, None]
        points[:, 0], points[:, 1] = centre - half, centre + half
        values = square.to_photo(points.reshape(-1, 2)).reshape(-1, 16)
        whole = _is_whole(values[:, :4], square, *pixels.shape[:2])
        return scores[seen][whole], values[whole]


def _is_whole(
    boxes: Float64Array, square: SquareRegion, height: int, width: int
) -> NDArray[np.bool_]:
    """Return which boxes (N, 4) are not cut off by a square's borders inside the photo: another square has those whole."""
    x, y, half = square.x, square.y, square.side / 2
    return (
        ((boxes[:, 0] > x - half) | (x - half <= 0))
        & ((boxes[:, 1] > y - half) | (y - half <= 0))
        & ((boxes[:, 2] < x + half) | (x + half >= width))
        & ((boxes[:, 3] < y + half) | (y + half >= height))
    )


def _squares(height: int, width: int) -> Iterator[SquareRegion]:
    """Yield the whole photo, letterboxed, and overlapping squares of it."""
    longest = max(height, width)
    yield SquareRegion(width / 2, height / 2, longest)
    side = longest * _SQUARE
    if side < _SIDE:
        return
    for y in _centres(height, side):
        for x in _centres(width, side):
            yield SquareRegion(x, y, side)


def _centres(length: int, side: float) -> Float64Array:
    """Return the centres of the fewest pieces that overlap enough and cover a length."""
    if length <= side:
        return np.array([length / 2])
    pieces = 1 + int(np.ceil((length - side) / (side * (1 - _OVERLAP)) - 1e-9))
    return np.linspace(side / 2, length - side / 2, pieces)


def _weighted_means(
    scores: Float64Array, values: Float64Array
) -> Iterator[tuple[float, Float64Array]]:
    """Join overlapping boxes to their mean, weighted by score (MediaPipe's weighted non-maximum suppression)."""
    left = np.argsort(-scores, kind="stable")
    while len(left):
        overlaps = _overlaps(values[left[0], :4], values[left, :4])
        same = overlaps > _MAX_OVERLAP
        same[0] = True
        members = left[same]
        yield (
            float(scores[members[0]]),
            np.average(values[members], axis=0, weights=scores[members]),
        )
        left = left[~same]


def _overlaps(box: Float64Array, boxes: Float64Array) -> Float64Array:
    """Return the intersection over union of a box with others, (N,)."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    union = np.prod(box[2:] - box[:2]) + areas - shared
    found: Float64Array = shared / np.maximum(union, 1e-9)
    return found
