"""PARA (Yang et al. 2022): 31,220 photos rated for aesthetics, 1…5 in halves, by 25 people on average.

Yuzhe Yang, Liwu Xu, Leida Li, Nan Qie, Yaqian Li, Peng Zhang and Yandong Guo, "Personalized image aesthetics assessment with rich
attributes", CVPR 2022. Published at cv-datasets.institutecv.com for research and learning only.

The form is that of the published README and of programs which read the tables; the tables were not at hand to check it.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from mlsp.ratings.datasets.published_files import find_published, number, read_published
from mlsp.ratings.table import Rating, RatingTable, fault_of

_NAME = "PARA"
_TABLES = {"train": "PARA-GiaaTrain.csv", "test": "PARA-GiaaTest.csv"}
_BINS = tuple(1 + half / 2 for half in range(9))
_VOTES = tuple(f"aestheticScore_{value:.1f}" for value in _BINS)
_MEANS = tuple(
    f"{name}_mean"
    for name in (
        "qualityScore",
        "compositionScore",
        "colorScore",
        "dofScore",
        "lightScore",
        "contentScore",
    )
)
_log = logging.getLogger(__name__)


def load_para(folder: Path, photos: Path | None = None) -> RatingTable:
    """Read the published tables of the mean ratings.

    Args:
        folder: holds `annotation` with `PARA-GiaaTrain.csv` and `PARA-GiaaTest.csv`, and `imgs`.
        photos: where the folders `session1`, … are, if not in `imgs`. They may be missing.

    Returns:
        Train photos first, named `session1/iaa_pub1_.jpg`; the group is the scene (`semantic`); means of the other ratings are further
        columns. Has votes where their mean is the published one.

    Raises:
        RatingsError: a table is missing or not of the published form.
    """
    photos = photos or folder / "imgs"
    columns = ("sessionId", "imageName", "semantic", "aestheticScore_mean", *_VOTES)
    ratings: list[Rating] = []
    rows: list[dict[str, str]] = []
    for split, table in _TABLES.items():
        path = find_published(_NAME, folder, (f"annotation/{table}", table))
        for where, row in read_published(_NAME, path, columns):
            photo_id = f"{row['sessionId']}/{row['imageName']}"
            mos = number(where, "a score", row["aestheticScore_mean"])
            votes = tuple(number(where, "votes", row[column]) for column in _VOTES)
            ratings.append(Rating(photos / photo_id, photo_id, mos, split, row["semantic"], votes))
            rows.append(row)
    bins: tuple[float, ...] | None = _BINS
    fault = next((found for rating in ratings if (found := fault_of(rating, 1, 5, bins))), None)
    if fault:
        _log.warning("%s: the votes are left out: a photo %s", _NAME, fault)
        bins, ratings = None, [replace(rating, votes=None) for rating in ratings]
    extra = {name: tuple(row[name] for row in rows) for name in _MEANS if name in rows[0]}
    return RatingTable(_NAME, 1.0, 5.0, tuple(ratings), bins, extra)
