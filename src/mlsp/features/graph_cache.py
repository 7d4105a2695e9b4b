"""Cache of exported graphs: each network is exported once per weights file, then runs without torch.

The cache is the folder `exports` beside that of the weights. A graph's name depends on everything that its content depends on, and its
SHA-256 is in a file beside it; so graphs of other versions of mlsp are never found.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mlsp.backbones import BackboneSpec, backbone
from mlsp.backbones.weights.downloads import Progress
from mlsp.backbones.weights.finding import find_weights
from mlsp.base.atomic_file import atomic_write_text
from mlsp.base.cache_folder import cache_folder
from mlsp.base.digests import file_sha256
from mlsp.base.errors import (
    ModelError,
    OutputError,
    SettingsError,
    needs_extra,
)
from mlsp.features.spec import FeatureSpec

# To be raised with every change to the graphs of `mlsp.features.onnx_export`.
_EXPORT_FORMAT = 4


def cached_graph(
    feature_spec: FeatureSpec,
    weights: Path | None = None,
    *,
    on_download: Progress | None = None,
) -> Path:
    """Find a network's graph in the cache, or export it, which needs torch and takes a minute or so.

    For narrow and wide features in one pass take grid 5 and `mlsp.features.pooling.narrow_from_wide`. Of several processes that want
    the same graph one exports it and the others wait; a damaged graph is exported again.

    Args:
        feature_spec: network, weights, levels and grid of the features; nothing behind the last level is computed.
        weights: file of these weights; by default the published one, found or downloaded.
        on_download: see `mlsp.backbones.weights.finding.find_weights`.

    Returns:
        ONNX graph from 8-bit photos of any size to features; see `mlsp.features.onnx_export.export_backbone`.

    Raises:
        SettingsError: a level is unknown, or the network's record forbids an export.
        WeightsError: the weights can neither be found nor downloaded, or are others.
        OutputError: the graph cannot be written.
        ModelError: the network was tried and cannot be exported, or its graph computes something else. That is cached, too, for
            this version of torch.
        MissingExtraError: it must be exported, and torch or onnx is not installed.
    """
    spec = backbone(feature_spec.backbone)
    levels = tuple(level.name for level in spec.choose(feature_spec.levels))
    feature_spec = dataclasses.replace(feature_spec, levels=levels)
    if spec.export == "never":
        raise SettingsError(
            f"no graph of {spec.name} is right for photos of every size: open_backbone has torch run it"
        )
    found = find_weights(
        spec,
        weights,
        sha256=feature_spec.weights_sha256,
        on_download=on_download,
    )
    folder = cache_folder() / "exports"
    graph = folder / _file_name(spec, feature_spec)
    if _is_whole(graph):
        return graph
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Loaded here, because scoring must start fast.
        from filelock import FileLock

        with FileLock(graph.with_suffix(".lock")):
            if not _is_whole(graph):
                _check_not_refused(graph)
                _export(spec, found.file, feature_spec, graph)
    except OSError as error:
        raise OutputError(
            f"cannot write {graph}: {error.strerror or error}: free some space"
        ) from error
    return graph


def _file_name(spec: BackboneSpec, feature_spec: FeatureSpec) -> str:
    sha256, grid = feature_spec.weights_sha256, feature_spec.grid
    depends_on = {
        "format": _EXPORT_FORMAT,
        "mlsp": version("mlsp"),
        "backbone": spec.name,
        "preprocessing": dataclasses.asdict(spec.preprocessing),
        "weights_sha256": sha256,
        "levels": feature_spec.levels,
        "grid": grid,
    }
    digest = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:16]
    name = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in spec.name)
    return f"{name}-{sha256[:8]}-{grid}x{grid}-{digest}.onnx"


def _sha256_file(graph: Path) -> Path:
    return graph.with_suffix(".sha256")


def _is_whole(graph: Path) -> bool:
    """Return whether the graph exists and is the one that was written."""
    try:
        expected = _sha256_file(graph).read_text(encoding="utf-8").split()[0]
        return file_sha256(graph) == expected
    except (OSError, UnicodeDecodeError, IndexError):
        return False


def _export(spec: BackboneSpec, weights: Path, feature_spec: FeatureSpec, graph: Path) -> None:
    with needs_extra("Exporting a network", "train", "torch", "onnx", "onnxscript"):
        # By its name, so that scoring does not depend on torch.
        exporter = importlib.import_module("mlsp.features.onnx_export")
    try:
        exporter.export_weights(spec, weights, feature_spec, graph)
    except ModelError as error:
        if spec.export == "tried":
            with atomic_write_text(_refusal_file(graph)) as beside:
                beside.write(f"torch {version('torch')}\n{error}\n")
        raise
    # The graph first: where a process dies between the two, the graph is not taken for whole.
    with atomic_write_text(_sha256_file(graph)) as beside:
        beside.write(f"{file_sha256(graph)}  {graph.name}\n")


def _refusal_file(graph: Path) -> Path:
    return graph.with_suffix(".refused")


def _check_not_refused(graph: Path) -> None:
    """Raise the error of an earlier export by the same torch: another takes a minute."""
    try:
        torch, _, reason = _refusal_file(graph).read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return
    try:
        is_the_same = torch == f"torch {version('torch')}"
    except PackageNotFoundError:
        return
    if is_the_same:
        raise ModelError(reason.strip())
