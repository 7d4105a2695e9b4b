"""`mlsp.research.MlspModule`: the scorer's scores, with gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load_model, save_model
from torch import nn

import mlsp
from mlsp.backbones import BACKBONES, BackboneSpec, Level, Preprocessing, build_network
from mlsp.backbones.pooled import PooledNetwork
from mlsp.base.errors import ModelError, SettingsError
from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.features.onnx_export import export_backbone, export_head
from mlsp.features.spec import FeatureSpec
from mlsp.models.heads import HeadSpec, build_head
from mlsp.photos import read_photo
from mlsp.photos.crops import ViewsName, cut_views
from mlsp.photos.sizes import reduce_pixels, resize_pixels
from mlsp.research import MlspModule
from mlsp.research.onnx_graph import OnnxGraph
from mlsp.research.pixels import cut_views as cut_tensor_views
from mlsp.research.pixels import resize_as

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def module() -> MlspModule:
    return MlspModule.from_pretrained("default", "quality")


def tensor_of(photo: Path) -> torch.Tensor:
    pixels = torch.from_numpy(read_photo(photo).pixels.copy())
    return pixels.permute(2, 0, 1)[None].float() / 255


def test_scores_are_those_of_the_scorer(module: MlspModule, examples: Path) -> None:
    """Of a photo that is reduced, too. The scorer rounds pixels to 8 bits, and features to fewer than 32."""
    with mlsp.Scorer("default", precision="float32", workers=1) as scorer:
        for name in ("chelsea.png", "rocket.jpg"):
            with torch.no_grad():
                found = module.scores(tensor_of(examples / name))
            expected = scorer.score_one(examples / name).scores
            for record in scorer.model.heads:
                scale = record.highest - record.lowest
                value = expected[record.name].value
                assert float(found[record.name]) == pytest.approx(value, abs=0.006 * scale)


@pytest.mark.parametrize(
    ("size", "options"),
    [
        ((97, 61), {"longest_side": 40}),
        ((97, 61), {"longest_side": 40, "reduction": "lanczos"}),
        ((397, 61), {"longest_side": 40, "reduction": "lanczos"}),
        ((97, 20), {"resize": (32, 48)}),
    ],
)
def test_photos_are_sized_as_the_decoder_does_it(
    size: tuple[int, int], options: dict[str, Any]
) -> None:
    """But for its rounding to 8 bits, once or twice."""
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    spec = FeatureSpec(
        "any", "0" * 64, ("any",), "whole", **{"longest_side": None, "grid": 1} | options
    )
    expected = (
        resize_pixels(pixels, spec.resize)
        if spec.resize
        else reduce_pixels(pixels, options["longest_side"], spec.reduction)
    )
    found = resize_as(spec, torch.from_numpy(pixels).permute(2, 0, 1)[None].double())
    np.testing.assert_allclose(found[0].permute(1, 2, 0), expected, atol=1.6)


@pytest.mark.parametrize("views", get_args(ViewsName))
def test_views_are_cut_in_the_same_order(views: ViewsName) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (19, 27, 3), dtype=np.uint8)
    found = cut_tensor_views(torch.from_numpy(pixels).permute(2, 0, 1)[None], views)
    expected = cut_views(pixels, views)
    np.testing.assert_array_equal(torch.cat(found).permute(0, 2, 3, 1), expected)


def test_gradients_are_those_of_finite_differences(module: MlspModule, examples: Path) -> None:
    exact = MlspModule.from_pretrained("default").double()
    # Sides that are multiples of 8, of which nothing is cut off: the features of fewer pixels come nearer to 0, where scores are curved.
    photos = tensor_of(examples / "chelsea.png")[:, :, 60:132, 100:180].double()
    photos = torch.cat([photos, photos.flip(2)]).requires_grad_()
    direction = torch.randn(
        photos.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    for head in exact.heads:
        exact.head = head
        (gradient,) = torch.autograd.grad(exact(photos).sum(), photos)
        step = 1e-8
        with torch.no_grad():
            above, below = (exact(photos + sign * step * direction).sum() for sign in (1, -1))
        difference = float(above - below) / (2 * step)
        assert float((gradient * direction).sum()) == pytest.approx(difference, rel=1e-3)


def test_a_photo_is_improved_by_its_gradient(module: MlspModule, examples: Path) -> None:
    """As a loss: from a dull copy, a few steps of contrast and brightness raise the score."""
    photo = tensor_of(examples / "chelsea.png")[:, :, ::2, ::2]
    gain, shift = torch.tensor(0.4, requires_grad=True), torch.tensor(0.0, requires_grad=True)
    optimiser = torch.optim.Adam([gain, shift], lr=0.1)
    scores = []
    for _ in range(4):
        score = module((photo * gain + shift).clamp(0, 1)).mean()
        scores.append(float(score.detach()))
        optimiser.zero_grad()
        (-score).backward()
        optimiser.step()
    assert scores[-1] > scores[0] + 0.02
    assert all(not parameter.requires_grad for parameter in module.parameters())


def test_weights_are_kept_as_safetensors(
    module: MlspModule, examples: Path, tmp_path: Path
) -> None:
    photos = tensor_of(examples / "chelsea.png")[:, :, :96, :96]
    other = MlspModule.from_pretrained("default", "quality")
    for array in other.buffers():
        if array.is_floating_point():
            array.zero_()
    save_model(module, str(tmp_path / "score.safetensors"))
    load_model(other, str(tmp_path / "score.safetensors"))
    with torch.no_grad():
        np.testing.assert_array_equal(other(photos), module(photos))
    assert repr(other) == "MlspModule('default', 'quality')"


@pytest.mark.parametrize("name", ["multi_3fc", "pool_3fc_released"])
def test_heads_are_read(tmp_path: Path, name: str) -> None:
    spec = HeadSpec(name)
    levels = BACKBONES["efficientnet_lite0"].levels[:3]
    head = build_head(spec, levels, first=None if name == "multi_3fc" else 32)
    head.eval()
    export_head(head, head.channels, tmp_path / "head.onnx", grid=spec.grid)
    rng = np.random.default_rng(0)
    features = rng.random((2, spec.grid, spec.grid, head.channels), np.float32)
    found = OnnxGraph(tmp_path / "head.onnx")(torch.from_numpy(features))["scores"]
    np.testing.assert_allclose(
        found.detach(), OpenVinoHead(tmp_path / "head.onnx").predict(features), atol=1e-4
    )


PIXELS, ROWS = (2, 4, 7, 9), (3, 4)


@pytest.mark.parametrize(
    ("operator", "shape", "others", "attributes"),
    [
        (
            "Conv",
            PIXELS,
            [np.ones((4, 2, 3, 3), np.float32)],
            {"group": 2, "pads": [0, 1, 2, 3], "strides": [2, 1]},
        ),
        (
            "Conv",
            PIXELS,
            [np.ones((4, 4, 3, 2), np.float32)],
            {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        ),
        ("Conv", PIXELS, [np.ones((4, 4, 2, 3), np.float32)], {"dilations": [2, 3]}),
        ("AveragePool", PIXELS, [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
        (
            "AveragePool",
            PIXELS,
            [],
            {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "count_include_pad": 1},
        ),
        ("MaxPool", PIXELS, [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}),
        ("GlobalAveragePool", PIXELS, [], {}),
        ("BatchNormalization", PIXELS, [np.arange(1, 5, dtype=np.float32)] * 4, {"epsilon": 1e-3}),
        (
            "Gemm",
            ROWS,
            [np.ones((2, 4), np.float32), np.ones(2, np.float32)],
            {"transB": 1, "alpha": 0.5, "beta": 2.0},
        ),
        ("Pad", ROWS, [np.array([1, 0, 0, 2]), np.float32(3)], {}),
        (
            "Slice",
            ROWS,
            [np.array([1, -3]), np.array([3, 2**40]), np.array([0, 1]), np.array([1, 2])],
            {},
        ),
        ("Gather", ROWS, [np.array([[2, -1]])], {"axis": 1}),
        ("Split", ROWS, [np.array([1, 2])], {"axis": 0}),
        ("Reshape", ROWS, [np.array([0, 2, -1])], {}),
        ("Expand", ROWS, [np.array([2, 1, 4])], {}),
        ("Unsqueeze", ROWS, [np.array([0, 3])], {}),
        ("ReduceMean", PIXELS, [np.array([2, 3])], {"keepdims": 0}),
        ("ReduceSum", ROWS, [], {}),
        ("HardSigmoid", ROWS, [], {"alpha": 0.3}),
        ("Softmax", ROWS, [], {"axis": 0}),
        ("Clip", ROWS, [np.float32(-0.5), np.float32(0.5)], {}),
        *(
            (name, ROWS, [np.full((4,), 1.5, np.float32)], {})
            for name in ("Div", "Max", "Min", "Pow", "Sub")
        ),
        *((name, ROWS, [], {}) for name in ("Erf", "Exp", "Neg", "Relu", "Sigmoid", "Tanh")),
    ],
)
def test_operators_are_those_of_onnx_runtime(
    tmp_path: Path,
    operator: str,
    shape: tuple[int, ...],
    others: list[np.ndarray],
    attributes: dict[str, Any],
) -> None:
    names = [f"other{number}" for number in range(len(others))]
    outputs = ["scores", "second"] if operator == "Split" else ["scores"]
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    x = np.abs(x) if operator == "Pow" else x
    arrays = [
        onnx.numpy_helper.from_array(np.asarray(array), name)
        for array, name in zip(others, names, strict=True)
    ]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, ["features", *names], outputs, **attributes)],
        "one",
        [onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, shape)],
        [
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
            for name in outputs
        ],
        arrays,
    )
    opset = [onnx.helper.make_opsetid("", 18)]
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "one.onnx"
    )
    expected = onnxruntime.InferenceSession(tmp_path / "one.onnx").run(None, {"features": x})
    found = OnnxGraph(tmp_path / "one.onnx")(torch.from_numpy(x))
    for name, array in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-5)


class Blocks(nn.Module):
    """Blocks with what networks are made of: odd padding, both pools, strides, batch norms, a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.SiLU())
        self.pooled = nn.Sequential(nn.AvgPool2d(3, 2, 1), nn.Conv2d(8, 6, 1), nn.ReLU6())
        self.last = nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.Conv2d(6, 12, 3, groups=2), nn.GELU())

    def forward(self, photos: torch.Tensor) -> list[torch.Tensor]:
        stem = self.stem(photos)
        pooled = self.pooled(stem)
        gate = pooled.mean((2, 3), keepdim=True).sigmoid()
        return [stem, pooled * gate, self.last(pooled)]


