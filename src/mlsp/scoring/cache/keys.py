"""Keys of cached rows: whatever moves scores or features, even a little, is part of them."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.metadata import version
from pathlib import Path

from mlsp.features.spec import spec_record
from mlsp.models.model import Model

_DECODERS = ("mlsp", "Pillow", "pillow-heif", "simplejpeg")
_ROOT = Path(__file__).parents[2]
# A photo becomes pixels, these become features, and these a score.
_FEATURE_CODE = ("photos", "features")
_SCORE_CODE = (*_FEATURE_CODE, "models", "scoring")


def score_key(model: Model, precision: str, runtime: str) -> str:
    """Return the key of a model's scores.

    Args:
        model: the model.
        precision: number format of its network.
        runtime: package that the network is computed by.
    """
    return f"{model.fingerprint} {made_by(precision, runtime, _SCORE_CODE)}"


def feature_key(model: Model, precision: str, runtime: str) -> str:
    """Return the key of the features that a model reads, which models of one network share; see `score_key`."""
    spec = json.dumps(spec_record(model.feature_spec), sort_keys=True)
    return f"{spec} {made_by(precision, runtime, _FEATURE_CODE)}"


@cache
def made_by(settings: str, runtime: str, code: tuple[str, ...]) -> str:
    """Return the part of a key that names settings, and all that computes or decodes: versions, and this package's code.

    Args:
        settings: precision of a network, or what else was chosen.
        runtime: package that networks are computed by.
        code: modules and packages below `mlsp` that make what is cached, such as `photos` and `culling/close_ups.py`. Their digest is
            part of the key, because the version of a checkout stays the same when it is updated.
    """
    # Metadata of packages are read from files, which takes milliseconds.
    return " ".join([settings, *map(version, (*_DECODERS, runtime)), _digest(code)])


def _digest(code: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for name in code:
        path = _ROOT / name
        # A program that was made of this one may have no sources; its version tells it apart.
        files = path.rglob("*.py") if path.is_dir() else path.parent.glob(path.name)
        for file in sorted(files):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
