"""Ratings in XMP sidecars, which other photo software reads. For the policy see `docs/stars.md`.

photo ─ names: photo.jpg.xmp, photo.xmp ─ files ─ packet: where the rating stands ─┬ suggesting: mlsp's own ─┬ editing ─ files
                                                                                   └ marking: the user's ────┘
percentile ─ stars: stars, flag, label ─ rating
"""

from __future__ import annotations

from mlsp.culling.xmp.files import Convention
from mlsp.culling.xmp.marking import write_shot_marks
from mlsp.culling.xmp.names import Folders
from mlsp.culling.xmp.rating import Outcome, rate_shot, remove_rating
from mlsp.culling.xmp.reading import read_marks, read_shot_marks
from mlsp.culling.xmp.stars import StarSettings, stars

__all__ = [
    "Convention",
    "Folders",
    "Outcome",
    "StarSettings",
    "rate_shot",
    "read_marks",
    "read_shot_marks",
    "remove_rating",
    "stars",
    "write_shot_marks",
]
