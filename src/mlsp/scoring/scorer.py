"""The path every user takes: photos -> scores."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np

from mlsp.base.arrays import Float16Array, Float32Array, UInt8Array
from mlsp.base.errors import (
    EngineError,
    ModelError,
    PhotoError,
    PhotoTooSmallError,
    SettingsError,
    UnsupportedPhotoError,
)
from mlsp.base.parallel import usable_cores
from mlsp.base.results import ScoreFailure
from mlsp.features.engines import Engine, check_choices, open_engine
from mlsp.features.engines.batching_engine import CUDA_BATCH, BatchingEngine, BatchSettings
from mlsp.features.engines.decode_limiter import DecodeLimiter
from mlsp.features.extractor import Extracted
from mlsp.features.spec import spec_record
from mlsp.models.model import Model, load_model
from mlsp.photos import (
    DecodeSettings,
    Photo,
    check_pixels,
    read_bytes,
    read_photo,
    reduce_pixels,
    resize_pixels,
)
from mlsp.photos.crops import cut_views
from mlsp.scoring.cache import CachedFeatures, CachedScores, FeatureCache, NullCache, ScoreCache
from mlsp.scoring.results import Head, Heads, Score, ScoreResult

_LARGEST = float(np.finfo(np.float16).max)


class Scorer:
    """Scores photos by a model. `Scorer.load()` makes one. Several threads may use it at once.

    Args:
        model: the model's record.
        engine: runs its network; must make the kind of features that the model's heads read.
        heads: the model's heads, in the order of its records.
        workers: photos decoded and scored at the same time.
        cache: remembers scores.
        feature_cache: remembers narrow features, so that another model on the same network need not run it.
        max_pixels: photos with more are refused before they are decoded.
        runtime: package that the engine computes by; remembered scores and features belong to it.

    Attributes:
        places: bounds the photos in memory.

    Raises:
        SettingsError: `workers` is below 1, or engine, heads and model do not belong together.
    """

    def __init__(
        self,
        model: Model,
        engine: Engine,
        heads: Iterable[Head],
        *,
        workers: int,
        cache: ScoreCache | NullCache[CachedScores] | None = None,
        feature_cache: FeatureCache | NullCache[CachedFeatures] | None = None,
        max_pixels: int | None = None,
        runtime: str = "openvino",
    ) -> None:
        self.places = DecodeLimiter(engine, workers)
        if engine.feature_spec != model.feature_spec:
            raise SettingsError(
                f"the engine makes features of {engine.feature_spec}, model {model.name!r} reads {model.feature_spec}"
            )
        self.model = model
        self._engine = engine
        self._heads = Heads(model, heads)
        self._cache: ScoreCache | NullCache[CachedScores] = (
            cache if cache is not None else NullCache()
        )
        # Wide features take a megabyte a photo: those belong into a feature file.
        self._feature_cache: FeatureCache | NullCache[CachedFeatures] = (
            feature_cache
            if feature_cache is not None and model.feature_spec.grid == 1
            else NullCache()
        )
        feature_spec = model.feature_spec
        self._decode = DecodeSettings.of(
            feature_spec.longest_side, max_pixels, resize=feature_spec.resize
        )
        # Precision, decoder and runtime move scores a little, so remembered scores belong to them too.
        versions = map(version, ("mlsp", "Pillow", "pillow-heif", runtime))
        how = " ".join([engine.precision, *versions])
        self._cache_key = f"{model.fingerprint} {how}"
        self._feature_key = f"{json.dumps(spec_record(feature_spec), sort_keys=True)} {how}"

    @classmethod
    def load(
        cls,
        model: Path | str = "default",
        *,
        device: str = "auto",
        precision: str = "auto",
        workers: int | None = None,
        cache: ScoreCache | NullCache[CachedScores] | None = None,
        feature_cache: FeatureCache | NullCache[CachedFeatures] | None = None,
        max_pixels: int | None = None,
        weights: Path | None = None,
    ) -> Scorer:
        """Load a model and the engine that runs it.

        Args:
            model: name of an installed model, or a folder.
            device: `auto`, `cpu` or `cuda`. `auto` is `cpu`. `cuda` needs torch, and runs the network from its published weights.
            precision: `auto` (bfloat16 where the device has it), `float32` or `bfloat16`; on `cuda` `float16` too.
            workers: photos decoded and scored at the same time; by default one more than the cores, so that one decodes
                while the others compute.
            cache: remembers scores; nothing is remembered by default.
            feature_cache: remembers features, likewise.
            max_pixels: photos with more are refused before they are decoded.
            weights: file of the network's weights, read for `cuda` only; by default the published one, found or downloaded.

        Raises:
            ModelError: the model is missing or damaged, or has no network.
            SettingsError: an argument is unknown or out of range, or there is no such device here.
            WeightsError: the weights cannot be had, or the model's network has others.
            MissingExtraError: torch, which `cuda` needs, is not installed.
        """
        from mlsp.features.engines.openvino_engine import OpenVinoHead

        check_choices(device, precision)
        record = load_model(model)
        engine = open_engine(
            record.backbone,
            record.feature_spec,
            device=device,
            precision=precision,
            weights=weights,
        )
        heads = [OpenVinoHead(record.folder / head.file) for head in record.heads]
        for head, reader in zip(record.heads, heads, strict=True):
            if reader.channels != engine.channels:
                raise ModelError(
                    f"model {record.folder}: {head.file} reads {reader.channels} channels,"
                    f" {record.backbone_file} makes {engine.channels}. Build the model again"
                )
        scorer = cls(
            record,
            engine,
            heads,
            workers=usable_cores() + 1 if workers is None else workers,
            cache=cache,
            feature_cache=feature_cache,
            max_pixels=max_pixels,
            runtime="torch" if device == "cuda" else "openvino",
        )
        return scorer.in_batches(CUDA_BATCH, streams=1) if device == "cuda" else scorer

    @property
    def threads(self) -> int:
        """Photos that `score` works on at the same time; so many calls of `score_content` keep the scorer busy."""
        return self.places.threads

    @property
    def batches(self) -> BatchSettings | None:
        """How photos are joined, see `in_batches`; None where each goes through the network alone."""
        return self._engine.settings if isinstance(self._engine, BatchingEngine) else None

    def in_batches(
        self,
        settings: BatchSettings,
        *,
        streams: int | None = None,
        computing: Callable[[int], None] = lambda photos: None,
    ) -> Scorer:
        """Give a scorer like this one, whose photos go through the network together where they have one size and wait anyway.

        Scores are those of a photo alone, up to the order of additions. Photos are decoded as before, `workers` at a time.

        Args:
            settings: how photos are joined; in place of this scorer's own settings, if it joins them already.
            streams: batches computed at the same time; by default as this scorer does, else one a core.
            computing: told the number of photos before each run of the network, from several threads.

        Raises:
            SettingsError: `streams` is below 1.
        """
        engine, usual = self._engine, usable_cores()
        if isinstance(engine, BatchingEngine):
            usual, engine = engine.streams, engine.engine
        streams = usual if streams is None else streams
        scorer = copy.copy(self)
        scorer._engine = BatchingEngine(engine, settings, streams=streams, computing=computing)
        scorer.places = DecodeLimiter(scorer._engine, self.places.workers)
        return scorer

    def score(self, sources: Iterable[Path]) -> Generator[ScoreResult | ScoreFailure, None, None]:
        """Score photos.

        Args:
            sources: photo files; read lazily, a few ahead of the results.

        Returns:
            Exactly one result for each source, in their order. A photo that cannot be scored is a `ScoreFailure`. Close the generator to
            stop early; what has not begun is dropped then.

        Raises:
            SettingsError: `sources` is one path instead of several.
        """
        return self.places.map(self._score_file, _several(sources))

    def features(self, sources: Iterable[Path]) -> Generator[Extracted | ScoreFailure, None, None]:
        """Give the features that the heads read, remembered where the photo was scored before.

        Args:
            sources: photo files; read lazily, a few ahead of the results.

        Returns:
            Exactly one result for each source, in their order. Features are those the scores come from, in steps of 16 bits.

        Raises:
            SettingsError: `sources` is one path instead of several.
        """
        return self.places.map(self._features_of_file, _several(sources))

    def scores_of(self, features: Float32Array) -> Mapping[str, Score]:
        """Score a photo by its features.

        Args:
            features: (V, G, G, C), a view each, of the model's kind.

        Returns:
            One score a head, by the head's name.

        Raises:
            EngineError: a head failed, or gave no number.
        """
        return self._heads.scores(self._heads.values(features))

    def score_array(self, pixels: UInt8Array) -> Mapping[str, Score]:
        """Score a photo that is in memory.

        Args:
            pixels: RGB, upright, sRGB, uint8 (H, W, 3); brought to the model's size like a file's.

        Returns:
            One score a head, by the head's name.

        Raises:
            UnsupportedPhotoError: the array is of another type or shape.
            PhotoTooSmallError: it has fewer pixels than the model can judge.
            EngineError: the network failed.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise UnsupportedPhotoError(
                f"expected uint8 pixels of shape (H, W, 3), got {pixels.dtype} {pixels.shape}:"
                " convert to 8-bit RGB first"
            )
        height, width = pixels.shape[:2]
        if self._decode.longest_side is not None:
            pixels = reduce_pixels(pixels, self._decode.longest_side)
        if self._decode.resize is not None:
            pixels = resize_pixels(pixels, self._decode.resize)
        views = self._views(Photo(pixels, None, width, height))
        return self.scores_of(self._pooled(views).astype(np.float32))

    def score_content(
        self, content: bytes, *, source: Path = Path("photo")
    ) -> ScoreResult | ScoreFailure:
        """Score a photo whose file is in memory. Safe to call from several threads at once.

        Args:
            content: of the file.
            source: what the result calls it.

        Returns:
            Its scores; a photo that cannot be scored is a `ScoreFailure`.
        """
        return self._score(source, lambda: content)

    def _score_file(self, source: Path) -> ScoreResult | ScoreFailure:
        return self._score(source, lambda: read_bytes(source))

    def _score(self, source: Path, read: Callable[[], bytes]) -> ScoreResult | ScoreFailure:
        try:
            content = read()
            sha256 = hashlib.sha256(content).hexdigest()
            known = self._cache.get(sha256, self._cache_key)
            if known is None:
                found = self._known_features(source, content, sha256)
                values = self._heads.values(found.values.astype(np.float32))
                known = CachedScores(values, found.width, found.height)
                self._cache.put(sha256, self._cache_key, known)
            else:
                # The limit may be another than when it was scored.
                check_pixels(known.width, known.height, self._decode.max_pixels)
        except PhotoError as error:
            return ScoreFailure(source, error)
        except EngineError as error:
            # One photo that the network cannot take must not end a run of thousands.
            return ScoreFailure(source, PhotoError(str(error)))
        scores = self._heads.scores(known.values)
        return ScoreResult(source, scores, known.width, known.height, sha256)

    def _features_of_file(self, source: Path) -> Extracted | ScoreFailure:
        try:
            content = read_bytes(source)
            sha256 = hashlib.sha256(content).hexdigest()
            found = self._known_features(source, content, sha256)
        except PhotoError as error:
            return ScoreFailure(source, error)
        except EngineError as error:
            return ScoreFailure(source, PhotoError(str(error)))
        return Extracted(source, found.values.astype(np.float32), found.width, found.height, sha256)

    def _known_features(self, source: Path, content: bytes, sha256: str) -> CachedFeatures:
        if (known := self._feature_cache.get(sha256, self._feature_key)) is not None:
            check_pixels(known.width, known.height, self._decode.max_pixels)
            return known

        def read() -> tuple[Photo, UInt8Array]:
            photo = read_photo(content, settings=self._decode, source_path=source)
            return photo, self._views(photo)

        with self.places.photo(read) as (photo, views):
            known = CachedFeatures(self._pooled(views), photo.width, photo.height)
        self._feature_cache.put(sha256, self._feature_key, known)
        return known

    def _views(self, photo: Photo) -> UInt8Array:
        # The size is that after the reduction: of a narrow strip it leaves too little, too.
        height, width = photo.pixels.shape[:2]
        if min(height, width) < (least := self.model.smallest_side):
            is_reduced = (width, height) != (photo.width, photo.height)
            reduced = f", reduced from {photo.width} × {photo.height}" if is_reduced else ""
            raise PhotoTooSmallError(
                f"too small to be judged: {width} × {height} pixels{reduced}, expected at least {least} on each side"
            )
        return cut_views(photo.pixels, self.model.feature_spec.views)

    def _pooled(self, views: UInt8Array) -> Float16Array:
        """Features of a photo, (V, G, G, C), in steps of 16 bits, as they are remembered: scores must not depend on what is."""
        return np.clip(self._engine.pooled(views), -_LARGEST, _LARGEST).astype(np.float16)


def _several(sources: Iterable[Path]) -> Iterable[Path]:
    if isinstance(sources, str | bytes | Path):
        raise SettingsError(f"expected several photos, got one: pass a list, [{sources!r}]")
    return map(Path, sources)


__all__ = ["Head", "Score", "ScoreFailure", "ScoreResult", "Scorer"]
