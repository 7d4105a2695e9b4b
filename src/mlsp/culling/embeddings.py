"""Embeddings of photos: features that say what a photo shows, whatever its sharpness and exposure."""

from __future__ import annotations

import numpy as np

from mlsp.backbones import BACKBONES
from mlsp.base.arrays import Float32Array
from mlsp.features.spec import FeatureSpec
from mlsp.models.signed_roots import signed_roots


def embedding_channels(feature_spec: FeatureSpec) -> slice | None:
    """Return the channels of the last level that sees the whole photo; None where the network is not known here.

    The last level encodes what the photo shows, whatever its sharpness and exposure; the levels before it tell bursts apart no better.
    """
    spec = BACKBONES.get(feature_spec.backbone)
    known = {level.name: level for level in spec.levels} if spec else {}
    found, start = None, 0
    for name in feature_spec.levels:
        if name not in known:
            return None
        width = known[name].channels
        if known[name].region != "detail":
            found = slice(start, start + width)
        start += width
    return found


def embedding_of(features: Float32Array, channels: slice | None) -> Float32Array:
    """Return the embedding of a photo, for comparing what photos show.

    Args:
        features: (V, G, G, C) of a photo.
        channels: those that count; None for all.

    Returns:
        (channels,) of length 1, or zeros where all features are. Of signed square roots, so that few large channels do not hide the others.
    """
    mean = features.mean(axis=(0, 1, 2))[channels or slice(None)]
    roots = signed_roots(mean)
    length = float(np.linalg.norm(roots))
    embedding: Float32Array = (roots / (length or 1.0)).astype(np.float32)
    return embedding
