"""The path every user takes: photos -> scores."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np

from mlsp.arrays import Float32Array, UInt8Array
from mlsp.engines import Engine, open_engine, usable_cores
from mlsp.errors import PhotoError, SettingsError, UnsupportedPhotoError
from mlsp.features import Failed
from mlsp.model import Model, load_model
from mlsp.parallel import map_in_order
from mlsp.photos import DecodeSettings, read_bytes, read_photo, reduce_pixels
from mlsp.score_cache import CachedScores, NullCache, ScoreCache


@dataclass(frozen=True, slots=True)
class Score:
    """What one head says of a photo.

    Attributes:
        value: on the scale of the ratings that the head learned from.
        percentile: share of the rated photos whose score is lower, 0…100.
    """

    value: float
    percentile: float


@dataclass(frozen=True, slots=True)
class Scored:
    """A photo and its scores.

    Attributes:
        source: the photo.
        scores: one a head, by the head's name, in the model's order.
        width: of the upright photo, in pixels.
        height: likewise.
    """

    source: Path
    scores: Mapping[str, Score]
    width: int
    height: int

    @property
    def overall(self) -> float:
        """Mean of the heads' percentiles, 0…100."""
        return sum(score.percentile for score in self.scores.values()) / len(self.scores)


class Head(Protocol):
    """What reads features; see `mlsp.engines.openvino_engine.OpenVinoHead`."""

    def predict(self, features: Float32Array) -> Float32Array:
        """(N, G, G, C) -> (N,)."""


class Scorer:
    """Scores photos by a model. `Scorer.load()` makes one.

    Args:
        model: the model's record.
        engine: runs its network; must make the kind of features that the model's heads read.
        heads: the model's heads, in the order of its records.
        workers: photos decoded and scored at the same time.
        cache: remembers scores.
        max_pixels: photos with more are refused before they are decoded.
    """

    def __init__(
        self,
        model: Model,
        engine: Engine,
        heads: Iterable[Head],
        *,
        workers: int,
        cache: ScoreCache | NullCache | None = None,
        max_pixels: int | None = None,
    ) -> None:
        if workers < 1:
            raise SettingsError(f"workers must be at least 1, got {workers}")
        if engine.kind != model.kind:
            raise SettingsError(
                f"the engine makes features of {engine.kind}, model {model.name!r} reads {model.kind}"
            )
        self.model = model
        self._engine = engine
        self._heads = tuple(heads)
        self._workers = workers
        self._cache = cache if cache is not None else NullCache()
        defaults = DecodeSettings(longest_side=model.kind.longest_side)
        self._decode = (
            defaults
            if max_pixels is None
            else DecodeSettings(longest_side=model.kind.longest_side, max_pixels=max_pixels)
        )
        # Precision and decoder move scores a little, so remembered scores belong to them too.
        self._cache_key = f"{model.fingerprint}:{engine.precision}:{version('mlsp')}"

    @classmethod
    def load(
        cls,
        model: Path | str = "default",
        *,
        device: str = "auto",
        precision: str = "auto",
        workers: int | None = None,
        cache: ScoreCache | NullCache | None = None,
        max_pixels: int | None = None,
    ) -> Scorer:
        """Load a model and the engine that runs it.

        Args:
            model: name of an installed model, or a folder.
            device: `auto` or `cpu`.
            precision: `auto` (bfloat16 where the processor has it), `float32` or `bfloat16`.
            workers: photos decoded and scored at the same time; by default one more than the cores, so that one decodes
                while the others compute.
            cache: remembers scores; nothing is remembered by default.
            max_pixels: photos with more are refused before they are decoded.

        Raises:
            ModelError: the model is missing or damaged.
            SettingsError: an argument is unknown or out of range.
        """
        from mlsp.engines.openvino_engine import OpenVinoHead

        record = load_model(model)
        engine = open_engine(
            record.folder / record.backbone_file, record.kind, device=device, precision=precision
        )
        heads = [OpenVinoHead(record.folder / head.file) for head in record.heads]
        return cls(
            record,
            engine,
            heads,
            workers=usable_cores() + 1 if workers is None else workers,
            cache=cache,
            max_pixels=max_pixels,
        )

    def score(self, sources: Iterable[Path]) -> Iterator[Scored | Failed]:
        """Score photos.

        Args:
            sources: photo files; read lazily, a few ahead of the results.

        Returns:
            Exactly one result for each source, in their order. A photo that cannot be scored is a `Failed`.
        """
        return map_in_order(self._score_file, map(Path, sources), workers=self._workers)

    def score_array(self, pixels: UInt8Array) -> Mapping[str, Score]:
        """Score a photo that is in memory.

        Args:
            pixels: RGB, upright, sRGB, uint8 (H, W, 3); reduced like a file's where it is larger than the model's longest side.

        Returns:
            One score a head, by the head's name.

        Raises:
            UnsupportedPhotoError: the array is of another type or shape, or too small.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise UnsupportedPhotoError(
                f"expected uint8 pixels of shape (H, W, 3), got {pixels.dtype} {pixels.shape}:"
                " convert to 8-bit RGB first"
            )
        self._check_size(pixels.shape[1], pixels.shape[0])
        longest_side = self._decode.longest_side
        if longest_side is not None:
            pixels = reduce_pixels(pixels, longest_side)
        return self._with_percentiles(self._predict(pixels))

    def _score_file(self, source: Path) -> Scored | Failed:
        try:
            content = read_bytes(source)
            sha256 = hashlib.sha256(content).hexdigest()
            known = self._cache.get(sha256, self._cache_key)
            if known is None:
                photo = read_photo(content, settings=self._decode, source_path=source)
                self._check_size(photo.width, photo.height)
                known = CachedScores(self._predict(photo.pixels), photo.width, photo.height)
                self._cache.put(sha256, self._cache_key, known)
        except PhotoError as error:
            return Failed(source, error)
        return Scored(source, self._with_percentiles(known.values), known.width, known.height)

    def _check_size(self, width: int, height: int) -> None:
        least = self.model.smallest_side
        if min(width, height) < least:
            raise UnsupportedPhotoError(
                f"too small to be judged: {width} × {height} pixels, expected at least {least} on each side"
            )

    def _predict(self, pixels: UInt8Array) -> dict[str, float]:
        features = self._engine.pooled(pixels[None])
        return {
            # A head extrapolates where a photo is unlike all that were rated; people's scale has ends.
            record.name: min(max(float(head.predict(features)[0]), record.lowest), record.highest)
            for record, head in zip(self.model.heads, self._heads, strict=True)
        }

    def _with_percentiles(self, values: Mapping[str, float]) -> dict[str, Score]:
        return {
            head.name: Score(values[head.name], head.percentile(values[head.name]))
            for head in self.model.heads
        }


__all__ = ["Failed", "Head", "Score", "Scored", "Scorer"]
