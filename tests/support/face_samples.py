"""A real face with its eyes drawn shut."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from PIL import Image

from mlsp.base.arrays import UInt8Array
from mlsp.culling.faces.detector import FaceDetector
from mlsp.culling.faces.landmarks import LandmarkFinder

# Of the examples, the one with a face: 512 × 512, a face of about 105 pixels.
PORTRAIT = Path(__file__).parents[2] / "examples" / "astronaut.png"


@functools.cache
def _finders() -> tuple[FaceDetector, LandmarkFinder]:
    return FaceDetector(), LandmarkFinder()


def portrait() -> UInt8Array:
    """Return the portrait, (512, 512, 3)."""
    return np.array(Image.open(PORTRAIT).convert("RGB"))


def with_shut_eyes(pixels: UInt8Array) -> UInt8Array:
    """Draw the skin above the eyes of the first face down over them, with a line of lashes."""
    detector, landmarks = _finders()
    face = detector.find(pixels)[0]
    shut = pixels.copy()
    for eye in landmarks.find(pixels, face).eyes:
        outer, inner = eye.lids[0], eye.lids[8]
        (x, y), width = (outer + inner) / 2, float(np.linalg.norm(inner - outer))
        reach = 0.75 * width
        for column in range(int(x - reach), int(x + reach) + 1):
            bow = max(0.0, 1 - ((column - x) / reach) ** 2)
            top, lid, low = (y + share * width for share in (-0.55, -0.25 * bow, 0.18 * bow))
            rows = np.arange(round(top), round(low))
            source = top + (rows - top) * (lid - top) / (low - top)
            shut[rows, column] = pixels[np.rint(source).astype(int), column]
            shut[rows[-1], column] //= 3
    return shut
