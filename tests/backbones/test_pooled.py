"""The torch module around a network: preprocessing of each channel, pooling of maps of several sizes."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from mlsp.backbones import BACKBONES, BackboneSpec, Level, Preprocessing
from mlsp.backbones.convolution import ConvBatchNorm
from mlsp.backbones.padding import SameConv2d
from mlsp.backbones.pooled import PooledNetwork, area_pool
from mlsp.features.onnx_export import check_graph, export_backbone
from mlsp.features.opening import open_backbone
from mlsp.features.pooling import pool
from mlsp.features.spec import FeatureSpec


@pytest.mark.parametrize("grid", [1, 5])
def test_maps_of_several_sizes_are_pooled_as_by_numpy(grid: int) -> None:
    """Also where a size comes again after another, or differs in one side only."""
    torch.manual_seed(0)
    sizes = [(7, 9), (7, 9), (7, 3), (2, 3), (7, 9), (9, 7)]
    maps = [torch.randn(2, 3, *size) for size in sizes]
    for level, pooled in itertools.zip_longest(maps, area_pool(maps, grid)):
        expected = pool(level.permute(0, 2, 3, 1).numpy(), grid)
        np.testing.assert_allclose(pooled.permute(0, 2, 3, 1).numpy(), expected, atol=1e-6)


class Identity(nn.Module):
    """A network of one level, which is its input."""

    def forward(self, x: Tensor) -> list[Tensor]:
        return [x * 1]


SPEC = BackboneSpec(
    name="identity",
    levels=(Level("input", 3),),
    preprocessing=Preprocessing((1 / 255, 2.0, 0.5), (0.0, -1.0, 3.0)),
    weights=(),
    smallest_side=1,
    origin="a test",
)
PHOTO = np.array([[[255, 10, 4]] * 2] * 3, dtype=np.uint8)[None]


def test_preprocessing_of_each_channel() -> None:
    features = PooledNetwork(Identity(), SPEC, 1)(torch.from_numpy(PHOTO))
    np.testing.assert_allclose(features.numpy().ravel(), [1.0, 19.0, 5.0], rtol=1e-6)


def test_preprocessing_of_all_channels_alike() -> None:
    spec = dataclasses.replace(SPEC, preprocessing=BACKBONES["inception_v3"].preprocessing)
    features = PooledNetwork(Identity(), spec, 1)(torch.from_numpy(PHOTO))
    expected = np.array([255, 10, 4]) / 127.5 - 1
    np.testing.assert_allclose(features.numpy().ravel(), expected, atol=1e-6)


def test_preprocessing_is_no_part_of_the_state() -> None:
    assert PooledNetwork(Identity(), SPEC, 1).state_dict() == {}


def test_preprocessing_of_each_channel_is_exported(tmp_path: Path) -> None:
    export_backbone(Identity(), SPEC, tmp_path / "b.onnx", grid=1)
    feature_spec = FeatureSpec("identity", "0" * 64, ("input",), "whole", None, 1)
    features = open_backbone(feature_spec, graph=tmp_path / "b.onnx", precision="float32").pooled(
        PHOTO
    )
    np.testing.assert_allclose(features.ravel(), [1.0, 19.0, 5.0], rtol=1e-6)


class Twice(nn.Module):
    """A network that uses its weights twice."""

    def __init__(self) -> None:
        super().__init__()
        self.unit = ConvBatchNorm(SameConv2d(3, 3, 3), 3, activation="relu6", has_scale=True)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.unit(x), self.unit(x + 1)]


def test_weights_used_twice_have_a_bias_for_each_convolution(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Twice().eval()
    torch.nn.init.normal_(network.unit.bn.bias)
    spec = dataclasses.replace(SPEC, name="twice", levels=(Level("first", 3), Level("second", 3)))
    export_backbone(network, spec, tmp_path / "b.onnx", grid=1)
    graph = onnx.load(tmp_path / "b.onnx").graph
    weights, biases = zip(
        *(node.input[1:] for node in graph.node if node.op_type == "Conv"), strict=True
    )
    # OpenVINO computes a bias inside its convolution only if nothing else reads it.
    assert len(set(weights)) == 1
    assert len(set(biases)) == 2
    feature_spec = FeatureSpec("twice", "0" * 64, ("first", "second"), "whole", None, 1)
    check_graph(network, spec, tmp_path / "b.onnx", feature_spec)


@pytest.mark.parametrize(("height", "width", "top", "left"), [(21, 17, 2, 0), (16, 31, 0, 3)])
def test_what_is_left_over_of_the_sides_is_cut_off_evenly(
    tmp_path: Path, height: int, width: int, top: int, left: int
) -> None:
    photos = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    expected = PooledNetwork(Identity(), SPEC, 5)(
        torch.from_numpy(photos[:, top : top + height // 8 * 8, left : left + width // 8 * 8])
    )
    spec = dataclasses.replace(SPEC, smallest_side=8, side_multiple=8)
    torch.testing.assert_close(
        PooledNetwork(Identity(), spec, 5)(torch.from_numpy(photos)), expected
    )
    export_backbone(Identity(), spec, tmp_path / "b.onnx", grid=5)
    feature_spec = FeatureSpec("identity", "0" * 64, ("input",), "whole", None, 5)
    engine = open_backbone(feature_spec, graph=tmp_path / "b.onnx", precision="float32")
    np.testing.assert_allclose(engine.pooled(photos), expected.numpy(), rtol=1e-5)
