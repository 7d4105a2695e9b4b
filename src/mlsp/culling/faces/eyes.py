"""Whether eyes are open: the gap between the lids, as a share of the eye's width.

landmarks ─ gap of each eye ─ mean, the eye that is seen from the front counts more ─ open, closed or unclear

Limits were chosen on one half of labelled faces; benchmarks/faces.py has how often they are right on the other.
"""

from __future__ import annotations

import numpy as np

from mlsp.culling.faces.landmarks import EyeContour, Landmarks
from mlsp.culling.faces.records import EyesState

# Of the lids' gap: eyes below are closed, eyes above open; between both it cannot be told.
_MAX_CLOSED, _MIN_OPEN = 0.14, 0.17
# In pixels; narrower eyes cannot be told.
_MIN_WIDTH = 7.0
# Of the face, 0…1; below it cannot be told.
_MIN_PRESENCE = 0.9


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
    if width < _MIN_WIDTH or landmarks.presence < _MIN_PRESENCE:
        return "unclear"
    if gap < _MAX_CLOSED:
        return "closed"
    return "open" if gap > _MIN_OPEN else "unclear"
