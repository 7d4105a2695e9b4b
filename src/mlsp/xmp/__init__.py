"""Ratings in XMP sidecars, which other photo software reads."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from mlsp.xmp.stars import StarSettings, stars

__all__ = ["Convention", "StarSettings", "read_rating", "stars", "write_rating"]

Convention: TypeAlias = Literal["both", "photo.jpg.xmp", "photo.xmp"]


def read_rating(photo: Path) -> int | None:
    """Give the rating in a photo's sidecars, of both conventions.

    Returns:
        -1 for rejected, 0 for unrated, 1…5 stars; None where no sidecar has a rating.

    Raises:
        SidecarError: a sidecar is damaged or not XMP.
    """
    raise NotImplementedError


def write_rating(
    photo: Path,
    rating: int,
    *,
    overwrite: bool = False,
    convention: Convention = "both",
    by_hand: bool = False,
) -> list[Path]:
    """Write a rating into a photo's sidecars; what else is in them stays as it is, byte for byte.

    Args:
        photo: never touched itself.
        rating: -1 for rejected, or 1…5 stars.
        overwrite: also replace a rating that is not ours.
        convention: which sidecars are written.
        by_hand: the rating is the user's own, and so `mlsp score --xmp` will keep it.

    Returns:
        The files that were written; none if the photo keeps its rating, or has this one already.

    Raises:
        SettingsError: the rating is none that can be written.
        SidecarError: a sidecar is damaged, not XMP or cannot be written; it is left as it was.
    """
    raise NotImplementedError
