"""Faces in photos: where, how prominent, eyes open or closed, how sharp. Nothing about whose they are.

    finder     pixels -> Face, by all of the following; eyes: open, closed or unclear
    detector   where faces are
    landmarks  points of a face and of its eyes
    regions    turned squares of a photo, as networks read them
    networks/  MediaPipe's networks, checked by digest

For `mlsp.culling`, and for commands that ask for faces. The way in is `face_finder().find(pixels)`.
"""

from __future__ import annotations

from mlsp.culling.faces.finder import FaceFinder, face_finder
from mlsp.culling.faces.records import Eye, EyesState, Face

__all__ = ["Eye", "EyesState", "Face", "FaceFinder", "face_finder"]
