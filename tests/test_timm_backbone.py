"""Networks of timm as backbones, with untrained weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mlsp.backbones import backbone, build_network
from mlsp.backbones.pooled import PooledNetwork


@pytest.mark.parametrize(
    ("name", "side", "levels"),
    [
        ("resnet18", 160, 8),
        ("mobilenetv3_small_050", 161, 12),
        ("vit_tiny_patch16_224", 176, 12),
        ("convnext_atto", 160, 12),
    ],
)
def test_a_level_for_each_block(name: str, side: int, levels: int) -> None:
    try:
        import timm  # noqa: F401
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"needs the timm extra with a torchvision that fits torch: {error}")
    spec = backbone(f"timm:{name}")
    assert len(spec.levels) == levels
    photos = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (2, side, side + 32, 3), np.uint8)
    )
    with torch.no_grad():
        features = PooledNetwork(build_network(spec), spec, 5).eval()(photos)
    assert features.shape == (2, 5, 5, spec.channels)
    assert torch.isfinite(features).all()
