"""Photo -> features: the pipeline that scoring, extraction and bulk jobs share.

read ─ decode ─ size check ─ crops ─ engine ─ PhotoFeatures
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

from mlsp.base.arguments import checked
from mlsp.base.arrays import Float32Array, UInt8Array
from mlsp.base.errors import PhotoTooSmallError, SettingsError
from mlsp.base.machine import usable_cores
from mlsp.base.results import ScoreFailure, result_or_failure
from mlsp.features.engines import Engine
from mlsp.features.engines.batching_engine import BatchingEngine, BatchSettings
from mlsp.features.engines.decode_limiter import DecodeLimiter
from mlsp.features.store.codec import StoredArray
from mlsp.photos import DecodeSettings, Photo, read_bytes, read_photo
from mlsp.photos.crops import cut_views


@dataclass(frozen=True, slots=True)
class PhotoFeatures:
    """Features of a photo.

    Attributes:
        ok: True; False for a `ScoreFailure`.
        error: None.
        source: the photo.
        features: (V, G, G, C), one crop per view.
        width: of the upright photo, in pixels.
        height: of the upright photo, in pixels.
        content_sha256: of the file.
    """

    ok: ClassVar[Literal[True]] = True
    error: ClassVar[None] = None

    source: Path
    features: Float32Array
    width: int
    height: int
    content_sha256: str

    def raise_for_error(self) -> None:
        """Do nothing; a `ScoreFailure` raises its error."""


@dataclass(frozen=True, slots=True)
class EncodedPhoto:
    """Features of a photo as a feature file stores them.

    Attributes:
        source: the photo.
        stored: see `mlsp.features.store.store.FeatureStore.write_encoded`.
        width: of the upright photo, in pixels.
        height: of the upright photo, in pixels.
        content_sha256: of the file.
    """

    source: Path
    stored: dict[str, StoredArray]
    width: int
    height: int
    content_sha256: str


class FeaturePipeline:
    """Computes the features of photos by an engine that is open. Several threads may use it at once.

    `mlsp.features.extractor.FeatureExtractor` opens one by the network's name.

    Args:
        engine: its `feature_spec` gives the crops and the size of photos.
        min_side: smallest side of a photo, in pixels, after its reduction.
        workers: photos decoded at the same time, and computed, if the engine does not join them; by default one more than the
            cores, so that one is decoded while the others are computed.
        max_pixels: photos with more are refused before they are decoded; 250 million by default.
        read: decodes a photo, as `mlsp.photos.read_photo` does.

    Attributes:
        engine: computes the features.
        feature_spec: of the features.
        decode: how photos are decoded.
        read: decodes a photo.
        limiter: bounds the photos in memory.
        min_side: smallest side of a photo, in pixels.

    Raises:
        SettingsError: `workers` or `max_pixels` is below 1.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        min_side: int = 1,
        workers: int | None = None,
        max_pixels: int | None = None,
        read: Callable[..., Photo] = read_photo,
    ) -> None:
        self.engine = engine
        self.read = read
        self.feature_spec = engine.feature_spec
        self.min_side = min_side
        self.limiter = DecodeLimiter(engine, usable_cores() + 1 if workers is None else workers)
        self.decode = DecodeSettings.of(
            self.feature_spec.longest_side,
            max_pixels,
            resize=self.feature_spec.resize,
            reduction=self.feature_spec.reduction,
            read_as=self.feature_spec.read_as,
        )

    def __repr__(self) -> str:
        spec = self.feature_spec
        return f"{type(self).__name__}({spec.backbone!r}, grid={spec.grid}, views={spec.views!r})"

    def in_batches(
        self,
        settings: BatchSettings,
        *,
        streams: int | None = None,
        computing: Callable[[int], None] = lambda photos: None,
    ) -> Self:
        """Return a pipeline like this one that joins waiting photos of one size into batches.

        Features are those of a photo alone, up to the order of additions. Photos are decoded as before, `workers` at a time.

        Args:
            settings: how photos are joined; replaces this pipeline's own settings, if it joins them already.
            streams: batches computed at the same time; by default as this pipeline does, else one per core.
            computing: called with the number of photos before each run of the network, from several threads.

        Raises:
            SettingsError: `streams` is below 1.
        """
        engine, default = self.engine, usable_cores()
        if isinstance(engine, BatchingEngine):
            default, engine = engine.streams, engine.engine
        streams = default if streams is None else streams
        pipeline = copy.copy(self)
        pipeline.engine = BatchingEngine(engine, settings, streams=streams, computing=computing)
        pipeline.limiter = DecodeLimiter(pipeline.engine, self.limiter.workers)
        return pipeline

    @checked
    def extract(
        self, photos: Iterable[str | Path]
    ) -> Generator[PhotoFeatures | ScoreFailure, None, None]:
        """Compute the features of photos.

        Args:
            photos: files; read lazily, a few ahead of the results.

        Yields:
            Exactly one result per photo, in their order. A photo that cannot be read, is too small or makes the network fail is
            a `ScoreFailure`. Close the generator to stop early.

        Raises:
            SettingsError: `photos` is one path instead of several.
        """
        return self.limiter.map(self.extract_one, several(photos))

    def extract_one(self, photo: str | Path) -> PhotoFeatures | ScoreFailure:
        """Compute the features of one photo; see `extract`. Several threads may call it at once."""
        source, sha256 = Path(photo), ""

        def load() -> Photo:
            nonlocal sha256
            content = read_bytes(source)
            sha256 = hashlib.sha256(content).hexdigest()
            return self.read(content, settings=self.decode, source_path=source)

        def extract() -> PhotoFeatures:
            features, width, height = self.compute(load)
            return PhotoFeatures(source, features, width, height, sha256)

        return result_or_failure(source, extract)

    def compute(self, load: Callable[[], Photo]) -> tuple[Float32Array, int, int]:
        """Compute the features of one photo, which is loaded once there is room for it in memory.

        Args:
            load: decodes the photo by `decode`.

        Returns:
            (V, G, G, C), one crop per view; width and height of the upright photo before its reduction, in pixels.

        Raises:
            PhotoError: `load` raised it, or the photo is too small.
            EngineError: the network failed.
        """

        def read() -> tuple[tuple[int, int], UInt8Array]:
            photo = load()
            height, width = photo.pixels.shape[:2]
            check_size(width, height, self.min_side, stored=(photo.width, photo.height))
            return (photo.width, photo.height), cut_views(photo.pixels, self.feature_spec.views)

        with self.limiter.photo(read) as ((width, height), crops):
            return self.engine.pooled(crops), width, height


