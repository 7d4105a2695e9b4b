"""The outcome of a photo that could not be used: a value, never an exception in the middle of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlsp.base.errors import PhotoError


@dataclass(frozen=True, slots=True)
class ScoreFailure:
    """A photo that could not be used.

    Attributes:
        source: the photo.
        error: why.
    """

    source: Path
    error: PhotoError
