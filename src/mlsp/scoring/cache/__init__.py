"""What is remembered between runs, by what is in a photo: its scores by a model, its features by a network.

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
from mlsp.scoring.cache.feature_rows import CachedFeatures
from mlsp.scoring.cache.score_rows import CachedScores

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
