"""Photos of a data set, under the names that its ratings have."""

from __future__ import annotations

from pathlib import Path

from mlsp.photos.listing import NamedPhoto, list_photos
from mlsp.ratings.datasets.registry import DATASETS, load_ratings


def list_source(source: str, photos: Path | None = None) -> list[NamedPhoto]:
    """List the photos of a folder, a table or a data set.

    Args:
        source: for `mlsp.photos.listing.list_photos`; or the name of a data set, a colon and its folder, such as `ava:FOLDER`.
        photos: folder of the photos, if it is not where the table or the data set has them.

    Returns:
        At least one. Photos of a table or data set that are missing are listed too: reading them fails.

    Raises:
        SettingsError: see `mlsp.photos.listing.list_photos`.
        RatingsError: the data set's files are not there or not of the published form.
    """
    if source.partition(":")[0] in DATASETS and ":" in source:
        table = load_ratings(source, photos=photos)
        return [NamedPhoto(rating.photo_id, rating.photo) for rating in table]
    return list_photos(Path(source), photos)
