"""A user's stars, picks, rejects, and comparisons of two photos: one SQLite file that may be copied.

Its tables:

- `ratings`: one row per photo, by its content: a photo that is moved or renamed keeps its stars
- `found`: what the files of a rated photo stated, by its path, so that a change by another program is seen
- `comparisons`: one row per answer
- `changes`: what each of the last changes replaced, for `undo`

The file is complete at any time, even after kill -9: it is written with SQLite's rollback journal and not its write-ahead log, so
that a copy made while the page is open lacks nothing, and so that it may be on a network drive. A change is on the disk when its
method returns. A file that is damaged, of another program or of a newer version is never written to.
"""

from __future__ import annotations

from mlsp.personal.user_ratings.changes import KEPT_CHANGES
from mlsp.personal.user_ratings.ratings import UserRatings, default_user_ratings_path
from mlsp.personal.user_ratings.records import Change, NewRating, UserRating

__all__ = [
    "KEPT_CHANGES",
    "Change",
    "NewRating",
    "UserRating",
    "UserRatings",
    "default_user_ratings_path",
]