def check_network(network: nn.Module, spec: BackboneSpec, file: Path) -> None:
    """Compare its graph on wide features, in torch, with the network, and gradients of both."""
    export_backbone(network, spec, file, grid=5)
    photos = torch.randint(0, 256, (2, 97, 131, 3), dtype=torch.uint8)
    pooled = PooledNetwork(network, spec, 5).eval()
    found = OnnxGraph(file)(photos.float())["features"]
    expected = pooled(photos)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_a_network_of_ones_own_is_read(tmp_path: Path) -> None:
    torch.manual_seed(0)
    levels = (Level("stem", 8), Level("pooled", 6), Level("last", 12))
    spec = BackboneSpec("blocks", levels, Preprocessing(1 / 127.5, -1.0), (), 32, "this test")
    check_network(Blocks().eval(), spec, tmp_path / "backbone.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inception_v3", "inception_resnet_v2", "efficientnet_lite0"])
def test_embedded_networks_are_read(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    check_network(build_network(BACKBONES[name]), BACKBONES[name], tmp_path / "backbone.onnx")


def test_a_photo_that_has_nan_scores_nan_and_no_other_does(module: MlspModule) -> None:
    photos = torch.full((2, 3, 64, 64), 0.5)
    photos[0, 1, 20, 30] = torch.nan
    for scores in module.scores(photos).values():
        assert scores.isnan().tolist() == [True, False]


def test_refusals(module: MlspModule, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="did you mean 'beauty'"):
        MlspModule.from_pretrained("default", "beuaty")
    with pytest.raises(SettingsError, match=r"\(N, 3, H, W\).*\(1, 64, 64, 3\)"):
        module(torch.zeros(1, 64, 64, 3))
    with pytest.raises(SettingsError, match="uint8"):
        module(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    for dtype in (torch.float16, torch.float64):
        with pytest.raises(SettingsError, match=rf"torch\.float32 .*got {dtype}"):
            module(torch.zeros(1, 3, 64, 64, dtype=dtype))
    with pytest.raises(SettingsError, match=r"torch\.Tensor.*got ndarray"):
        module(np.zeros((1, 3, 64, 64), np.float32))
    with pytest.raises(SettingsError, match="1 × 64 pixels"):
        module(torch.zeros(1, 3, 64, 1))
    (tmp_path / "head.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match="head.onnx cannot be read"):
        OnnxGraph(tmp_path / "head.onnx")
    node = onnx.helper.make_node("Mish", ["features"], ["scores"])
    values = [
        onnx.helper.make_tensor_value_info(end, onnx.TensorProto.FLOAT, ["n"])
        for end in ("features", "scores")
    ]
    graph = onnx.helper.make_graph([node], "head", values[:1], values[1:])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "head.onnx")
    with pytest.raises(ModelError, match="unknown operator 'Mish'"):
        OnnxGraph(tmp_path / "head.onnx")