def several(photos: Iterable[str | Path]) -> Iterable[Path]:
    """Return several paths lazily.

    Raises:
        SettingsError: `photos` is one path, or something in it, when it is drawn, is none.
    """
    if isinstance(photos, str | bytes | Path):
        raise SettingsError(f"expected several photos, got one: pass a list, [{photos!r}]")
    return map(_path, photos)


def _path(photo: str | Path) -> Path:
    try:
        return Path(photo)
    except TypeError as error:
        raise SettingsError(
            f"expected the path of each photo, got {type(photo).__name__}: Scorer.score_one takes the content of a file,"
            " images and arrays"
        ) from error


def check_size(
    width: int, height: int, min_side: int, *, stored: tuple[int, int] | None = None
) -> None:
    """Refuse a photo, or a crop of one, that is too small.

    Args:
        width: in pixels, after the reduction: a narrow strip may be reduced to too little.
        height: in pixels, after the reduction.
        min_side: smallest side that is allowed, in pixels.
        stored: width and height before the reduction.

    Raises:
        PhotoTooSmallError: a side has fewer pixels.
    """
    if min(width, height) < min_side:
        is_reduced = stored is not None and stored != (width, height)
        reduced = f", reduced from {stored[0]} × {stored[1]}" if stored and is_reduced else ""
        raise PhotoTooSmallError(
            f"too small: {width} × {height} pixels{reduced}, expected at least {min_side} on each side"
        )
