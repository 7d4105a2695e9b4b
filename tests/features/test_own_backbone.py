"""A user's own network: registered by one call, then used like any other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlsp.backbones import (
    BACKBONES,
    BackboneSpec,
    Level,
    Preprocessing,
    backbone,
    list_backbones,
    register_backbone,
)
from mlsp.backbones.pooled import PooledNetwork
from mlsp.base.digests import file_sha256
from mlsp.base.errors import SettingsError
from mlsp.base.results import ScoreFailure
from mlsp.features.extraction.plan import plan_network
from mlsp.features.extraction.settings import NetworkSettings
from mlsp.features.extractor import FeatureExtractor
from mlsp.features.opening import open_backbone
from mlsp.photos import read_photo

RECORD = BackboneSpec(
    name="tiny",
    levels=(Level("first", 4), Level("second", 6)),
    preprocessing=Preprocessing(scale=1 / 255, offset=-0.5),
    weights=(),
    smallest_side=8,
    origin="this test",
)


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=2)
        self.second = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU())
        # No part of the state, so that no weights file has it.
        self.register_buffer("mean", torch.full((4, 1, 1), 0.25), persistent=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        first = self.first(x) - self.mean
        return [first, self.second(first)]


@pytest.fixture
def network() -> Iterator[Tiny]:
    torch.manual_seed(0)
    register_backbone(RECORD, Tiny)
    yield Tiny().eval()
    BACKBONES.discard("tiny")


@pytest.mark.parametrize("export", ["tried", "never"])
def test_features_of_a_registered_network(
    network: Tiny,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    examples: Path,
    export: str,
) -> None:
    """By OpenVINO from its exported graph, and by torch."""
    monkeypatch.setenv("MLSP_CACHE_DIR", str(tmp_path))
    spec = register_backbone(replace(RECORD, export=export), Tiny)  # type: ignore[arg-type]
    assert backbone("tiny") is spec
    assert "tiny" in list_backbones()
    weights = tmp_path / "tiny.pth"
    torch.save(network.state_dict(), weights)
    settings = NetworkSettings(
        "tiny", grid="wide", levels="second", weights=weights, precision="float32"
    )
    plan = plan_network(settings)
    assert plan.network.runtime == ("torch" if export == "never" else "openvino")
    assert plan.layout.feature_spec.weights_sha256 == file_sha256(weights)
    photo = examples / "chelsea.png"
    extractor = FeatureExtractor("tiny", levels="second", weights=weights, precision="float32")
    (found,) = extractor.extract([photo])
    assert not isinstance(found, ScoreFailure)
    pixels = read_photo(photo).pixels
    with torch.no_grad():
        expected = PooledNetwork(network, spec, 5, levels=("second",))(
            torch.from_numpy(pixels[None].copy())
        ).numpy()
    assert found.features.shape == (1, 5, 5, 6)
    np.testing.assert_allclose(found.features, expected, atol=1e-5)
    engine = open_backbone(plan.network.feature_spec, weights=weights, precision="float32")
    np.testing.assert_allclose(engine.pooled(pixels[None]), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (replace(RECORD, name="inception_v3"), "'inception_v3'.* mlsp does not use"),
        (replace(RECORD, name="my:net"), "'my:net'.* colon"),
        (replace(RECORD, levels=()), "'tiny' has no levels"),
        (
            replace(RECORD, side_multiple=64),
            "cuts sides to multiples of 64: expected 1 to its small",
        ),
    ],
)
def test_records_that_cannot_be_registered(record: BackboneSpec, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        register_backbone(record, Tiny)
    assert "tiny" not in list_backbones()
