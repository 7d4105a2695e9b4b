"""Caches that outlive a run, by the content of photos: their scores by a model, their features by a network.

`mlsp.base.content_cache` ─┬ ScoreCache     scores.sqlite     a row of the embedded model, with its labels, takes about 0.5 kB
                           └ FeatureCache   features.sqlite   one of its network about 56 kB
"""

from __future__ import annotations

from mlsp.scoring.cache.caches import (
    Caches,
    FeatureCache,
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
    "ScoreCache",
    "default_cache_path",
    "default_feature_cache_path",
    "open_caches",
]
