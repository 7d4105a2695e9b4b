"""What a user said of photos: stars, picks and rejects, and which of two is better. One SQLite file that may be copied.

    ratings       a row a photo, by its content: a photo that is moved or renamed keeps its stars
    comparisons   a row an answer
    changes       what each of the last changes replaced, for `undo`

The file alone is whole at any time, after kill -9 too: it is written by SQLite's rollback journal and not by its write-ahead log,
so that a copy that someone makes while the page is open lacks nothing, and so that it may lie on a network drive. A change is on the
disk when its method returns. A file that is damaged, of another program or of a newer version is never written to.
"""

from __future__ import annotations

from mlsp.personal.user_ratings.ratings import (
    KEPT_CHANGES,
    Change,
    Flag,
    UserRatings,
    default_user_ratings_path,
)

__all__ = ["KEPT_CHANGES", "Change", "Flag", "UserRatings", "default_user_ratings_path"]
