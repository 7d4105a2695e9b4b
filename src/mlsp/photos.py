"""File or bytes -> Photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlsp.arrays import UInt8Array


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo.

    Attributes:
        pixels: (H, W, 3) RGB, upright, sRGB.
        source: where it came from; None for pixels that were in memory.
        width: of the upright photo as stored, in pixels, before any reduction.
        height: likewise.
    """

    pixels: UInt8Array
    source: Path | None
    width: int
    height: int
