"""BIQ2021 (Ahmed and Asif 2022): 12,000 photos rated for technical quality, 0…1, by 30 people each."""

from __future__ import annotations

import csv
from pathlib import Path

from mlsp.errors import RatingsError
from mlsp.ratings import Rating, RatingTable, parse_mos, photos_by_lower_name

_TABLES = {"train": "Train (Images and MOS).csv", "test": "Test (Images and MOS).csv"}


def load_biq2021(folder: Path) -> RatingTable:
    """Read the published folder.

    Args:
        folder: holds `Images` and the two tables of the official split.

    Returns:
        Train photos first; the group is the subset (`ss01` own photos, `ss02` taken with faults on purpose, `ss03` Unsplash).

    Raises:
        RatingsError: a file is missing or a table is not of the published form.
    """
    files = photos_by_lower_name(folder / "Images")
    ratings: list[Rating] = []
    for split, name in _TABLES.items():
        try:
            text = (folder / name).read_text(encoding="utf-8-sig", errors="replace")
        except OSError as error:
            raise RatingsError(
                f"BIQ2021: {folder / name} cannot be read ({error.strerror}): give the published folder"
            ) from error
        for number, row in enumerate(csv.reader(text.splitlines())):
            if number == 0 or not row or not row[0]:
                continue
            photo = files.get(row[0].lower())
            if photo is None:
                raise RatingsError(
                    f"BIQ2021: {name} line {number + 1}: no photo {row[0]!r} in Images"
                )
            text_of_mos = row[1] if len(row) > 1 else None
            mos = parse_mos(text_of_mos, f"BIQ2021: {name} line {number + 1}")
            ratings.append(Rating(photo, mos, split, row[0][:4].lower()))
    return RatingTable("BIQ2021", 0.0, 1.0, tuple(ratings))
