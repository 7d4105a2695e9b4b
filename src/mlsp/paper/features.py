"""Choice of the feature file for a row, and the commands that make what a row needs."""

from __future__ import annotations

from collections.abc import Sequence

from mlsp.backbones import backbone
from mlsp.base.errors import SettingsError
from mlsp.features.spec import FeatureSpec
from mlsp.features.store.store import FeatureStore
from mlsp.paper.records import Row
from mlsp.training.batches import Rows


def fitting_store(row: Row, stores: Sequence[FeatureStore]) -> FeatureStore | None:
    """Find the first file with the features of a row: of its network, all levels, views, size and a grid that gives its own."""
    return next((store for store in stores if not _misfits(row, store)), None)


def lacking(row: Row, stores: Sequence[FeatureStore]) -> str:
    """Return what a row needs that no file has: the command that makes it, and what the files have instead."""
    found = [f"; {store.path.name} has {', '.join(_misfits(row, store))}" for store in stores]
    return (
        f"needs features of {row.backbone}, make them by `{extract_command(row)}`{''.join(found)}"
    )


def _misfits(row: Row, store: FeatureStore) -> list[str]:
    """Return what a file has that is not as the row needs it."""
    feature_spec = store.layout.feature_spec
    if feature_spec.backbone != row.backbone:
        return [f"features of {feature_spec.backbone}"]
    levels = len(feature_spec.levels)
    described = (
        (feature_spec.views == row.views, f"views {feature_spec.views}"),
        (row.grid in store.layout.grid_sources, "narrow features only"),
        (levels == level_count(row.backbone, [store]), f"{levels} levels only"),
        (_has_size(row, store), f"photos {_size_text(feature_spec)}"),
    )
    return [text for fits, text in described if not fits]


def _size_text(feature_spec: FeatureSpec) -> str:
    if feature_spec.longest_side is not None:
        return f"of at most {feature_spec.longest_side} pixels a side"
    if feature_spec.resize is not None:
        return "of {}×{}".format(*feature_spec.resize)
    return "at their own size"


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


def has_sizes(store: FeatureStore, rows: Rows) -> bool:
    """Return whether a file has the sizes of photos; those that an import did not measure are noted as 1×1.

    Args:
        store: the file.
        rows: of the photos in it.
    """
    photos = (store.photo(int(row)) for row in rows)
    return all((photo.width, photo.height) != (1, 1) for photo in photos)


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
