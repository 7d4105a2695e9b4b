"""EVA (Kang, Valenzise and Dufaux 2020): 4,070 photos of AVA rated for aesthetics, 0…10, by at least 30 people each.

Chen Kang, Giuseppe Valenzise and Frédéric Dufaux, "EVA: an explainable visual aesthetics dataset", ATQAM/MAST 2020. Ratings:
github.com/kang-gnak/eva-dataset (CC0); the photos are their photographers' at dpchallenge.com.

`image_content_category.csv` was checked against the published file. `votes_filtered.csv` was not: its columns are those that the
published README and programs name.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from mlsp.base.errors import RatingsError
from mlsp.ratings.datasets.published_files import (
    find_published,
    number,
    photo_folder,
    read_published,
)
from mlsp.ratings.table import Rating, RatingTable, mean_of_votes

_NAME = "EVA"
_CATEGORIES = "image_content_category.csv"
_PHOTOS = ("images/EVA_together", "EVA_together", "images")
_BINS = tuple(map(float, range(11)))


def load_eva(folder: Path, photos: Path | None = None) -> RatingTable:
    """Read the published votes.

    Args:
        folder: holds `data` with `votes_filtered.csv`, and `image_content_category.csv` if wanted; or these files themselves.
        photos: where the photos are, if not in `images/EVA_together`. They may be missing.

    Returns:
        In the order of their first votes, without split; the group is the number of the content category, 1…6.

    Raises:
        RatingsError: the votes are missing or not of the published form.
    """
    path = find_published(_NAME, folder, ("data/votes_filtered.csv", "votes_filtered.csv"))
    photos = photos or photo_folder(folder, _PHOTOS)
    votes: dict[str, Counter[float]] = {}
    for where, row in read_published(_NAME, path, ("image_id", "score"), delimiter="="):
        score = number(where, "a score", row["score"])
        if score not in _BINS:
            raise RatingsError(
                f"{where}: expected a score, a whole number 0 to 10, got {row['score']!r}: correct the table"
            )
        votes.setdefault(row["image_id"], Counter())[score] += 1
    categories = _categories(path.parent / _CATEGORIES)
    ratings = []
    for image, counts in votes.items():
        of_bins = tuple(float(counts[value]) for value in _BINS)
        name, mos = f"{image}.jpg", mean_of_votes(of_bins, _BINS)
        ratings.append(Rating(photos / name, name, mos, None, categories.get(image, ""), of_bins))
    return RatingTable(_NAME, _BINS[0], _BINS[-1], tuple(ratings), _BINS)


def _categories(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    return {
        row["image_id"]: row["sort"] for _, row in read_published(_NAME, path, ("image_id", "sort"))
    }
