"""Photo -> faces: where they are, whether their eyes are open, how sharp they are.

pixels ─ FaceDetector ─ LandmarkFinder ─ eyes ─┬ Face
         └ blur of the face and of each eye ───┘
"""

from __future__ import annotations

import functools
import math

import numpy as np

from mlsp.base.arrays import Float64Array, UInt8Array
from mlsp.culling.faces.detector import FaceDetector, FoundFace
from mlsp.culling.faces.landmarks import EyeContour, LandmarkFinder, Landmarks
from mlsp.culling.faces.records import Eye, EyesState, Face
from mlsp.culling.sharpness import blur_of

# What is a face to the detector and not to the network of landmarks is none.
_MIN_PRESENCE = 0.5
# Faces below this share of the photo's longest side are a crowd's.
_MIN_SIZE = 0.03
# Of a box beyond the photo: boxes are not exact.
_CUT_OFF = 0.08
# A face in a corner counts as one of half its size in the middle.
_CORNER = 0.5
# A piece around an eye, in widths of it; and the most that is measured of a face.
_EYE_PIECE = 1.6
_FACE_PIECE = 640
# Of the lids' gap: eyes below are closed, eyes above open; between both it cannot be told.
_MAX_CLOSED, _MIN_OPEN = 0.14, 0.17
# In pixels; narrower eyes cannot be told.
_MIN_WIDTH = 7.0
# Of the face, 0…1; below it cannot be told.
_MIN_PRESENCE_FOR_EYES = 0.9


class FaceFinder:
    """Finds faces and measures them. Several threads may use it at once.

    Raises:
        ModelError: a network's file is damaged.
    """

    def __init__(self) -> None:
        self._detector = FaceDetector()
        self._landmarks = LandmarkFinder()

    def find(self, pixels: UInt8Array) -> tuple[Face, ...]:
        """Find the faces of a photo.

        Args:
            pixels: (H, W, 3) at full size.

        Returns:
            The faces, the most prominent first.
        """
        height, width = pixels.shape[:2]
        seen = []
        for found in self._detector.find(pixels):
            if _side(found.box) < _MIN_SIZE * max(height, width):
                continue
            landmarks = self._landmarks.find(pixels, found)
            if landmarks.presence >= _MIN_PRESENCE:
                seen.append((_weight(found.box, width, height), found, landmarks))
        largest = max((weight for weight, _, _ in seen), default=1.0)
        faces = [_face(pixels, *face, largest=largest) for face in seen]
        return tuple(sorted(faces, key=lambda face: -face.prominence))


@functools.cache
def face_finder() -> FaceFinder:
    """Return the finder of this process, opened at the first call."""
    return FaceFinder()


def _side(box: Float64Array) -> float:
    return float((box[2:] - box[:2]).max())


def _weight(box: Float64Array, width: int, height: int) -> float:
    """Return how much a face matters: its side in pixels, less the further it is from the middle."""
    centre = (box[:2] + box[2:]) / 2 / (width, height) - 0.5
    return _side(box) * (
        1 - (1 - _CORNER) * min(1.0, float(np.linalg.norm(centre)) / math.sqrt(0.5))
    )


def _face(
    pixels: UInt8Array, weight: float, found: FoundFace, landmarks: Landmarks, *, largest: float
) -> Face:
    height, width = pixels.shape[:2]
    left, top, right, bottom = (found.box / (width, height, width, height)).tolist()
    beyond = max(-left, right - 1) * width, max(-top, bottom - 1) * height
    first, second = (_eye(pixels, eye) for eye in landmarks.eyes)
    return Face(
        left=left,
        top=top,
        right=right,
        bottom=bottom,
        prominence=weight / largest,
        presence=landmarks.presence,
        eyes_state=eyes_state(landmarks),
        eyes=(first, second),
        blur=_blur(pixels, (found.box[:2] + found.box[2:]) / 2, min(_side(found.box), _FACE_PIECE)),
        is_cut_off=max(beyond) > _CUT_OFF * _side(found.box),
    )


def _eye(pixels: UInt8Array, eye: EyeContour) -> Eye:
    width = eye_width(eye)
    centre = (eye.lids[0] + eye.lids[8]) / 2
    return Eye(lid_gap(eye), width, _blur(pixels, centre, width * _EYE_PIECE))


def _blur(pixels: UInt8Array, centre: Float64Array, side: float) -> float | None:
    left, top = np.maximum(np.rint(centre - side / 2), 0).astype(int)
    right, bottom = np.maximum(np.rint(centre + side / 2), 0).astype(int)
    return blur_of(pixels[top:bottom, left:right])


def lid_gap(eye: EyeContour) -> float:
    """Return the mean gap between the lids of an eye, as a share of its width: about .25 open, .1 closed."""
    lower, upper = eye.lids[1:8], eye.lids[9:16]
    gaps = np.linalg.norm(upper - lower, axis=1)
    return float(gaps.mean() / max(eye_width(eye), 1e-6))


def eye_width(eye: EyeContour) -> float:
    """Return the distance of an eye's corners, in pixels of the photo."""
    return float(np.linalg.norm(eye.lids[8] - eye.lids[0]))


def face_gap(landmarks: Landmarks) -> tuple[float, float]:
    """Return the lid gap of a face's eyes and the width of the wider one, in pixels.

    The eye that is turned away is foreshortened, and its lids are guessed more than seen: it counts less, by the fourth power of its width.
    """
    widths = np.array([eye_width(eye) for eye in landmarks.eyes])
    gaps = np.array([lid_gap(eye) for eye in landmarks.eyes])
    weights = (widths / max(float(widths.max()), 1e-6)) ** 4
    return float((gaps * weights).sum() / weights.sum()), float(widths.max())


def eyes_state(landmarks: Landmarks) -> EyesState:
    """Tell whether a face's eyes are open."""
    gap, width = face_gap(landmarks)
    if width < _MIN_WIDTH or landmarks.presence < _MIN_PRESENCE_FOR_EYES:
        return "unclear"
    if gap < _MAX_CLOSED:
        return "closed"
    return "open" if gap > _MIN_OPEN else "unclear"
