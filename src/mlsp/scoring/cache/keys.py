"""Keys of cached scores and features: whatever moves them, even a little, is part of them."""

from __future__ import annotations

import json

from mlsp.base.content_cache import made_by
from mlsp.features.spec import spec_record
from mlsp.models.model import Model
from mlsp.photos.photo import DECODING_PACKAGES

# A photo becomes pixels, these become features, and these a score.
FEATURE_CODE = ("base", "photos", "backbones", "features")
SCORE_CODE = (*FEATURE_CODE, "models", "scoring")


def score_key(model: Model, precision: str, runtime: str) -> str:
    """Return the key of a model's scores."""
    return f"{model.fingerprint} {made_by(precision, (*DECODING_PACKAGES, runtime), SCORE_CODE)}"


def feature_key(model: Model, precision: str, runtime: str) -> str:
    """Return the key of the features that a model reads, which models of one network share; see `score_key`."""
    spec = json.dumps(spec_record(model.feature_spec), sort_keys=True)
    return f"{spec} {made_by(precision, (*DECODING_PACKAGES, runtime), FEATURE_CODE)}"
