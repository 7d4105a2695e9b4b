"""Give photos the score that people would give them.

MLSP (Hosu, Goldlücke and Saupe, CVPR 2019): a photo goes through a frozen ImageNet network, the activations of every block
are pooled, and a shallow head learns people's mean rating from them.

    photo ─ decode ─ crops ─ backbone ─ levels ─ pool ─ features ─ head ─ score ─ report

Score photos:

    import mlsp

    scorer = mlsp.Scorer("default")
    for result in scorer.score(["a.jpg", "b.jpg"]):
        print(result.scores["quality"].percentile if result.ok else result.error)

The names in `__all__` are the public API; everything else is internal. They are loaded when they are first used, so that
`import mlsp` takes no time and needs none of the extras.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from mlsp.base import errors
from mlsp.base.errors import (
    EngineError,
    FeatureStoreError,
    FeatureValueError,
    MissingExtraError,
    MlspError,
    ModelError,
    OutputError,
    PhotoError,
    PhotoTooLargeError,
    PhotoTooSmallError,
    RatingsError,
    SettingsError,
    SidecarError,
    TrainingError,
    UnreadablePhotoError,
    UnsupportedPhotoError,
    WeightsError,
)

if TYPE_CHECKING:
    from mlsp.backbones import BackboneSpec, Level, Preprocessing, list_backbones, register_backbone
    from mlsp.base.results import ScoreFailure
    from mlsp.features.extractor import FeatureExtractor
    from mlsp.features.pipeline import PhotoFeatures
    from mlsp.features.store.store import FeatureStore
    from mlsp.models import heads
    from mlsp.models.heads import list_heads, register_head
    from mlsp.models.model import list_models
    from mlsp.photos import find_photos
    from mlsp.ratings.datasets.registry import load_ratings
    from mlsp.ratings.splits import split_ratings
    from mlsp.reports.notebook import to_dataframe
    from mlsp.scoring.relative import relative_percentiles
    from mlsp.scoring.results import Score, ScoreResult
    from mlsp.scoring.scorer import Scorer
    from mlsp.training import HeadTrainer

    __version__: str

__all__ = [
    "BackboneSpec",
    "EngineError",
    "FeatureExtractor",
    "FeatureStore",
    "FeatureStoreError",
    "FeatureValueError",
    "HeadTrainer",
    "Level",
    "MissingExtraError",
    "MlspError",
    "ModelError",
    "OutputError",
    "PhotoError",
    "PhotoFeatures",
    "PhotoTooLargeError",
    "PhotoTooSmallError",
    "Preprocessing",
    "RatingsError",
    "Score",
    "ScoreFailure",
    "ScoreResult",
    "Scorer",
    "SettingsError",
    "SidecarError",
    "TrainingError",
    "UnreadablePhotoError",
    "UnsupportedPhotoError",
    "WeightsError",
    "__version__",
    "errors",
    "find_photos",
    "heads",
    "list_backbones",
    "list_heads",
    "list_models",
    "load_ratings",
    "register_backbone",
    "register_head",
    "relative_percentiles",
    "split_ratings",
    "to_dataframe",
]

# Module of each name that is loaded when it is first used.
_MODULES = {
    "BackboneSpec": "mlsp.backbones",
    "FeatureExtractor": "mlsp.features.extractor",
    "FeatureStore": "mlsp.features.store.store",
    "HeadTrainer": "mlsp.training",
    "Level": "mlsp.backbones",
    "PhotoFeatures": "mlsp.features.pipeline",
    "Preprocessing": "mlsp.backbones",
    "Score": "mlsp.scoring.results",
    "ScoreFailure": "mlsp.base.results",
    "ScoreResult": "mlsp.scoring.results",
    "Scorer": "mlsp.scoring.scorer",
    "find_photos": "mlsp.photos",
    "list_backbones": "mlsp.backbones",
    "list_heads": "mlsp.models.heads",
    "list_models": "mlsp.models.model",
    "load_ratings": "mlsp.ratings.datasets.registry",
    "register_backbone": "mlsp.backbones",
    "register_head": "mlsp.models.heads",
    "relative_percentiles": "mlsp.scoring.relative",
    "split_ratings": "mlsp.ratings.splits",
    "to_dataframe": "mlsp.reports.notebook",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name == "__version__":
            value = importlib.import_module("importlib.metadata").version("mlsp")
        elif name == "heads":
            value = importlib.import_module("mlsp.models.heads")
        elif name in _MODULES:
            value = getattr(importlib.import_module(_MODULES[name]), name)
        else:
            raise AttributeError(f"module 'mlsp' has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return __all__
