"""Feature files of the authors' published code -> feature files of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from mlsp.backbones import BackboneSpec, backbone
from mlsp.backbones.weights.finding import find_weights
from mlsp.base.digests import file_sha256
from mlsp.base.errors import FeatureStoreError, PhotoError, SettingsError
from mlsp.features.spec import FeatureSpec, Grid
from mlsp.features.store.released import ReleasedFeatures
from mlsp.features.store.schema import StoreLayout
from mlsp.features.store.store import FeatureStore
from mlsp.photos import DecodeSettings, read_photo

# Of the paper; the published code has the same levels in the same order.
_NETWORKS = ("inception_resnet_v2", "inception_v3")


class _Facts(TypedDict):
    width: int
    height: int
    content_sha256: str


# Of a photo whose file is not at hand.
_NO_FACTS = _Facts(width=1, height=1, content_sha256="0" * 64)


@dataclass(frozen=True, slots=True)
class ImportedFeatures:
    """What was imported.

    Attributes:
        feature_spec: of the features.
        done: number of photos.
        failed: names of photos that lack a view, or have features that are damaged or not finite.
        unmeasured: names of photos whose files were asked for and cannot be read.
    """

    feature_spec: FeatureSpec
    done: int
    failed: tuple[str, ...]
    unmeasured: tuple[str, ...] = ()


def import_released(
    file: Path,
    output: Path,
    *,
    weights: Path | None = None,
    photos: Path | None = None,
    on_download: Callable[[int, int], None] | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> ImportedFeatures:
    """Write the features of a file of the published code as a feature file, or go on with one.

    The network is known by the number of channels. The published code reads photos without orientation and colour profile, computes in
    float32 and stores float16; so does the new file, whose numbers are the same.

    Args:
        file: HDF5 with one data set per photo, in eight groups of crops or in none.
        output: feature file to write; one that an import began is continued.
        weights: that the features were made with; by default the published ones of Keras, found or downloaded.
        photos: folder of the photos, for their sizes and digests; without it, or where one cannot be read, a photo is noted as 1×1
            pixels of an unknown file.
        on_download: called during a download with the bytes so far and in all (0 while unknown).
        on_progress: called after each photo with the number of those that are done, and of all.

    Raises:
        FeatureStoreError: the file cannot be read or is of another network, or `output` holds something else.
        SettingsError: there is no folder `photos`.
        WeightsError: the weights cannot be had.
        OutputError: `output` cannot be written.
    """
    if photos is not None and not photos.is_dir():
        raise SettingsError(f"there is no folder {str(photos)!r}: name the folder of the photos")
    with ReleasedFeatures(file) as released:
        network = _network(released)
        grid: Grid = 1 if released.grid == 1 else 5
        feature_spec = FeatureSpec(
            backbone=network.name,
            weights_sha256=find_weights(network, weights, on_download=on_download).sha256,
            levels=tuple(level.name for level in network.levels),
            views="corners8" if released.groups else "whole",
            longest_side=None,
            grid=grid,
            read_as="released",
        )
        layout = StoreLayout(
            feature_spec, tuple(level.channels for level in network.levels), (grid,)
        )
        incomplete = released.incomplete()
        unmeasured: list[str] = []
        with FeatureStore.resume(output, layout, [*released.ids, *incomplete]) as store:
            for row in store.rows("pending").tolist():
                name = store.ids[row]
                if row >= len(released):
                    store.write_failure(row, "it lacks a view in the imported file")
                    continue
                facts = _NO_FACTS if photos is None else _facts(photos / name)
                if photos is not None and facts is _NO_FACTS:
                    unmeasured.append(name)
                try:
                    store.write(row, {grid: released.read(name)}, **facts)
                except FeatureStoreError as error:
                    # It cannot be read, or its values cannot be stored.
                    store.write_failure(row, str(error))
                on_progress(row + 1, len(store))
            failed = tuple(store.ids[row] for row in store.rows("failed").tolist())
            done = len(store.rows("done"))
            return ImportedFeatures(feature_spec, done, failed, tuple(unmeasured))


def _network(released: ReleasedFeatures) -> BackboneSpec:
    networks = [backbone(name) for name in _NETWORKS]
    for network in networks:
        if network.channels == released.channels:
            return network
    known = " or ".join(f"{network.channels} ({network.name})" for network in networks)
    raise FeatureStoreError(
        f"feature file {released.path} has {released.channels} channels, expected {known}: only features of all levels of the"
        " paper's networks are imported"
    )


def _facts(file: Path) -> _Facts:
    """Return a photo's size and SHA-256; `_NO_FACTS` where it cannot be read."""
    try:
        photo = read_photo(file, settings=DecodeSettings(read_as="released"))
    except PhotoError:
        return _NO_FACTS
    return _Facts(width=photo.width, height=photo.height, content_sha256=file_sha256(file))
