"""The torch networks against reference features that Keras computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from golden import (
    PHOTOS,
    TOLERANCE,
    WIDE_PHOTOS,
    golden_network,
    level_errors,
    read_features,
    read_pixels,
)
from mlsp.backbones import backbone
from mlsp.features.engines.torch_engine import TorchEngine
from mlsp.features.pooling import narrow_from_wide, pool
from mlsp.features.spec import FeatureSpec

# Sums in a fixed order.
pytestmark = pytest.mark.usefixtures("one_thread")


def features(reference_data: Path, name: str, photo: str, grid: int) -> NDArray[np.float32]:
    preprocessing = backbone(name).preprocessing
    pixels = read_pixels(reference_data, photo).astype(np.float32)
    x = pixels * np.asarray(preprocessing.scale, np.float32)
    x += np.asarray(preprocessing.offset, np.float32)
    with torch.no_grad():
        maps = golden_network(reference_data, name)(torch.from_numpy(x).permute(2, 0, 1)[None])
    pooled = [pool(level[0].permute(1, 2, 0).numpy(), grid) for level in maps]
    return np.concatenate(pooled, axis=-1)


@pytest.mark.parametrize(
    ("name", "photo", "kind", "grid"),
    [
        *(("inception_v3", photo, "narrow", 1) for photo in PHOTOS),
        *(("inception_v3", photo, "wide", 5) for photo in PHOTOS),
        *(("inception_resnet_v2", photo, "narrow", 1) for photo in PHOTOS),
        *(("inception_resnet_v2", photo, "wide", 5) for photo in WIDE_PHOTOS),
    ],
)
def test_features_are_those_of_keras(
    reference_data: Path, name: str, photo: str, kind: str, grid: int
) -> None:
    found = features(reference_data, name, photo, grid)
    expected = read_features(reference_data, name)[f"{photo}.png/{kind}"]
    errors = level_errors(backbone(name), found, expected)
    assert max(errors.values()) <= TOLERANCE, errors


@pytest.mark.parametrize(
    ("device", "name", "photo"),
    [
        ("cpu", "inception_v3", "beach_120x90"),
        *(
            pytest.param("cuda", name, photo, marks=pytest.mark.gpu)
            for name in ("inception_v3", "inception_resnet_v2")
            for photo in PHOTOS
        ),
    ],
)
def test_the_engine_in_float32_gives_features_of_keras(
    reference_data: Path, device: str, name: str, photo: str
) -> None:
    spec = backbone(name)
    levels = tuple(level.name for level in spec.levels)
    engine = TorchEngine(
        golden_network(reference_data, name),
        spec,
        FeatureSpec(name, "0" * 64, levels, "whole", None, 5),
        device=device,
        precision="float32",
    )
    wide = engine.pooled(read_pixels(reference_data, photo)[None])
    expected = read_features(reference_data, name)
    for found, kind in ((narrow_from_wide(wide), "narrow"), (wide, "wide")):
        if f"{photo}.png/{kind}" in expected:
            errors = level_errors(spec, found, expected[f"{photo}.png/{kind}"])
            assert max(errors.values()) <= TOLERANCE, errors
