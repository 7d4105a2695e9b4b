"""468 points of a face (MediaPipe's face mesh), and 71 points around each eye (its iris network).

Regions are those of MediaPipe's graphs (face_detection_front_detection_to_roi.pbtxt, face_landmark_cpu.pbtxt,
iris_landmark_landmarks_to_roi.pbtxt).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mlsp.base.arrays import Float64Array, UInt8Array
from mlsp.culling.faces.detector import FoundFace
from mlsp.culling.faces.networks import open_network
from mlsp.culling.faces.regions import SquareRegion, as_input

_FACE_SIDE = 192
_EYE_SIDE = 64
_FACE_SCALE = 1.5
_EYE_SCALE = 2.3
# Corners of the eye on the left of the picture, and of the one on the right; the outer one first.
EYE_CORNERS = ((33, 133), (263, 362))


@dataclass(frozen=True, slots=True)
class EyeContour:
    """An eye's lids.

    Attributes:
        lids: (16, 2) points in pixels of the photo: the outer corner, seven of the lower lid, the inner corner, seven of the upper lid
            from the outer side.
        iris: (5, 2) centre of the iris and four points of its edge.
    """

    lids: Float64Array
    iris: Float64Array


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Points of a face.

    Attributes:
        mesh: (468, 3) x and y in pixels of the photo, and depth in pixels, nearer is less.
        presence: how sure the network is that it saw a face, 0…1.
        eyes: of the eye on the left of the picture, and of the one on the right.
    """

    mesh: Float64Array
    presence: float
    eyes: tuple[EyeContour, EyeContour]


class LandmarkFinder:
    """Finds the points of faces. Several threads may use it at once.

    Raises:
        ModelError: a network's file is damaged.
    """

    def __init__(self) -> None:
        self._face = open_network("face_landmark")
        self._eye = open_network("iris_landmark")

    def find(self, pixels: UInt8Array, face: FoundFace) -> Landmarks:
        """Find the points of a face.

        Args:
            pixels: (H, W, 3), as large as there are.
            face: where it is in them.
        """
        width, height = face.box[2:] - face.box[:2]
        centre = (face.box[:2] + face.box[2:]) / 2
        region = _region(centre, max(width, height), face.eyes, _FACE_SCALE)
        raw, presence = self._face.outputs(as_input(region.cut(pixels, _FACE_SIDE), 0.0), 2)
        points = raw.reshape(468, 3).astype(np.float64)
        mesh = np.column_stack(
            [region.to_photo(points[:, :2] / _FACE_SIDE), points[:, 2] * region.side / _FACE_SIDE]
        )
        left, right = (
            self._contour(pixels, mesh[list(corners), :2], mirrored=mirrored)
            for corners, mirrored in zip(EYE_CORNERS, (False, True), strict=True)
        )
        return Landmarks(mesh, 1 / (1 + math.exp(-float(presence.flat[0]))), (left, right))

    def _contour(self, pixels: UInt8Array, corners: Float64Array, *, mirrored: bool) -> EyeContour:
        extent = float(np.ptp(corners, axis=0).max())
        # The network knows eyes on the left of the picture; others are mirrored.
        along = corners[::-1] if mirrored else corners
        region = _region(corners.mean(axis=0), extent, along, _EYE_SCALE)
        cut = region.cut(pixels, _EYE_SIDE, mirrored=mirrored)
        lids, iris = self._eye.outputs(as_input(cut, 0.0), 2)

        def points(values: np.ndarray, count: int) -> Float64Array:
            found = values.reshape(-1, 3)[:count, :2].astype(np.float64) / _EYE_SIDE
            if mirrored:
                found[:, 0] = 1 - found[:, 0]
            return region.to_photo(found)

        return EyeContour(points(lids, 16), points(iris, 5))


def _region(centre: Float64Array, extent: float, along: Float64Array, scale: float) -> SquareRegion:
    """Return a square turned so that two points, left and right, are level in it."""
    x, y = along[1] - along[0]
    return SquareRegion(float(centre[0]), float(centre[1]), extent * scale, math.atan2(y, x))
