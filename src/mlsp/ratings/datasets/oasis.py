"""OASIS (Kurdi, Lozano and Banaji 2017): 900 photos; beauty ratings 1…7 by Brielmann and Pelli (2019).

Benedek Kurdi, Shayn Lozano and Mahzarin Banaji, "Introducing the Open Affective Standardized Image Set (OASIS)", Behavior Research
Methods 49, 2017; photos under free licences at osf.io/6pnd7. Aenne Brielmann and Denis Pelli, "Intense beauty requires intense
pleasure", Frontiers in Psychology 10, 2019 (CC BY 4.0); ratings at github.com/aenneb/OASIS-beauty without a licence of their own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlsp.base.arrays import Float64Array
from mlsp.base.errors import MissingExtraError, RatingsError
from mlsp.ratings.datasets.published_files import number, photos_by_lower_name, read_published
from mlsp.ratings.table import Rating, RatingTable

_NAME = "OASIS"
_BINS = tuple(map(float, range(1, 8)))


def load_oasis(folder: Path, photos: Path | None = None) -> RatingTable:
    """Read a folder with `means_per_image.csv`, `corrData.mat` if wanted, and the folder `images`.

    Args:
        folder: holds the ratings.
        photos: where the photos are, if not in `images`. They must be there: the tables do not spell their names.

    Returns:
        See `load_oasis_beauty`; with votes where `corrData.mat` is there.

    Raises:
        RatingsError: a file is missing or a table is not of the published form.
        MissingExtraError: `corrData.mat` without scipy.
    """
    votes = folder / "corrData.mat"
    return load_oasis_beauty(
        photos or folder / "images",
        folder / "means_per_image.csv",
        votes_file=votes if votes.is_file() else None,
    )


def load_oasis_beauty(
    images: Path, ratings_file: Path, *, votes_file: Path | None = None
) -> RatingTable:
    """Read the photos and the beauty ratings as published.

    Args:
        images: folder of the photos, named by theme (`Acorns 1.jpg`).
        ratings_file: `means_per_image.csv`. Only `Theme`, `beauty_mean` and, for votes, `item` are read; its means by gender are
            misaligned.
        votes_file: `corrData.mat`, with every vote; None for means only.

    Returns:
        In the table's order; the group is the theme without its number, since `Dog 1` and `Dog 2` look alike.

    Raises:
        RatingsError: a file is missing or a table is not of the published form.
        MissingExtraError: votes without scipy.
    """
    files = {
        name.rsplit(".", 1)[0].replace(" ", ""): path
        for name, path in photos_by_lower_name(images).items()
    }
    votes = None if votes_file is None else _read_votes(votes_file)
    ratings: list[Rating] = []
    columns = ("Theme", "beauty_mean") if votes is None else ("Theme", "beauty_mean", "item")
    for where, row in read_published(_NAME, ratings_file, columns):
        theme = row["Theme"].replace(" ", "").lower()
        if theme not in files:
            raise RatingsError(f"{where}: no photo of theme {row['Theme']!r} in {images}")
        mos = number(where, "a rating", row["beauty_mean"])
        of_photo = None
        if votes is not None:
            item = int(number(where, "the number of a photo", row["item"]))
            if not 1 <= item <= len(votes):
                raise RatingsError(
                    f"{where}: expected an item, 1 to {len(votes)}, got {item}: give corrData.mat of the same data set"
                )
            of_photo = tuple(votes[item - 1].tolist())
        group = theme.rstrip("0123456789")
        ratings.append(Rating(files[theme], files[theme].name, mos, None, group, of_photo))
    bins = None if votes is None else _BINS
    return RatingTable(_NAME, _BINS[0], _BINS[-1], tuple(ratings), bins)


def _read_votes(path: Path) -> Float64Array:
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ImportError as error:
        raise MissingExtraError(f"Reading {path.name}", "train") from error
    try:
        given = loadmat(path, variable_names=["corrData"])["corrData"]
    except (MatReadError, OSError, ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise RatingsError(
            f"{_NAME}: {path} cannot be read ({error}): give corrData.mat of OASIS-beauty, or take it away"
        ) from error
    # People by photos, with NaN where somebody did not see a photo.
    return np.stack([(given == value).sum(0) for value in _BINS], axis=1).astype(np.float64)
