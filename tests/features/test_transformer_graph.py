"""Graphs of vision transformers are right for photos of every size; the network is built as timm builds them and needs no timm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlsp.backbones import BACKBONES, BackboneSpec, Level, Preprocessing, register_backbone
from mlsp.backbones.timm_backbone import TimmNetwork
from mlsp.backbones.timm_blocks import find_blocks
from mlsp.backbones.timm_positions import resized
from mlsp.base.digests import file_sha256
from mlsp.features.engines.openvino_engine import OpenVinoEngine
from mlsp.features.engines.torch_engine import TorchEngine
from mlsp.features.opening import open_backbone
from mlsp.features.spec import FeatureSpec

WIDTH, PATCH = 8, 8


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        # (N, 1, tokens, WIDTH): one head.
        query, key, value = self.qkv(self.norm(x))[:, None].chunk(3, dim=-1)
        return x + nn.functional.scaled_dot_product_attention(query, key, value)[:, 0]


class Transformer(nn.Module):
    """Patches behind a class token, and positions of a grid of 5×4 patches that are resized to the photo's."""

    num_prefix_tokens = 1

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, WIDTH, PATCH, stride=PATCH)
        self.class_token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.positions = nn.Parameter(torch.randn(1, WIDTH, 5, 4))
        self.blocks = nn.ModuleList(Attention() for _ in range(2))

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x)
        positions = nn.functional.interpolate(
            self.positions, size=x.shape[2:], mode="bicubic", antialias=True
        )
        tokens = (x + positions).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), tokens], dim=1)
        for block in self.blocks:
            x = block(x)
        return x


def build() -> TimmNetwork:
    torch.manual_seed(0)
    model = Transformer().eval()
    return TimmNetwork(model, find_blocks(model, PATCH), PATCH).eval()


def test_a_transformer_scores_by_its_graph(tmp_path: Path) -> None:
    network = build()
    assert network.is_plain_transformer
    names = [block.name for block in network.blocks]
    assert names == ["blocks.0", "blocks.1"]
    record = BackboneSpec(
        name="transformer",
        levels=tuple(Level(name, WIDTH) for name in names),
        preprocessing=Preprocessing(scale=1 / 255, offset=-0.5),
        weights=(),
        smallest_side=16,
        origin="this test",
    )
    weights = tmp_path / "transformer.pth"
    torch.save(network.model.state_dict(), weights)
    try:
        spec = register_backbone(record, build)
        feature_spec = FeatureSpec(
            "transformer", file_sha256(weights), tuple(names), "whole", None, 5
        )
        engine = open_backbone(feature_spec, weights=weights, precision="float32")
        # The graph was compared with the network as it was made, else torch would run it.
        assert isinstance(engine, OpenVinoEngine)
        itself = TorchEngine(network, spec, feature_spec, device="cpu")
        rng = np.random.default_rng(0)
        # The positions' own grid, larger, smaller, and sides that no patch divides.
        for height, width in ((40, 32), (77, 123), (16, 19), (201, 21)):
            photos = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
            np.testing.assert_allclose(
                engine.pooled(photos), itself.pooled(photos), rtol=1e-4, atol=1e-4
            )
    finally:
        BACKBONES.discard("transformer")


@pytest.mark.parametrize("size", [(14, 16), (9, 13), (19, 11), (37, 41), (3, 2), (14, 5)])
def test_positions_are_resized_as_torch_does(size: tuple[int, int]) -> None:
    maps = torch.randn(2, 3, 14, 16, generator=torch.Generator().manual_seed(0)).double()
    expected = nn.functional.interpolate(maps, size=size, mode="bicubic", antialias=True)
    torch.testing.assert_close(resized(maps, size), expected)
