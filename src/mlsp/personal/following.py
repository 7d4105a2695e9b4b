"""What belongs to what is in a photo's file, ratings of `mlsp serve` and cached scores, follows when `mlsp` itself writes into it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

from mlsp.base.content_cache import ContentCache, NullCache
from mlsp.culling.looking import open_close_ups
from mlsp.culling.xmp.journal import written_photos
from mlsp.personal.user_ratings import UserRatings
from mlsp.scoring.cache import open_caches

AnyCache: TypeAlias = ContentCache[Any] | NullCache[Any]


def follow_photos(run: Path | None, ratings: Path, *, use_cache: bool = True) -> int:
    """Give the photos that a run has written into what belongs to their earlier content: ratings, comparisons, what is cached.

    Args:
        run: its journal; None where it wrote nothing.
        ratings: file of the user's ratings; need not exist.
        use_cache: whether there are caches.

    Returns:
        How many ratings were given.

    Raises:
        RatingsError: the file of ratings cannot be used.
    """
    moved = [] if run is None else written_photos(run)
    if not moved:
        return 0
    with open_caches(enabled=use_cache) as caches, open_close_ups(enabled=use_cache) as close_ups:
        follow_in_caches(moved, (caches.scores, caches.features, close_ups))
    if not ratings.exists():
        return 0
    with UserRatings.open(ratings) as opened:
        return opened.follow(moved)


def follow_in_caches(moved: Iterable[tuple[Path, str, str]], caches: Iterable[AnyCache]) -> None:
    """Cache for photos what is cached for their earlier content: their pixels are the same.

    Args:
        moved: photos, each with the SHA-256 of its content before and after.
        caches: by content.
    """
    contents = [(before, after) for _, before, after in moved]
    for cache in caches:
        cache.follow(contents)
