"""OASIS (Kurdi, Lozano and Banaji 2017): 900 photos; beauty ratings 1…7 by Brielmann and Pelli (2019)."""

from __future__ import annotations

import csv
from pathlib import Path

from mlsp.errors import RatingsError
from mlsp.ratings import Rating, RatingTable, parse_mos, photos_by_lower_name


def load_oasis_beauty(images: Path, ratings_file: Path) -> RatingTable:
    """Read the photos and the beauty ratings as published.

    Args:
        images: folder of the photos, named by theme (`Acorns 1.jpg`).
        ratings_file: `means_per_image.csv`. Only `Theme` and `beauty_mean` are read; its means by gender are misaligned.

    Returns:
        In the table's order; the group is the theme without its number, since `Dog 1` and `Dog 2` look alike.

    Raises:
        RatingsError: a file is missing or the table is not of the published form.
    """
    files = {
        name.rsplit(".", 1)[0].replace(" ", ""): path
        for name, path in photos_by_lower_name(images).items()
    }
    try:
        text = ratings_file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise RatingsError(
            f"OASIS: {ratings_file} cannot be read ({error.strerror}): give means_per_image.csv"
        ) from error
    reader = csv.DictReader(text.splitlines())
    missing = {"Theme", "beauty_mean"} - set(reader.fieldnames or ())
    if missing:
        raise RatingsError(
            f"OASIS: {ratings_file.name} lacks the columns {sorted(missing)}: give means_per_image.csv"
        )
    ratings: list[Rating] = []
    for row in reader:
        where = f"OASIS: {ratings_file.name} line {reader.line_num}"
        theme = (row["Theme"] or "").replace(" ", "").lower()
        if theme not in files:
            raise RatingsError(f"OASIS: no photo of theme {row['Theme']!r} in {images}")
        mos = parse_mos(row["beauty_mean"], where)
        photo = files[theme]
        ratings.append(Rating(photo, photo.name, mos, None, theme.rstrip("0123456789")))
    return RatingTable("OASIS", 1.0, 7.0, tuple(ratings))


def load_oasis(folder: Path, photos: Path | None = None) -> RatingTable:
    """Read a folder with `means_per_image.csv` and the folder `images`.

    Args:
        folder: holds the ratings.
        photos: where the photos are, if not in `images`.

    Returns:
        See `load_oasis_beauty`.

    Raises:
        RatingsError: a file is missing or the table is not of the published form.
    """
    return load_oasis_beauty(photos or folder / "images", folder / "means_per_image.csv")
