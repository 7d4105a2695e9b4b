"""Content of a photo -> features -> outputs of the heads, each step computed once: what the caches have is not computed again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self, TypeAlias

import numpy as np

from mlsp.base.arrays import Float32Array
from mlsp.base.content_cache import NullCache
from mlsp.base.errors import EngineError
from mlsp.base.parallel import until_error
from mlsp.base.results import ScoreFailure, result_or_failure
from mlsp.features.pipeline import FeaturePipeline, PhotoFeatures
from mlsp.models.model import Model
from mlsp.photos import Photo, check_pixels
from mlsp.scoring.cache import (
    CachedFeatures,
    CachedScores,
    Caches,
    FeatureCache,
    ScoreCache,
)
from mlsp.scoring.cache.caches import feature_key, score_key
from mlsp.scoring.heads import Heads, Outputs
from mlsp.scoring.results import ScoreResult

# Result of a photo, or the features that it will come from.
_Begun: TypeAlias = ScoreResult | ScoreFailure | PhotoFeatures
_MAX_HELD = 16


@dataclass(frozen=True, slots=True)
class ScoringSteps:
    """The steps from a photo to its result. Several threads may use them at once.

    Attributes:
        pipeline: computes features.
        heads: compute outputs.
        scores: cache of outputs.
        features: cache of features.
        score_key: of this model's outputs in the cache.
        feature_key: of its network's features.
    """

    pipeline: FeaturePipeline
    heads: Heads
    scores: ScoreCache | NullCache[CachedScores]
    features: FeatureCache | NullCache[CachedFeatures]
    score_key: str
    feature_key: str

    @classmethod
    def of(
        cls, model: Model, pipeline: FeaturePipeline, heads: Heads, caches: Caches, runtime: str
    ) -> Self:
        """Return the steps of a model."""
        precision = pipeline.engine.precision
        return cls(
            pipeline,
            heads,
            caches.scores,
            # Wide features take a megabyte per photo: those belong into a feature file.
            caches.features if model.feature_spec.grid == 1 else NullCache[CachedFeatures](),
            score_key(model, precision, runtime),
            feature_key(model, precision, runtime),
        )

    def result_of_content(self, source: Path, content: bytes) -> ScoreResult:
        """Score a photo; raises PhotoError where it cannot be read, EngineError where a head failed."""
        found = self.result_or_features(source, content)
        return self._computed(found) if isinstance(found, PhotoFeatures) else found

    def result_or_features(self, source: Path, content: bytes) -> ScoreResult | PhotoFeatures:
        """Return a photo's result, if the cache has it, or else the features that `results` scores; raises as `result_of_content`."""
        sha256 = hashlib.sha256(content).hexdigest()
        known = self._known(sha256)
        if known is None:
            features = self._features(source, content, sha256)
            return self._computed(features) if self.heads.at_once == 1 else features
        # The limit may be another than when it was scored.
        check_pixels(known.width, known.height, self.pipeline.decode.max_pixels)
        return self._result(source, known, sha256)

    def result_of_features(self, photo: PhotoFeatures) -> ScoreResult:
        """Score a photo by its features; raises EngineError where a head failed."""
        known = self._known(photo.content_sha256)
        if known is None:
            return self._computed(photo)
        return self._result(photo.source, known, photo.content_sha256)

    def results(
        self, begun: Generator[_Begun, None, None]
    ) -> Generator[ScoreResult | ScoreFailure, None, None]:
        """Return the results of photos in their order; of those that came as features, as many are scored at a time as is fastest."""
        with closing(begun):
            held: list[_Begun] = []
            to_score = 0
            errors: list[Exception] = []
            for photo in until_error(begun, errors):
                held.append(photo)
                to_score += isinstance(photo, PhotoFeatures)
                # Results that are there already must not wait for a photo to score that may never come.
                if to_score in (0, self.heads.at_once) or len(held) == _MAX_HELD:
                    yield from self.results_of(held)
                    held, to_score = [], 0
            yield from self.results_of(held)
            for error in errors:
                raise error

    def results_of(self, held: Sequence[_Begun]) -> Iterator[ScoreResult | ScoreFailure]:
        """Return the results of photos in their order; those that came as features are scored together."""
        photos = [photo for photo in held if isinstance(photo, PhotoFeatures)]
        outputs: Iterator[Outputs | EngineError] = iter(())
        if photos:
            with suppress(EngineError):
                outputs = iter(self.heads.compute(np.stack([photo.features for photo in photos])))
        for photo in held:
            if not isinstance(photo, PhotoFeatures):
                yield photo
                continue
            # Where a head broke, each photo alone: one must not fail those beside it.
            found = next(outputs, None)
            yield result_or_failure(photo.source, partial(self._computed, photo, found))

    def result_of_photo(self, source: Path, load: Callable[[], Photo]) -> ScoreResult:
        """Score a photo that no cache knows; raises what `load` does, or EngineError where a head failed."""
        found = self._compute(load)
        outputs = self.outputs(found.values.astype(np.float32))
        return self.heads.result(source, outputs, found.width, found.height)

    def outputs_of_photo(self, load: Callable[[], Photo]) -> Outputs:
        """Return the outputs for a photo that no cache knows; raises as `result_of_photo`."""
        return self.outputs(self._compute(load).values.astype(np.float32))

    def features_of_content(self, source: Path, content: bytes) -> PhotoFeatures:
        """Compute the features of a photo; raises PhotoError where it cannot be read."""
        return self._features(source, content, hashlib.sha256(content).hexdigest())

    def outputs(self, features: Float32Array) -> Outputs:
        """Compute the outputs for features (V, G, G, C); raises EngineError where a head failed."""
        (outputs,) = self.heads.compute(features[None])
        if isinstance(outputs, EngineError):
            raise outputs
        return outputs

    def _result(self, source: Path, known: CachedScores, sha256: str) -> ScoreResult:
        outputs = Outputs(known.values, known.probabilities)
        return self.heads.result(source, outputs, known.width, known.height, sha256)

    def _known(self, sha256: str) -> CachedScores | None:
        known = self.scores.get(sha256, self.score_key)
        return known if known and self.heads.is_complete(known.probabilities) else None

    def _computed(
        self, photo: PhotoFeatures, outputs: Outputs | EngineError | None = None
    ) -> ScoreResult:
        if isinstance(outputs, EngineError):
            raise outputs
        outputs = outputs or self.outputs(photo.features)
        scores = CachedScores(outputs.values, photo.width, photo.height, outputs.probabilities)
        self.scores.put(photo.content_sha256, self.score_key, scores)
        return self._result(photo.source, scores, photo.content_sha256)

    def _features(self, source: Path, content: bytes, sha256: str) -> PhotoFeatures:
        found = self._computed_or_known(source, content, sha256)
        features = found.values.astype(np.float32)
        return PhotoFeatures(source, features, found.width, found.height, sha256)

    def _computed_or_known(self, source: Path, content: bytes, sha256: str) -> CachedFeatures:
        decode = self.pipeline.decode
        if (known := self.features.get(sha256, self.feature_key)) is not None:
            check_pixels(known.width, known.height, decode.max_pixels)
            return known
        found = self._compute(
            lambda: self.pipeline.read(content, settings=decode, source_path=source)
        )
        self.features.put(sha256, self.feature_key, found)
        return found

    def _compute(self, load: Callable[[], Photo]) -> CachedFeatures:
        features, width, height = self.pipeline.compute(load)
        # As cached, whether there is a cache or not: scores must not depend on it.
        return CachedFeatures.rounded(features, width, height)
