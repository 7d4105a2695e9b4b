"""BIQ2021 (Ahmed and Asif 2022): 12,000 photos rated for technical quality, 0…1, by 30 people each.

Nisar Ahmed and Shahzad Asif, "BIQ2021: a large-scale blind image quality assessment database", Journal of Electronic Imaging 31(5),
2022. Published at github.com/nisarahmedrana/BIQ2021 without a licence: ask its authors before passing photos or ratings on.
"""

from __future__ import annotations

import csv
from pathlib import Path

from mlsp.ratings.datasets.published_files import number, photos_by_lower_name, read_text
from mlsp.ratings.table import Rating, RatingTable

_TABLES = {"train": "Train (Images and MOS).csv", "test": "Test (Images and MOS).csv"}
# The one published file whose letter case differs from the table's.
_NAMES_OF_FILES = {"ss02 (1014).jpg": "ss02 (1014).JPG"}


def load_biq2021(folder: Path, photos: Path | None = None) -> RatingTable:
    """Read the published folder.

    Args:
        folder: holds `Images` and the two tables of the official split.
        photos: where the photos are, if not in `Images`. They may be missing.

    Returns:
        Train photos first; the group is the subset (`ss01` own photos, `ss02` taken with faults on purpose, `ss03` Unsplash), which is
        on both sides of the official split. Photos are named as in `Images`.

    Raises:
        RatingsError: a table is missing or not of the published form.
    """
    photos = photos or folder / "Images"
    files = photos_by_lower_name(photos) if photos.is_dir() else {}
    ratings: list[Rating] = []
    for split, name in _TABLES.items():
        text = read_text("BIQ2021", folder / name)
        # The header has empty cells, and not the same ones in both tables.
        for line, row in enumerate(csv.reader(text.splitlines()), 1):
            if line == 1 or not row or not row[0]:
                continue
            photo = files.get(row[0].lower(), photos / _NAMES_OF_FILES.get(row[0], row[0]))
            where = f"BIQ2021: {name} line {line}"
            mos = number(where, "a rating", row[1] if len(row) > 1 else "")
            ratings.append(Rating(photo, photo.name, mos, split, row[0][:4].lower()))
    return RatingTable("BIQ2021", 0.0, 1.0, tuple(ratings))
