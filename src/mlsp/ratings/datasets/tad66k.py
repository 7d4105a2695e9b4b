"""TAD66K (He et al. 2022): 66,327 photos of 47 themes rated for aesthetics, 1…10, by at least 1,200 answers each.

Shuai He, Yongchang Zhang, Rui Xie, Dongxiang Jiang and Anlong Ming, "Rethinking image aesthetics assessment: models, datasets and
benchmarks", IJCAI 2022. Labels and code: github.com/woshidandan/TANet-image-aesthetics-and-quality-assessment (Apache-2.0).

The tables `merge` and `unmerge` were checked against the published ones; the folder of the photos was not.
"""

from __future__ import annotations

from pathlib import Path

from mlsp.ratings.datasets.published_files import (
    find_published,
    number,
    photo_folder,
    read_published,
)
from mlsp.ratings.table import Rating, RatingTable

_NAME = "TAD66K"
_COLUMNS = ("image", "score")


def load_tad66k(folder: Path, photos: Path | None = None) -> RatingTable:
    """Read the published tables.

    Args:
        folder: holds `labels/merge` (or `dataset/merge`, as in the authors' repository) with `train.csv` and `test.csv`, and beside
            `merge` the tables by theme, `unmerge`, if wanted.
        photos: where the photos are, if not in `TAD66K`, `imgs` or `images`. They may be missing.

    Returns:
        Train photos first; the group is the theme where `unmerge` is there.

    Raises:
        RatingsError: a table is missing or not of the published form.
    """
    photos = photos or photo_folder(folder, ("TAD66K", "imgs", "images"))
    ratings = []
    for split in ("train", "test"):
        names = [f"{start}merge/{split}.csv" for start in ("labels/", "dataset/", "")]
        path = find_published(_NAME, folder, names)
        themes = _themes(path.parent.parent / "unmerge" / split)
        for where, row in read_published(_NAME, path, _COLUMNS):
            name = row["image"]
            score = number(where, "a score", row["score"])
            ratings.append(Rating(photos / name, name, score, split, themes.get(name, "")))
    return RatingTable(_NAME, 1.0, 10.0, tuple(ratings))


def _themes(folder: Path) -> dict[str, str]:
    return {
        row["image"]: path.stem
        for path in sorted(folder.glob("*.csv"))
        for _, row in read_published(_NAME, path, _COLUMNS)
    }
