"""Keys of cached rows: whatever moves scores or features, even a little, is part of them."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import version

from mlsp.features.spec import spec_record
from mlsp.models.model import Model

_DECODERS = ("mlsp", "Pillow", "pillow-heif", "simplejpeg")


def score_key(model: Model, precision: str, runtime: str) -> str:
    """Return the key of a model's scores.

    Args:
        model: the model.
        precision: number format of its network.
        runtime: package that the network is computed by.
    """
    return f"{model.fingerprint} {made_by(precision, runtime)}"


def feature_key(model: Model, precision: str, runtime: str) -> str:
    """Return the key of the features that a model reads, which models of one network share; see `score_key`."""
    spec = json.dumps(spec_record(model.feature_spec), sort_keys=True)
    return f"{spec} {made_by(precision, runtime)}"


@cache
def made_by(settings: str, runtime: str) -> str:
    """Return the part of a key that names settings, and versions of all that computes or decodes.

    Args:
        settings: precision of a network, or what else was chosen.
        runtime: package that networks are computed by.
    """
    # Metadata of packages are read from files, which takes milliseconds.
    return " ".join([settings, *map(version, (*_DECODERS, runtime))])
