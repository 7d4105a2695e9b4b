"""Networks of timm as backbones, with untrained weights."""

from __future__ import annotations

import importlib.metadata
import logging
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlsp.backbones import BackboneSpec, backbone, build_network
from mlsp.backbones.pooled import PooledNetwork
from mlsp.backbones.weights.loading import load_network
from mlsp.base.errors import ModelError, SettingsError, WeightsError
from mlsp.features.engines.torch_engine import TorchEngine
from mlsp.features.extraction.plan import plan_network
from mlsp.features.extraction.settings import NetworkSettings
from mlsp.features.graph_cache import cached_graph
from mlsp.features.onnx_export import check_graph, export_backbone
from mlsp.features.opening import open_backbone
from mlsp.features.spec import FeatureSpec

try:
    import timm
except (ImportError, RuntimeError) as error:
    pytest.skip(
        f"needs the timm extra with a torchvision that fits torch: {error}", allow_module_level=True
    )

# The first levels and the number of levels, of photos of any size.
NETWORKS = {
    "resnet18": ("layer1.0", 8, 1920),
    "mobilenetv3_small_050": ("blocks.0.0", 12, 592),
    "convnext_atto": ("stages.0.blocks.0", 12, 1840),
    "regnety_002": ("s1.b1", 13, 3264),
    "vit_tiny_patch16_224": ("blocks.0", 12, 2304),
    "pvt_v2_b0": ("stages.0.blocks.0", 8, 1024),
    "swin_tiny_patch4_window7_224": ("layers.0.blocks.0", 12, 4416),
}
WITHOUT_GRAPH = {"pvt_v2_b0", "swin_tiny_patch4_window7_224"}
# CLIP, SigLIP, DINO, EVA.
PRETRAINED = [
    "vit_xsmall_patch16_clip_224",
    "vit_base_patch16_siglip_224",
    "vit_small_patch14_dinov2",
    "vit_small_patch16_dinov3",
    "eva02_tiny_patch14_224",
]

pytestmark = [
    # timm still uses parts of torch that are to go.
    pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning"),
]


def photos(height: int, width: int, count: int = 2) -> np.ndarray:
    rng = np.random.default_rng(height)
    return rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def feature_spec(spec: BackboneSpec, sha256: str = "0" * 64) -> FeatureSpec:
    levels = tuple(level.name for level in spec.levels)
    return FeatureSpec(spec.name, sha256, levels, "whole", None, 5)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_level_for_each_block(name: str) -> None:
    spec = backbone(f"timm:{name}")
    assert (spec.levels[0].name, len(spec.levels), spec.channels) == NETWORKS[name]
    assert spec.export == ("never" if name in WITHOUT_GRAPH else "tried")
    network = PooledNetwork(build_network(spec), spec, 5).eval()
    for size in ((224, 224), (161, 193)):
        with torch.no_grad():
            features = network(torch.from_numpy(photos(*size)))
        assert features.shape == (2, 5, 5, spec.channels)
        assert torch.isfinite(features).all()


def stages(name: str, x: Tensor, network: nn.Module) -> list[Tensor]:
    found: list[Tensor] = network.model.forward_intermediates(  # type: ignore[operator,union-attr]
        x, intermediates_only=True, norm=False, output_fmt="NCHW"
    )
    return found


