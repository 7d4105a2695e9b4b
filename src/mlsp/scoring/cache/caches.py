"""What is remembered between runs, by what is in a photo: its scores by a model, its features by a network.

content_cache ─┬ ScoreCache     scores.sqlite     a row of two heads takes about 102 bytes, a `get` about 15 µs
               └ FeatureCache   features.sqlite   a row of the embedded network takes about 24 kB
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

from mlsp.scoring.cache.content_cache import ContentCache
from mlsp.scoring.cache.feature_rows import CachedFeatures, pack_features, unpack_features
from mlsp.scoring.cache.score_rows import CachedScores, pack, unpack

__all__ = [
    "CachedFeatures",
    "CachedScores",
    "Caches",
    "FeatureCache",
    "NullCache",
    "ScoreCache",
    "default_cache_path",
    "default_feature_cache_path",
    "open_caches",
]

Value = TypeVar("Value")


class ScoreCache(ContentCache[CachedScores]):
    """Remembers scores in a file; `ScoreCache.open` makes one. Safe for several threads, and several processes a file."""

    table = "scores"
    kept_models = 8
    _pack = staticmethod(pack)
    _unpack = staticmethod(unpack)


class FeatureCache(ContentCache[CachedFeatures]):
    """Remembers narrow features in a file, so that another model on the same network scores in no time.

    Safe for several threads, and several processes a file.
    """

    table = "features"
    kept_models = 2
    max_bytes = 10_000_000_000
    _pack = staticmethod(pack_features)
    _unpack = staticmethod(unpack_features)


class NullCache(Generic[Value]):
    """Remembers nothing; for runs without a cache."""

    def get(self, content_sha256: str, model_key: str) -> Value | None:
        """Return None."""
        return None

    def put(self, content_sha256: str, model_key: str, value: Value) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None


def default_cache_path() -> Path:
    """Say where scores are remembered: in MLSP_CACHE_DIR if it is set, else in the user's cache folder."""
    return _cache_folder() / "scores.sqlite"


def default_feature_cache_path() -> Path:
    """Say where features are remembered; beside the scores."""
    return _cache_folder() / "features.sqlite"


def _cache_folder() -> Path:
    folder = os.environ.get("MLSP_CACHE_DIR")
    if folder:
        return Path(folder).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("mlsp", appauthor=False)


@dataclass(frozen=True, slots=True)
class Caches:
    """The two caches of a run; by default neither keeps anything.

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
        enabled: False for caches that keep nothing.
    """
    if not enabled:
        yield Caches()
        return
    with (
        ScoreCache.open(default_cache_path()) as scores,
        FeatureCache.open(default_feature_cache_path()) as features,
    ):
        yield Caches(scores, features)
