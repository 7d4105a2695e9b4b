"""Take back what a run wrote into sidecars, also one of `mlsp serve`, whose ratings stay."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from mlsp.base.errors import SidecarError
from mlsp.culling.xmp import Folders, read_marks
from mlsp.culling.xmp.journal import Run, Undone, undo
from mlsp.personal.user_ratings import UserRatings


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
    done = undo(run)
    if run.ratings is not None and run.ratings.exists():
        with UserRatings.open(run.ratings) as ratings:
            _note(ratings, {*done.restored, *done.removed})
    return done


def _note(ratings: UserRatings, sidecars: set[Path]) -> None:
    """Note that it was not another program that took the ratings away: else `mlsp serve` would follow it."""
    folders, changed = Folders(), {}
    for photo, known in ratings.found().items():
        with suppress(SidecarError):
            names = folders.sidecars(Path(photo))
            if sidecars.isdisjoint((names.full, names.short)):
                continue
            now = read_marks(Path(photo), folders=folders)
            if now != known:
                changed[photo] = now
    ratings.note_found(changed)
