"""Checks of rated photos before training: missing, unreadable, equal and alike ones."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from mlsp.base.errors import PhotoError, RatingsError
from mlsp.base.parallel import map_in_order
from mlsp.photos import DecodeSettings, read_bytes, read_photo
from mlsp.photos.near_duplicates import difference_hash
from mlsp.ratings.splits import Split, check_overlap, restrict_split
from mlsp.ratings.table import Rating, RatingTable

# The hash sees 9×8 cells; reducing while decoding is several times faster.
_DECODE = DecodeSettings(longest_side=128)


@dataclass(frozen=True, slots=True)
class PhotoCheck:
    """Result of the check of one photo.

    Attributes:
        rating: whose photo it is.
        error: why it cannot be read; None where it can.
        content: SHA-256 of the file, in hexadecimal; empty where it cannot be read.
        difference_hash: of `mlsp.photos.near_duplicates`; 0 where it cannot be read.
    """

    rating: Rating
    error: PhotoError | None
    content: str
    difference_hash: np.uint64


def check_photos(table: RatingTable, *, workers: int) -> Generator[PhotoCheck, None, None]:
    """Read every photo.

    Yields:
        One result per photo, in the table's order.

    Raises:
        SettingsError: `workers` is below 1.
    """
    return map_in_order(_check_photo, table.ratings, workers=workers)


def _check_photo(rating: Rating) -> PhotoCheck:
    try:
        content = read_bytes(rating.photo)
        pixels = read_photo(content, settings=_DECODE, source_path=rating.photo).pixels
    except PhotoError as error:
        return PhotoCheck(rating, error, "", np.uint64(0))
    digest = hashlib.sha256(content).hexdigest()
    return PhotoCheck(rating, None, digest, difference_hash(pixels))


def faults_of_split(table: RatingTable, split: Split, checks: Sequence[PhotoCheck]) -> list[str]:
    """Find test photos that equal or resemble train or validation photos.

    Returns:
        Up to two messages.
    """
    rows = np.array([row for row, check in enumerate(checks) if check.error is None], dtype=np.intp)
    if not len(rows):
        return []
    readable, part = table.select(rows), restrict_split(split, rows)
    contents = [checks[row].content for row in rows]
    hashes = np.array([checks[row].difference_hash for row in rows], dtype=np.uint64)
    faults = []
    try:
        check_overlap(readable, part, contents=contents)
    except RatingsError as error:
        faults.append(str(error))
    try:
        check_overlap(readable, part, hashes=hashes)
    except RatingsError as error:
        faults.append(str(error))
    return faults
