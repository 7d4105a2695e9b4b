"""Give photos the score that people would give them.

MLSP (Hosu, Goldlücke and Saupe, CVPR 2019): a photo goes through a frozen ImageNet network, the activations of every block
are pooled, and a shallow head learns people's mean rating from them.

    photo ─ decode ─ views ─ backbone ─ levels ─ pool ─ features ─ head ─ score ─ report

    photos                   file or bytes -> Photo (upright, sRGB, 8 bits)
    views                    what of a photo the network sees
    backbones, weights       the networks and their trained weights
    engines                  what runs a network: photos -> features
    features, feature_store  features of many photos, and on disk
    heads, export            features -> score; torch -> ONNX
    model                    a model on disk
    scoring                  Scorer: the path every user takes
    reports, cli             tables, files, commands

Score photos:

    from pathlib import Path
    from mlsp import Scorer

    scorer = Scorer.load()
    for result in scorer.score(Path("photos").iterdir()):
        print(result)
"""

from __future__ import annotations

from mlsp.base.errors import (
    FeatureStoreError,
    MissingExtraError,
    MlspError,
    ModelError,
    PhotoError,
    PhotoTooLargeError,
    RatingsError,
    SettingsError,
    UnreadablePhotoError,
    UnsupportedPhotoError,
    WeightsError,
)
from mlsp.base.results import ScoreFailure
from mlsp.models.model import Model, load_model
from mlsp.photos import DecodeSettings, Photo, find_photos, read_photo
from mlsp.scoring.cache import ScoreCache, default_cache_path
from mlsp.scoring.results import Score, ScoreResult
from mlsp.scoring.scorer import Scorer

__all__ = [
    "DecodeSettings",
    "FeatureStoreError",
    "MissingExtraError",
    "MlspError",
    "Model",
    "ModelError",
    "Photo",
    "PhotoError",
    "PhotoTooLargeError",
    "RatingsError",
    "Score",
    "ScoreCache",
    "ScoreFailure",
    "ScoreResult",
    "Scorer",
    "SettingsError",
    "UnreadablePhotoError",
    "UnsupportedPhotoError",
    "WeightsError",
    "default_cache_path",
    "find_photos",
    "load_model",
    "read_photo",
]
