from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from mlsp.backbones import BACKBONES, BackboneSpec, backbone, build_network
from mlsp.backbones.convolution import (
    BATCH_NORM_EPSILON,
    Activation,
    ConvBatchNorm,
    averaging_pool,
    inception_conv,
)
from mlsp.backbones.padding import SameConv2d
from mlsp.base.errors import SettingsError

SPECS = pytest.mark.parametrize("spec", BACKBONES.values(), ids=BACKBONES.keys())


def shape_only(spec: BackboneSpec) -> nn.Module:
    """A network that computes shapes and no numbers."""
    with torch.device("meta"):
        return build_network(spec)


@SPECS
def test_one_map_a_level_of_the_recorded_width(spec: BackboneSpec) -> None:
    maps = shape_only(spec)(torch.zeros(2, 3, 128, 163, device="meta"))
    assert [tuple(level.shape[:2]) for level in maps] == [
        (2, level.channels) for level in spec.levels
    ]


@pytest.mark.parametrize(
    ("name", "levels", "channels"),
    [("inception_v3", 11, 10_048), ("inception_resnet_v2", 43, 16_928)],
)
def test_levels_of_the_paper(name: str, levels: int, channels: int) -> None:
    spec = backbone(name)
    assert (len(spec.levels), spec.channels) == (levels, channels)


@pytest.mark.parametrize("name", ["inception_v3", "inception_resnet_v2"])
def test_last_map_of_the_smallest_photo_has_one_cell(name: str) -> None:
    spec = backbone(name)
    side = spec.smallest_side
    network = shape_only(spec)
    assert network(torch.zeros(1, 3, side, side, device="meta"))[-1].shape[2:] == (1, 1)
    with pytest.raises(RuntimeError, match=r"too small|greater than actual input size"):
        network(torch.zeros(1, 3, side - 1, side, device="meta"))


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        # All numbers of the Keras file without the classifier.
        ("inception_v3", 21_802_784),
        # The same less the last 1×1 up-projection (448 to 2080, with bias) and conv_7b (2080 to 1536).
        (
            "inception_resnet_v2",
            54_336_736 - (448 * 2080 + 2080) - (2080 * 1536 + 3 * 1536),
        ),
    ],
)
def test_nothing_behind_the_last_level_is_made(name: str, numbers: int) -> None:
    state = shape_only(backbone(name)).state_dict()
    held = [
        array.numel()
        for key, array in state.items()
        if not key.endswith(("bn.weight", "num_batches_tracked"))
    ]
    assert sum(held) == numbers


@SPECS
def test_every_batch_norm_belongs_to_a_convolution(spec: BackboneSpec) -> None:
    modules = list(shape_only(spec).modules())
    units = [module for module in modules if isinstance(module, ConvBatchNorm)]
    norms = [module for module in modules if isinstance(module, nn.BatchNorm2d)]
    assert norms == [unit.bn for unit in units]
    assert {norm.eps for norm in norms} == {BATCH_NORM_EPSILON} == {1e-3}


@pytest.mark.parametrize("name", ["inception_v3", "inception_resnet_v2"])
def test_inceptions_learn_no_gamma(name: str) -> None:
    learned = [
        key for key, value in shape_only(backbone(name)).named_parameters() if value.requires_grad
    ]
    assert not [key for key in learned if key.endswith("bn.weight")]
    assert [key for key in learned if key.endswith("bn.bias")]


def test_efficientnet_lite_learns_gamma() -> None:
    network = shape_only(backbone("efficientnet_lite0"))
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_average_pool_leaves_the_padding_out() -> None:
    constant = torch.full((1, 1, 4, 5), 3.0)
    assert torch.equal(averaging_pool()(constant), constant)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [(None, [-8.0, 2.0, 8.0]), ("relu", [0.0, 2.0, 8.0]), ("relu6", [0.0, 2.0, 6.0])],
)
def test_activation_follows_the_batch_norm(
    activation: Activation | None, expected: list[float]
) -> None:
    conv = SameConv2d(1, 1, 1)
    nn.init.ones_(conv.weight)
    unit = ConvBatchNorm(conv, 1, activation=activation, has_scale=False).eval()
    unit.bn.eps = 0.0
    with torch.no_grad():
        assert (
            unit(torch.tensor([-8.0, 2.0, 8.0]).reshape(1, 1, 1, 3)).flatten().tolist() == expected
        )


@pytest.mark.parametrize("kernel_size", [1, 3, 5, (1, 7), (7, 1)])
def test_same_convolution_keeps_the_size(kernel_size: int | tuple[int, int]) -> None:
    with torch.device("meta"):
        unit = inception_conv(2, 4, kernel_size)
        assert unit(torch.zeros(1, 2, 9, 11)).shape == (1, 4, 9, 11)


def test_valid_convolution_loses_its_border() -> None:
    with torch.device("meta"):
        unit = inception_conv(2, 4, 3, stride=2, is_valid=True)
        assert unit(torch.zeros(1, 2, 9, 12)).shape == (1, 4, 4, 5)


def test_unknown_backbone_names_the_close_ones() -> None:
    message = (
        "unknown backbone 'inception_v4': did you mean 'inception_v3' or 'inception_resnet_v2'? Known: "
        + ", ".join(map(repr, sorted(BACKBONES)))
    )
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        backbone("inception_v4")


def test_record_without_a_definition_is_refused() -> None:
    spec = replace(backbone("inception_v3"), name="mine", builder=None)
    with pytest.raises(SettingsError, match="backbone 'mine' .*register_backbone"):
        build_network(spec)


def test_records_need_no_torch_and_networks_say_so() -> None:
    program = """
import sys
sys.modules["torch"] = None
from mlsp.backbones import backbone, build_network
from mlsp.base.errors import MissingExtraError
from mlsp.backbones.weights.loading import load_network
for action in (build_network, load_network):
    try:
        action(backbone("inception_v3"))
    except MissingExtraError as error:
        print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    building, reading = run.stdout.splitlines()
    assert building.startswith("Building a network needs an extra: pip install '.[train]'")
    assert reading.startswith("Reading weights needs an extra: pip install '.[train]'")


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"),
    [
        # Wider than the detail, and not as high.
        (93, 230, slice(0, 93), slice(19, 211)),
        (255, 193, slice(31, 223), slice(0, 192)),
    ],
)
def test_looking_twice_is_the_network_on_half_the_size_and_on_the_middle(
    height: int, width: int, rows: slice, columns: slice
) -> None:
    torch.manual_seed(0)
    twice = build_network(backbone("efficientnet_lite0_overview_and_detail"))
    once = build_network(backbone("efficientnet_lite0"))
    once.load_state_dict(twice.state_dict())
    photo = torch.randn(1, 3, height, width)
    high, wide = height // 2, width // 2
    overview = photo[:, :, : 2 * high, : 2 * wide].reshape(1, 3, high, 2, wide, 2).mean((3, 5))
    with torch.no_grad():
        expected = [*once(overview), *once(photo[:, :, rows, columns])]
        found = twice(photo)
    assert len(found) == len(backbone("efficientnet_lite0_overview_and_detail").levels)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
