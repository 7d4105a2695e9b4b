"""The rows of the caches of scoring: a photo's scores by one model, a photo's features by one network, packed bit for bit."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Self

import numpy as np

from mlsp.base.arrays import Float16Array, Float32Array
from mlsp.base.content_cache import checked, with_checksum

_MAX_FLOAT16 = float(np.finfo(np.float16).max)
# Number of values, width and height; then a float64 per value and their names as JSON: of a head its name, of a probability
# CLASSIFIER/LABEL.
_SCORES_HEADER = struct.Struct("<BII")
# Width and height of the photo; views, grid cells per side and channels; then the numbers.
_FEATURES_HEADER = struct.Struct("<IIIII")


@dataclass(frozen=True, slots=True)
class CachedScores:
    """The scores of a photo as cached.

    Attributes:
        values: one value per head, by the head's name; with the probabilities at most 255.
        width: of the upright photo, in pixels.
        height: of the upright photo, in pixels.
        probabilities: by the classifier's name and the label's.
    """

    values: Mapping[str, float]
    width: int
    height: int
    probabilities: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CachedFeatures:
    """The features of a photo as cached.

    Attributes:
        values: (V, G, G, C), one crop per view.
        width: of the upright photo, in pixels.
        height: of the upright photo, in pixels.
    """

    values: Float16Array
    width: int
    height: int

    @classmethod
    def rounded(cls, features: Float32Array, width: int, height: int) -> Self:
        """Round features to 16 bits; what exceeds them becomes the largest number."""
        return cls(np.clip(features, -_MAX_FLOAT16, _MAX_FLOAT16).astype(np.float16), width, height)


def pack_scores(content: bytes, model_key: str, value: CachedScores) -> bytes:
    """Write a row of scores: 13 bytes, 8 bytes per value, and the values' names.

    Args:
        content: SHA-256 of the photo's file.
        model_key: key of the model.
        value: of the row.
    """
    flat = dict(value.values)
    for classifier, by_label in value.probabilities.items():
        flat |= {f"{classifier}/{label}": number for label, number in by_label.items()}
    values = struct.pack(f"<{len(flat)}d", *flat.values())
    names = json.dumps(list(flat), separators=(",", ":")).encode()
    header = _SCORES_HEADER.pack(len(flat), value.width, value.height)
    return with_checksum(content, model_key, header + values + names)


def unpack_scores(content: bytes, model_key: str, row: object) -> CachedScores:
    """Read a row that `pack_scores` wrote, bit for bit; for the other arguments see there.

    Raises:
        DamagedRowError: the row is not as it was written.
    """
    body = checked(content, model_key, row, _SCORES_HEADER.size)
    count, width, height = _SCORES_HEADER.unpack_from(body)
    values = struct.unpack_from(f"<{count}d", body, _SCORES_HEADER.size)
    names = _names(body[_SCORES_HEADER.size + 8 * count :])
    heads: dict[str, float] = {}
    probabilities: dict[str, dict[str, float]] = {}
    for name, number in zip(names, values, strict=True):
        classifier, slash, label = name.partition("/")
        if slash:
            probabilities.setdefault(classifier, {})[label] = number
        else:
            heads[name] = number
    return CachedScores(heads, width, height, probabilities)


def pack_features(content: bytes, model_key: str, value: CachedFeatures) -> bytes:
    """Write a row of features: 24 bytes, and 2 bytes per number; for the arguments see `pack_scores`."""
    views, grid, _, channels = value.values.shape
    header = _FEATURES_HEADER.pack(value.width, value.height, views, grid, channels)
    numbers = value.values.astype("<f2", copy=False).tobytes()
    return with_checksum(content, model_key, header + numbers)


def unpack_features(content: bytes, model_key: str, row: object) -> CachedFeatures:
    """Read a row that `pack_features` wrote, bit for bit.

    Raises:
        DamagedRowError: the row is not as it was written.
    """
    body = checked(content, model_key, row, _FEATURES_HEADER.size)
    width, height, views, grid, channels = _FEATURES_HEADER.unpack_from(body)
    values = np.frombuffer(body, "<f2", offset=_FEATURES_HEADER.size)
    return CachedFeatures(values.reshape(views, grid, grid, channels), width, height)


@lru_cache(maxsize=64)
def _names(packed: bytes) -> tuple[str, ...]:
    return tuple(json.loads(packed))
