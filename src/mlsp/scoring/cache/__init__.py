"""Caches that outlive a run, by the content of photos: their scores by a model, their features by a network.

content_cache ─┬ ScoreCache     scores.sqlite     a row of two heads takes about 102 bytes, a `get` about 15 µs
               └ FeatureCache   features.sqlite   a row of the embedded network takes about 24 kB
"""

from __future__ import annotations

from mlsp.scoring.cache.caches import (
    Caches,
    FeatureCache,
    NullCache,
    ScoreCache,
    default_cache_path,
    default_feature_cache_path,
    open_caches,
)
from mlsp.scoring.cache.rows import CachedFeatures, CachedScores

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
