"""Photos -> features, in order, failures as values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mlsp.base.arrays import Float32Array, UInt8Array
from mlsp.base.errors import EngineError, PhotoError, PhotoTooSmallError
from mlsp.base.results import ScoreFailure
from mlsp.features.engines import Engine
from mlsp.features.engines.decode_limiter import DecodeLimiter
from mlsp.features.spec import FeatureSpec
from mlsp.features.store.codec import StoredArray
from mlsp.photos import DecodeSettings, read_bytes, read_photo
from mlsp.photos.crops import cut_views


@dataclass(frozen=True, slots=True)
class Extracted:
    """A photo's features.

    Attributes:
        source: the photo.
        features: (V, G, G, C), a view each.
        width: of the upright photo, in pixels.
        height: likewise.
        content_sha256: of the file.
    """

    source: Path
    features: Float32Array
    width: int
    height: int
    content_sha256: str


@dataclass(frozen=True, slots=True)
class EncodedPhoto:
    """A photo's features in the form in which its file keeps them.

    Attributes:
        source: the photo.
        stored: see `mlsp.features.store.store.FeatureStore.write_encoded`.
        width: of the upright photo, in pixels.
        height: likewise.
        content_sha256: of the file.
    """

    source: Path
    stored: dict[str, StoredArray]
    width: int
    height: int
    content_sha256: str


def extract_features(
    engine: Engine,
    sources: Iterable[Path],
    *,
    workers: int,
    decode: DecodeSettings | None = None,
    smallest_side: int = 1,
) -> Iterator[Extracted | ScoreFailure]:
    """Compute the features of photos.

    Args:
        engine: its kind says which views to cut.
        sources: photo files; read lazily, a few ahead of the results.
        workers: photos decoded at the same time, and computed, if the engine does not join them.
        decode: how photos are read; by default as the engine's kind wants it.
        smallest_side: pixels that the network needs of each side of a view.

    Returns:
        Exactly one result for each source, in their order. A photo that cannot be read, is too small, or makes the network
        fail, is a `ScoreFailure`.
    """
    feature_spec = engine.feature_spec
    places = DecodeLimiter(engine, workers)
    settings = decode or DecodeSettings(
        longest_side=feature_spec.longest_side, resize=feature_spec.resize
    )

    def extract(source: Path) -> Extracted | ScoreFailure:
        return extract_photo(
            engine, source, decode=settings, smallest_side=smallest_side, places=places
        )

    return places.map(extract, sources)


def extract_photo(
    engine: Engine,
    source: Path,
    *,
    decode: DecodeSettings,
    smallest_side: int,
    places: DecodeLimiter,
) -> Extracted | ScoreFailure:
    """Compute the features of one photo; see `extract_features`.

    Args:
        engine: as there.
        source: the photo.
        decode: how it is read.
        smallest_side: as there.
        places: of the engine, shared by all threads that bring it photos.
    """
    feature_spec = engine.feature_spec

    def read() -> tuple[tuple[int, int, str], UInt8Array]:
        content = read_bytes(source)
        photo = read_photo(content, settings=decode, source_path=source)
        views = cut_views(photo.pixels, feature_spec.views)
        _check_size(views, smallest_side, feature_spec)
        return (photo.width, photo.height, hashlib.sha256(content).hexdigest()), views

    try:
        with places.photo(read) as ((width, height, sha256), views):
            features = engine.pooled(views)
    except PhotoError as error:
        return ScoreFailure(source, error)
    except EngineError as error:
        # One photo that the network cannot take must not end a run of thousands.
        return ScoreFailure(source, PhotoError(str(error)))
    return Extracted(source, features, width, height, sha256)


def _check_size(views: UInt8Array, smallest_side: int, feature_spec: FeatureSpec) -> None:
    height, width = views.shape[1:3]
    if min(height, width) < smallest_side:
        what = (
            "the photo has"
            if feature_spec.views == "whole"
            else f"its views {feature_spec.views!r} have"
        )
        raise PhotoTooSmallError(
            f"{what} {width}×{height} pixels, {feature_spec.backbone} needs at least {smallest_side} on each side"
        )
