"""Take back what a run wrote into sidecars, also one of `mlsp serve`, whose ratings stay."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mlsp.base.errors import SidecarError
from mlsp.culling.xmp import Folders, read_marks
from mlsp.culling.xmp.journal import Run, written_photos
from mlsp.culling.xmp.undoing import Undone, undo
from mlsp.personal.user_ratings import UserRatings, default_user_ratings_path


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
