"""Ratings of `mlsp serve`, which belong to what is in a photo's file, follow photos that `mlsp` itself has written into."""

from __future__ import annotations

from pathlib import Path

from mlsp.culling.xmp.journal import written_photos
from mlsp.personal.user_ratings import UserRatings


def follow_photos(run: Path | None, ratings: Path) -> int:
    """Give the photos that a run has written into the ratings and comparisons of their earlier content.

    Args:
        run: its journal; None where it wrote nothing.
        ratings: file of the user's ratings; need not exist.

    Returns:
        How many ratings were given.

    Raises:
        RatingsError: the file of ratings cannot be used.
    """
    if run is None or not ratings.exists():
        return 0
    with UserRatings.open(ratings) as opened:
        return opened.follow(written_photos(run))