@pytest.mark.parametrize(
    "name", ["resnet18", "convnext_atto", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"]
)
def test_maps_are_those_of_timm(name: str) -> None:
    """What timm itself gives of some blocks, class tokens dropped and channels first, is among the levels in its order."""
    network = build_network(backbone(f"timm:{name}"))
    for array in network.parameters():
        if array.ndim == 1:
            # Untrained, the factors at the ends of residual blocks are next to 0: all blocks of a stage would be alike.
            array.data.uniform_(0.5, 1.5)
    x = torch.randn(1, 3, 192, 160, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        maps = network(x)
        wanted = stages(name, x, network)
    places = [
        index
        for reference in wanted
        for index, level in enumerate(maps)
        if level.shape == reference.shape and torch.allclose(level, reference, atol=1e-5)
    ]
    # ResNet's stem is no block.
    assert len(places) == len(wanted) - (name == "resnet18")
    assert places == sorted(places)


@pytest.mark.parametrize("name", PRETRAINED)
def test_every_block_of_a_pretrained_transformer_is_a_level(name: str, tmp_path: Path) -> None:
    """At a size that no patch divides: each map is timm's own, from weights in a file."""
    spec = backbone(f"timm:{name}")
    network, _ = load_network(spec, untrained(name, tmp_path))
    x = torch.randn(1, 3, 150, 99, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        maps = network(x)
        wanted = stages(name, x, network)
    names = [f"blocks.{number}" for number in range(len(wanted))]
    assert [level.name for level in spec.levels] == names
    patch = int(re.findall(r"patch(\d+)", name)[0])
    assert tuple(maps[0].shape[2:]) == (-(-150 // patch), -(-99 // patch))
    for level, reference in zip(maps, wanted, strict=True):
        torch.testing.assert_close(level, reference)


def test_preprocessing_is_timms() -> None:
    spec = backbone("timm:resnet18")
    model = timm.create_model("resnet18", pretrained=False)
    transform = timm.data.create_transform(
        **{**timm.data.resolve_model_data_config(model), "input_size": (3, 9, 7), "crop_pct": 1.0}
    )
    normalise = transform.transforms[-1]
    pixels = torch.from_numpy(photos(9, 7, 1)[0])
    expected = normalise(pixels.permute(2, 0, 1) / 255)
    scale, offset = (
        torch.tensor(spec.preprocessing.scale),
        torch.tensor(spec.preprocessing.offset),
    )
    found = (pixels * scale + offset).permute(2, 0, 1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_class_and_register_tokens_are_no_places() -> None:
    spec = backbone("timm:vit_small_patch14_reg4_dinov2")
    network = build_network(spec)
    with torch.no_grad():
        maps = network(torch.zeros(1, 3, 140, 99))
    # 99 is padded to 112.
    assert {tuple(level.shape) for level in maps} == {(1, 384, 10, 8)}


@pytest.fixture(scope="module", params=["resnet18", "vit_tiny_patch16_224"])
def weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as timm publishes it: with a classifier."""
    torch.manual_seed(0)
    model = timm.create_model(request.param, pretrained=False)
    file = tmp_path_factory.mktemp("weights") / f"{request.param}.pth"
    torch.save(model.state_dict(), file)
    return file


def test_weights_of_timm_are_read_and_run(weights: Path) -> None:
    """On the processor: by OpenVINO where the network can be exported, else by torch."""
    spec = backbone(f"timm:{weights.stem}")
    network, sha256 = load_network(spec, weights)
    state = torch.load(weights, weights_only=True)
    assert all(
        torch.equal(array, state[name.removeprefix("model.")])
        for name, array in network.state_dict().items()
    )
    engine = open_backbone(feature_spec(spec, sha256), weights=weights, precision="float32")
    assert engine.feature_spec == feature_spec(spec, sha256)
    assert isinstance(engine, TorchEngine) == (weights.stem in WITHOUT_GRAPH)
    batch = photos(131, 197)
    expected = TorchEngine(network, spec, feature_spec(spec), device="cpu").pooled(batch)
    difference = np.abs(engine.pooled(batch) - expected).max()
    assert difference <= 1e-4 * np.abs(expected).max()


def test_weights_of_another_network_are_refused(weights: Path) -> None:
    other = "resnet18" if weights.stem != "resnet18" else "regnety_002"
    message = rf"^{re.escape(str(weights))} \(PyTorch\) does not hold weights of timm:{other}; layouts tried: timm: "
    with pytest.raises(WeightsError, match=message):
        load_network(backbone(f"timm:{other}"), weights)


@pytest.mark.slow  # An export takes a minute, on a busy machine five.
@pytest.mark.parametrize("name", PRETRAINED)
def test_the_graph_of_a_pretrained_transformer_is_right(name: str, tmp_path: Path) -> None:
    spec = backbone(f"timm:{name}")
    file = untrained(name, tmp_path)
    _, sha256 = load_network(spec, file)
    # Compared with the network on photos of other sizes than it is traced for, else refused.
    assert cached_graph(feature_spec(spec, sha256), file).is_file()


def test_a_transformer_with_windows_is_not_exported() -> None:
    name = "timm:swin_tiny_patch4_window7_224"
    message = (
        f"no graph of {name} is right for photos of every size: open_backbone has torch run it"
    )
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        cached_graph(feature_spec(backbone(name)))


def untrained(name: str, folder: Path) -> Path:
    torch.manual_seed(0)
    file = folder / f"{name}.pth"
    torch.save(timm.create_model(name, pretrained=False).state_dict(), file)
    return file


def test_a_convolutional_network_that_torch_cannot_export_is_run_by_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLSP_CACHE_DIR", str(tmp_path))
    caplog.set_level(logging.WARNING, "mlsp")
    spec = backbone("timm:dla46_c")
    assert spec.export == "tried"
    file = untrained("dla46_c", tmp_path)
    _, sha256 = load_network(spec, file)
    messages, written = [], []
    # The second time it is known, and not tried again.
    for _ in range(2):
        engine = open_backbone(feature_spec(spec, sha256), weights=file)
        assert isinstance(engine, TorchEngine)
        assert engine.precision == "float32"
        (message,) = [record.message for record in caplog.records if record.name.startswith("mlsp")]
        messages.append(message)
        caplog.clear()
        (refused,) = (tmp_path / "exports").glob("*.refused")
        written.append(refused.stat().st_mtime_ns)
    assert messages[0] == messages[1]
    assert re.fullmatch(
        "mlsp: note: torch runs timm:dla46_c, since it has no graph for photos of every size: torch cannot export the network to ONNX:"
        " .+",
        messages[0],
    )
    assert written[0] == written[1]
    network, sha256 = load_network(spec, file)
    assert engine.feature_spec == feature_spec(spec, sha256)
    batch = photos(64, 64, 1)
    with torch.no_grad():
        expected = PooledNetwork(network, spec, 5).eval()(torch.from_numpy(batch)).numpy()
    np.testing.assert_allclose(engine.pooled(batch), expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(ModelError, match="^torch cannot export the network to ONNX: "):
        cached_graph(feature_spec(spec, sha256), file)
    # Another torch may be able to.
    version, _, reason = refused.read_text("utf-8").partition("\n")
    assert version == f"torch {importlib.metadata.version('torch')}"
    assert messages[0].endswith(reason.strip())
    settings = NetworkSettings("timm:dla46_c", weights=file, grid="wide")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLSP_CACHE_DIR", str(tmp_path))
        plan = plan_network(settings)
    assert (plan.network.runtime, plan.layout.precision) == ("torch", "float32")


def test_a_network_with_three_dimensional_convolutions_runs_by_torch() -> None:
    spec = backbone("timm:lambda_resnet26t")
    network = build_network(spec)
    assert any(array.ndim == 5 for array in network.parameters())
    engine = TorchEngine(network, spec, feature_spec(spec), device="cpu")
    features = engine.pooled(photos(64, 64, 1))
    assert features.shape == (1, 5, 5, spec.channels)
    assert np.isfinite(features).all()


def test_weights_of_a_network_without_published_ones_are_read(tmp_path: Path) -> None:
    spec = backbone("timm:ghostnet_050")
    assert spec.weights == ()
    file = untrained("ghostnet_050", tmp_path)
    network, _ = load_network(spec, file)
    state = torch.load(file, weights_only=True)
    assert torch.equal(network.state_dict()["model.conv_stem.weight"], state["conv_stem.weight"])


def test_a_graph_of_another_network_is_found_out(tmp_path: Path) -> None:
    spec = backbone("timm:mobilenetv3_small_050")
    network = build_network(spec)
    export_backbone(network, spec, tmp_path / "b.onnx", grid=5)
    check_graph(network, spec, tmp_path / "b.onnx", feature_spec(spec))
    message = (
        "^the exported graph of timm:mobilenetv3_small_050 differs from the network by .* of its largest feature on photos of"
        " 197×131, expected at most 1e-04: run the network by torch$"
    )
    with pytest.raises(ModelError, match=message):
        check_graph(build_network(spec), spec, tmp_path / "b.onnx", feature_spec(spec))


def test_a_network_of_one_size_is_refused() -> None:
    message = (
        "network 'timm:mixer_s16_224' cannot be used: it fails on a photo of 160×192: Input height (192) doesn't match model"
        " (224). It is made for photos of 224×224; levels need a network for photos of any size, such as a convolutional one"
        " or a plain vision transformer"
    )
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        backbone("timm:mixer_s16_224")


def test_an_unknown_network_names_the_close_ones() -> None:
    message = r"^unknown network of timm 'resnet18x': did you mean 'resnet18' or .*\? timm.list_models\(\) lists all \d+$"
    with pytest.raises(SettingsError, match=message):
        backbone("timm:resnet18x")


def test_where_published_weights_are() -> None:
    (published,) = backbone("timm:resnet18.a1_in1k").weights
    assert (
        published.url
        == "https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/model.safetensors"
    )
    assert (published.license, published.layout) == ("apache-2.0", "timm")
