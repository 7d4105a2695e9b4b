"""KonIQ-10k (Hosu et al. 2020): 10,073 photos rated for technical quality by about 120 people each.

Vlad Hosu, Hanhe Lin, Tamás Szirányi and Dietmar Saupe, "KonIQ-10k: an ecologically valid database for deep learning of blind image
quality assessment", IEEE Transactions on Image Processing 29, 2020. Scores and split: github.com/subpic/koniq (MIT); photos and the
other table: database.mmsp-kn.de, each photo under its own Creative Commons licence.

`koniq10k_distributions_sets.csv` was checked against the published file; `koniq10k_scores_and_distributions.csv` was not.
"""

from __future__ import annotations

from pathlib import Path

from mlsp.base.errors import RatingsError
from mlsp.ratings.datasets.published_files import (
    find_published,
    number,
    photo_folder,
    read_published,
)
from mlsp.ratings.table import Rating, RatingTable

_NAME = "KonIQ-10k"
_SETS = "koniq10k_distributions_sets.csv"
_SCORES = "koniq10k_scores_and_distributions.csv"
_SPLITS = {"training": "train", "validation": "validation", "test": "test"}
_KEPT = ("c1", "c2", "c3", "c4", "c5", "c_total", "SD")


def load_koniq10k(folder: Path, photos: Path | None = None) -> RatingTable:
    """Read the published tables.

    Args:
        folder: holds `koniq10k_distributions_sets.csv`, of the authors' code, with the split; or else
            `koniq10k_scores_and_distributions.csv`, of the data set, without.
        photos: where the photos are, if not in `1024x768` or `512x384`. They may be missing.

    Returns:
        Scores 1…100, which the authors made from the raters' z-scores. The shares of the five answers, 1…5, are therefore no votes on
        the same scale: they are the further columns `c1` … `c5`.

    Raises:
        RatingsError: no table is there, or it is not of the published form.
    """
    paths = tuple(f"{start}{name}" for name in (_SETS, _SCORES) for start in ("", "metadata/"))
    path = find_published(_NAME, folder, paths)
    photos = photos or photo_folder(folder, ("1024x768", "512x384"))
    score = "MOS" if path.name == _SETS else "MOS_zscore"
    split_columns = ("set",) if path.name == _SETS else ()
    ratings, kept = [], []
    for where, row in read_published(_NAME, path, ("image_name", score, *_KEPT, *split_columns)):
        split = row["set"] if split_columns else None
        if split is not None and split not in _SPLITS:
            raise RatingsError(
                f"{where}: expected a set of {', '.join(_SPLITS)}, got {split!r}: correct the table"
            )
        name = row["image_name"]
        ratings.append(
            Rating(
                photos / name,
                name,
                number(where, "a score", row[score]),
                None if split is None else _SPLITS[split],
            )
        )
        kept.append([row[column] for column in _KEPT])
    extra = {column: tuple(row[at] for row in kept) for at, column in enumerate(_KEPT)}
    return RatingTable(_NAME, 1.0, 100.0, tuple(ratings), None, extra)
