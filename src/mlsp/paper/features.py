"""Choice of the feature file for a row, and the commands that make what a row needs."""

from __future__ import annotations

from collections.abc import Sequence

from mlsp.backbones import backbone
from mlsp.base.errors import SettingsError
from mlsp.features.store.store import FeatureStore
from mlsp.paper.records import Row


def fitting_store(row: Row, stores: Sequence[FeatureStore]) -> FeatureStore | None:
    """Find the first file with the features of a row: of its network, all levels, views, size and a grid that gives its own."""
    return next((store for store in stores if _fits(row, store)), None)


def _fits(row: Row, store: FeatureStore) -> bool:
    feature_spec = store.layout.feature_spec
    return (
        (feature_spec.backbone, feature_spec.views) == (row.backbone, row.views)
        and row.grid in store.layout.grid_sources
        and len(feature_spec.levels) == level_count(row.backbone, [store])
        and _has_size(row, store)
    )


def _has_size(row: Row, store: FeatureStore) -> bool:
    feature_spec = store.layout.feature_spec
    if feature_spec.longest_side is None:
        return feature_spec.resize == row.resize
    # Square photos come to the same size by either option, but the longest side enlarges none.
    if row.resize != (feature_spec.longest_side, feature_spec.longest_side):
        return False
    side = feature_spec.longest_side
    photos = (store.photo(int(number)) for number in store.rows("done"))
    return all(photo.width == photo.height and (photo.width or 0) >= side for photo in photos)


def level_count(name: str, stores: Sequence[FeatureStore]) -> int:
    """Return the number of levels of a network; of an unknown one, that of the first file.

    Raises:
        SettingsError: the network is not known, and no file has features of it.
    """
    try:
        return len(backbone(name).levels)
    except SettingsError:
        for store in stores:
            if store.layout.feature_spec.backbone == name:
                return len(store.layout.feature_spec.levels)
        raise


def finetune_command(row: Row) -> str:
    """Return the command that fine-tunes the network of a row."""
    options = " ".join(row.finetune_options())
    return f"mlsp finetune RATINGS {options} --output MODEL"


def extract_command(row: Row) -> str:
    """Return the command that makes the features of a row."""
    grid = "narrow" if row.grid == 1 else "wide"
    return f"mlsp extract PHOTOS -o FILE.h5 {' '.join(row.extract_options(grid))}"
