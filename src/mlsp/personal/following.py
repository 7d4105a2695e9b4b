"""What belongs to what is in a photo's file, ratings of `mlsp serve` and cached scores, follows when `mlsp` itself writes into it or takes that back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from mlsp.base.content_cache import ContentCache, NullCache
from mlsp.base.errors import SidecarError
from mlsp.culling.looking import open_close_ups
from mlsp.culling.xmp import Folders, read_marks
from mlsp.culling.xmp.journal import Run, written_photos
from mlsp.culling.xmp.undoing import Undone, undo
from mlsp.personal.user_ratings import UserRatings, default_user_ratings_path
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


def take_back(run: Run) -> Undone:
    """Take back what a run wrote into sidecars.

    Args:
        run: one of `mlsp.culling.xmp.journal.runs`.

    Returns:
        What became of its sidecars.

    Raises:
        SettingsError: there is no such run any more.
        RatingsError: the file of the ratings that it wrote cannot be used; the sidecars are as before the run then.
    """
    # They are gone with the run.
    photos = written_photos(run.path) if run.path.exists() else []
    done = undo(run)
    file = default_user_ratings_path() if run.ratings is None else run.ratings
    if file.exists() and (photos or run.ratings is not None):
        with UserRatings.open(file) as ratings:
            ratings.follow(moved_back(photos, done))
            _note(ratings, {*done.restored, *done.removed})
    return done


def moved_back(
    photos: Sequence[tuple[Path, str, str]], done: Undone
) -> list[tuple[Path, str, str]]:
    """Return the photos of a run that have their earlier content again, each with the SHA-256 of the other and of this one.

    Args:
        photos: of `written_photos`.
        done: what became of the run.
    """
    restored = set(done.restored)
    return [(photo, after, before) for photo, before, after in photos if photo in restored]


def _note(ratings: UserRatings, files: set[Path]) -> None:
    """Note that it was not another program that took the ratings away: else `mlsp serve` would follow it."""
    folders, changed = Folders(), {}
    for photo, known in ratings.found().items():
        with suppress(SidecarError):
            names = folders.sidecars(Path(photo))
            if files.isdisjoint((Path(photo), names.full, names.short)):
                continue
            now = read_marks(Path(photo), folders=folders)
            if now != known:
                changed[photo] = now
    ratings.note_found(changed)
