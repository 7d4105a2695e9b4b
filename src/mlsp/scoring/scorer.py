"""Photos -> scores: the path every user takes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from mlsp.backbones.weights.downloads import Progress
from mlsp.base.arguments import checked
from mlsp.base.arrays import Float32Array, UInt8Array
from mlsp.base.closing import Closing
from mlsp.base.machine import usable_cores
from mlsp.base.results import ScoreFailure, result_or_failure
from mlsp.features.engines import Engine
from mlsp.features.engines.batching_engine import BatchingEngine, BatchSettings
from mlsp.features.engines.decode_limiter import DecodeLimiter
from mlsp.features.pipeline import FeaturePipeline, PhotoFeatures, several
from mlsp.models.model import Model
from mlsp.photos import Photo, photo_of_pixels, read_bytes, read_photo
from mlsp.photos.decoding_processes import DecodingProcesses
from mlsp.scoring.cache import Caches, open_caches
from mlsp.scoring.heads import Head, Heads
from mlsp.scoring.opened_model import OpenedModel, open_model
from mlsp.scoring.results import Score, ScoreResult
from mlsp.scoring.steps import ScoringSteps

if TYPE_CHECKING:
    from PIL.Image import Image

_Photo = TypeVar("_Photo")
_IN_MEMORY = Path("photo")  # the name of a photo that has none


class Scorer(Closing):
    """Scores photos by a model. Several threads may use it at once; it cannot be pickled, nor used by a fork of the process.

    Args:
        model: name of an installed model, or a folder.
        device: `auto`, `cpu` or `cuda`; `auto` is `cpu`. `cuda` needs torch, and runs the network from its published weights.
        precision: `auto` (bfloat16 where the device has it), `float32` or `bfloat16`; on `cuda` also `float16`.
        workers: photos decoded and scored at the same time; by default one more than the cores, to decode one meanwhile.
        cache: True for the user's caches of scores and features, which `close` closes; or caches that stay open.
        max_pixels: photos with more are refused before they are decoded; 250 million by default.
        decode_seconds: photos are decoded in processes of their own, and one that takes longer is a failure; by default they
            are decoded in this process, which nothing can interrupt. A script that sets it must have `if __name__ == "__main__"`.
        weights: file of the network's weights, read for `cuda`, and for a model without the network's graph, which has to be known here
            (see `mlsp.register_backbone`); by default the published ones, found or downloaded.
        on_download: called during a download of weights with the bytes so far and in all (0 while unknown).

    Attributes:
        model: the model's record.
        steps: from a photo to its result, for callers that hold photos between them.

    Raises:
        ModelError: the model is missing or damaged, or has no network.
        SettingsError: an argument is unknown or out of range, or this machine lacks the device or the precision.
        WeightsError: the weights cannot be had, or the model's network has others.
        MissingExtraError: torch, which `cuda` needs, is not installed.

    Examples:
        >>> scorer = Scorer("default")  # doctest: +SKIP
        >>> scorer.score_one("holiday.jpg").scores["quality"].percentile  # doctest: +SKIP
        71.3
    """

    @checked
    def __init__(
        self,
        model: str | Path = "default",
        *,
        device: str = "auto",
        precision: str = "auto",
        workers: int | None = None,
        cache: bool | Caches = False,
        max_pixels: int | None = None,
        decode_seconds: float | None = None,
        weights: str | Path | None = None,
        on_download: Progress | None = None,
    ) -> None:
        opened = open_model(
            model, device=device, precision=precision, weights=weights, on_download=on_download
        )
        self._set_up(
            opened,
            workers=workers,
            cache=cache,
            max_pixels=max_pixels,
            decode_seconds=decode_seconds,
        )

    @classmethod
    def of(
        cls,
        model: Model,
        engine: Engine,
        heads: Iterable[Head],
        *,
        classifiers: Iterable[Head] = (),
        workers: int | None = None,
        cache: bool | Caches = False,
        max_pixels: int | None = None,
        decode_seconds: float | None = None,
        runtime: str = "openvino",
    ) -> Self:
        """Assemble a scorer from parts that are open.

        Args:
            model: the model's record.
            engine: must make the features that the model's heads read.
            heads: the model's heads, in the order of its records.
            classifiers: its classifiers, in the order of its records; without them results have neither faults nor a kind.
            workers: see the class.
            cache: see the class.
            max_pixels: see the class.
            decode_seconds: see the class.
            runtime: package that the engine computes by; cached scores and features belong to its version.

        Raises:
            SettingsError: `workers` is below 1, or engine, heads and model do not belong together.
        """
        scorer = cls.__new__(cls)
        scorer._set_up(
            OpenedModel(model, engine, Heads(model, heads, classifiers), runtime),
            workers=workers,
            cache=cache,
            max_pixels=max_pixels,
            decode_seconds=decode_seconds,
        )
        return scorer

    def _set_up(
        self,
        opened: OpenedModel,
        *,
        workers: int | None,
        cache: bool | Caches,
        max_pixels: int | None,
        decode_seconds: float | None,
    ) -> None:
        self.model = opened.record
        workers = usable_cores() + 1 if workers is None else workers
        self._to_close = ExitStack()
        read: Callable[..., Photo] = read_photo
        if decode_seconds is not None:
            processes = DecodingProcesses(workers, seconds=decode_seconds)
            read = self._to_close.enter_context(processes).read
        pipeline = FeaturePipeline(
            opened.engine,
            min_side=self.model.smallest_side,
            workers=workers,
            max_pixels=max_pixels,
            read=read,
        )
        if isinstance(cache, bool):
            cache = self._to_close.enter_context(open_caches(enabled=cache))
        self.steps = ScoringSteps.of(self.model, pipeline, opened.heads, cache, opened.runtime)

    @property
    def limiter(self) -> DecodeLimiter:
        """Bounds the photos in memory."""
        return self.steps.pipeline.limiter

    @property
    def threads(self) -> int:
        """Photos that `score` works on at the same time; so many calls of `score_content` keep the scorer busy."""
        return self.limiter.threads

    @property
    def batches(self) -> BatchSettings | None:
        """Settings by which photos are joined, see `in_batches`; None where each goes through the network alone."""
        engine = self.steps.pipeline.engine
        return engine.settings if isinstance(engine, BatchingEngine) else None

    def in_batches(
        self,
        settings: BatchSettings,
        *,
        streams: int | None = None,
        computing: Callable[[int], None] = lambda photos: None,
    ) -> Self:
        """Return a scorer like this one that joins waiting photos; see `FeaturePipeline.in_batches`."""
        scorer = copy.copy(self)
        joined = self.steps.pipeline.in_batches(settings, streams=streams, computing=computing)
        scorer.steps = replace(self.steps, pipeline=joined)
        return scorer

    @checked
    def score(
        self, photos: Iterable[str | Path]
    ) -> Generator[ScoreResult | ScoreFailure, None, None]:
        """Score photos.

        Args:
            photos: files; read lazily, a few ahead of the results.

        Yields:
            Exactly one result per photo, in their order; some come together, where heads read several photos at a time. A photo that
            cannot be scored is a `ScoreFailure`. Close the generator to stop early; what has not begun is dropped then.

        Raises:
            SettingsError: `photos` is one path instead of several, or something in it is no path; a fork of the process uses the scorer.
        """
        return self.score_contents(several(photos), read_bytes, source=lambda path: path)

    def score_contents(
        self,
        photos: Iterable[_Photo],
        read: Callable[[_Photo], bytes],
        *,
        source: Callable[[_Photo], Path] = lambda photo: _IN_MEMORY,
    ) -> Generator[ScoreResult | ScoreFailure, None, None]:
        """Score photos wherever they are, as `score` does files.

        Args:
            photos: of any kind; drawn lazily, a few ahead of the results.
            read: returns the content of a photo's file, or raises PhotoError; called by several threads.
            source: returns the name of a photo in its result.

        Yields:
            As `score`.
        """

        def begin(photo: _Photo) -> ScoreResult | ScoreFailure | PhotoFeatures:
            name, steps = source(photo), self.steps
            return result_or_failure(name, lambda: steps.result_or_features(name, read(photo)))

        return self.steps.results(self.limiter.map(begin, photos))

    @checked
    def score_one(self, photo: str | Path | bytes | Image | UInt8Array) -> ScoreResult:
        """Score one photo.

        Args:
            photo: a file; the content of one; a Pillow image; or upright sRGB pixels, uint8 (H, W, 3). Image and pixels are
                brought to the model's size like a file, and are not cached.

        Raises:
            PhotoError: the photo cannot be scored.
            SettingsError: it is none of these.
        """
        if isinstance(photo, bytes):
            result = self.score_content(photo)
        elif isinstance(photo, str | Path):
            result = self.score_content(read_bytes(Path(photo)), source=Path(photo))
        else:
            steps = self.steps
            load = partial(photo_of_pixels, photo, settings=steps.pipeline.decode)
            result = result_or_failure(_IN_MEMORY, lambda: steps.result_of_photo(_IN_MEMORY, load))
        if isinstance(result, ScoreFailure):
            raise result.error
        return result

    def score_content(
        self, content: bytes, *, source: Path = _IN_MEMORY
    ) -> ScoreResult | ScoreFailure:
        """Score a photo whose file is in memory. Several threads may call it at once.

        Args:
            content: of the file.
            source: name of the photo in the result.

        Returns:
            Its scores; a photo that cannot be scored is a `ScoreFailure`.
        """
        return result_or_failure(source, lambda: self.steps.result_of_content(source, content))

    def features(
        self, photos: Iterable[str | Path]
    ) -> Generator[PhotoFeatures | ScoreFailure, None, None]:
        """Compute the features that the heads read; those in the cache are not computed again.

        Args:
            photos: files; read lazily, a few ahead of the results.

        Yields:
            Exactly one result per photo, in their order. Features are those the scores come from, rounded to float16.

        Raises:
            SettingsError: `photos` is one path instead of several.
        """
        return self.limiter.map(self._features_of_file, several(photos))

    def scores_and_features(
        self, photos: Iterable[str | Path]
    ) -> Generator[tuple[ScoreResult, PhotoFeatures] | ScoreFailure, None, None]:
        """Score photos as `score` does, and give the features that the scores come from, as `features` does."""

        def both(source: Path) -> tuple[ScoreResult, PhotoFeatures] | ScoreFailure:
            found = self._features_of_file(source)
            if isinstance(found, ScoreFailure):
                return found
            result = self.result_of(found)
            return result if isinstance(result, ScoreFailure) else (result, found)

        return self.limiter.map(both, several(photos))

    def unclipped(self, pixels: UInt8Array) -> Mapping[str, float]:
        """Return what the heads give for a photo, before it is clipped to the ends of people's scale.

        Args:
            pixels: upright sRGB, uint8 (H, W, 3); brought to the model's size like a file.

        Returns:
            One value per head, by the head's name.

        Raises:
            PhotoError: the photo cannot be scored.
            EngineError: a head failed, or gave no finite number.
        """
        load = partial(photo_of_pixels, pixels, settings=self.steps.pipeline.decode)
        return self.steps.outputs_of_photo(load).unclipped

    def scores_of(self, features: Float32Array) -> Mapping[str, Score]:
        """Score a photo by its features.

        Args:
            features: (V, G, G, C), one crop per view, of the model's `feature_spec`.

        Returns:
            One score per head, by the head's name.

        Raises:
            EngineError: a head failed, or gave no finite number.
        """
        return self.steps.heads.scores(self.steps.outputs(features))

    def result_of(self, photo: PhotoFeatures) -> ScoreResult | ScoreFailure:
        """Score a photo by the features that `features` gave; scores in the cache are not computed again."""
        return result_or_failure(photo.source, lambda: self.steps.result_of_features(photo))

    def read(self, photo: str | Path) -> Photo:
        """Decode a photo to the pixels that crops are cut from; raises PhotoError where it cannot be read."""
        return self.steps.pipeline.read(Path(photo), settings=self.steps.pipeline.decode)

    def close(self) -> None:
        """Close the caches that `cache=True` opened, and end the processes of `decode_seconds`.

        The scorer still scores, without caches; with `decode_seconds` it decodes no more.
        """
        self._to_close.close()

    def __repr__(self) -> str:
        return f"Scorer({self.model.name!r})"

    def _features_of_file(self, source: Path) -> PhotoFeatures | ScoreFailure:
        return result_or_failure(
            source, lambda: self.steps.features_of_content(source, read_bytes(source))
        )
