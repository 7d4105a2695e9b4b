"""The two caches of a user, where their files are, and the keys of what is cached: whatever moves it, even a little, is part of them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mlsp.base.cache_folder import cache_folder
from mlsp.base.content_cache import ContentCache, NullCache, made_by
from mlsp.features.spec import spec_record
from mlsp.models.model import Model
from mlsp.photos.photo import DECODING_PACKAGES
from mlsp.scoring.cache.rows import (
    CachedFeatures,
    CachedScores,
    pack_features,
    pack_scores,
    unpack_features,
    unpack_scores,
)

# A photo becomes pixels, these become features, and these a score.
FEATURE_CODE = ("base", "photos", "backbones", "features")
SCORE_CODE = (*FEATURE_CODE, "models", "scoring")


class ScoreCache(ContentCache[CachedScores]):
    """Caches scores in a file; `ScoreCache.open` opens one. Several threads may use it, and several processes its file."""

    table = "scores"
    kept_models = 8
    _pack = staticmethod(pack_scores)
    _unpack = staticmethod(unpack_scores)


class FeatureCache(ContentCache[CachedFeatures]):
    """Caches narrow features in a file, so that another model on the same network scores in no time.

    Several threads may use it, and several processes its file.
    """

    table = "features"
    kept_models = 2
    max_bytes = 10_000_000_000
    _pack = staticmethod(pack_features)
    _unpack = staticmethod(unpack_features)


def default_cache_path() -> Path:
    """Return the file of cached scores: in MLSP_CACHE_DIR if it is set, else in the user's cache folder."""
    return cache_folder() / "scores.sqlite"


def default_feature_cache_path() -> Path:
    """Return the file of cached features, beside that of the scores."""
    return cache_folder() / "features.sqlite"


@dataclass(frozen=True, slots=True)
class Caches:
    """The two caches of a run; by default neither caches anything.

    Attributes:
        scores: by model.
        features: by network.
    """

    scores: ScoreCache | NullCache[CachedScores] = field(default_factory=NullCache)
    features: FeatureCache | NullCache[CachedFeatures] = field(default_factory=NullCache)


@contextlib.contextmanager
def open_caches(*, enabled: bool = True) -> Iterator[Caches]:
    """Open the user's caches, for as long as the block runs.

    Args:
        enabled: False for two that cache nothing.
    """
    if not enabled:
        yield Caches()
        return
    with (
        ScoreCache.open(default_cache_path()) as scores,
        FeatureCache.open(default_feature_cache_path()) as features,
    ):
        yield Caches(scores, features)


def score_key(model: Model, precision: str, runtime: str) -> str:
    """Return the key of a model's scores."""
    return f"{model.fingerprint} {made_by(precision, (*DECODING_PACKAGES, runtime), SCORE_CODE)}"


def feature_key(model: Model, precision: str, runtime: str) -> str:
    """Return the key of the features that a model reads, which models of one network share; see `score_key`."""
    spec = json.dumps(spec_record(model.feature_spec), sort_keys=True)
    return f"{spec} {made_by(precision, (*DECODING_PACKAGES, runtime), FEATURE_CODE)}"
