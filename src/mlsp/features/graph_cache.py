"""Networks as graphs in the cache: exported once per weights, then run without torch.

The cache is the folder `exports` beside that of the weights. A graph's name holds everything that it follows from, and its SHA-256
lies beside it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from mlsp.backbones import TIMM_PREFIX, BackboneSpec
from mlsp.backbones.weights.loading import fetch_weights, weights_folder
from mlsp.base.atomic_file import atomic_write_text
from mlsp.base.digests import file_sha256
from mlsp.base.errors import (
    EngineError,
    MissingExtraError,
    MlspError,
    ModelError,
    OutputError,
    SettingsError,
    WeightsError,
    unknown_name,
)
from mlsp.features.spec import FeatureSpec, Grid
from mlsp.photos.crops import ViewsName

if TYPE_CHECKING:
    from torch import nn

# To be raised with every change to what `mlsp.features.onnx_export` writes.
_EXPORT_FORMAT = 2


@dataclass(frozen=True, slots=True)
class ExportedBackbone:
    """A graph, and what is known of its features.

    Attributes:
        file: ONNX graph from 8-bit photos of any size to features; see `mlsp.features.onnx_export.export_backbone`.
        backbone: name of the network.
        weights_sha256: of the file of weights.
        levels: names of the levels, in the order of the channels.
        grid: cells of each side of a pooled map.
    """

    file: Path
    backbone: str
    weights_sha256: str
    levels: tuple[str, ...]
    grid: Grid

    def feature_spec(
        self,
        views: ViewsName = "whole",
        longest_side: int | None = None,
        resize: tuple[int, int] | None = None,
    ) -> FeatureSpec:
        """Say what its features are, of these views of photos reduced or brought to this size."""
        return FeatureSpec(
            self.backbone, self.weights_sha256, self.levels, views, longest_side, self.grid, resize
        )


def choose_levels(spec: BackboneSpec, levels: Iterable[str] | None) -> tuple[str, ...]:
    """Put names of levels in the record's order.

    Args:
        spec: record of the network.
        levels: names, in any order; all levels by default.

    Raises:
        SettingsError: a name is unknown, or there is none.
    """
    known = tuple(level.name for level in spec.levels)
    if levels is None:
        return known
    wanted = set(levels)
    for name in sorted(wanted - set(known)):
        raise SettingsError(unknown_name(f"level of {spec.name}", name, known))
    if not wanted:
        raise SettingsError(
            f"no level of {spec.name} is asked for: name some of {', '.join(known)}"
        )
    return tuple(name for name in known if name in wanted)


def exported_backbone(
    spec: BackboneSpec,
    weights: Path | None = None,
    *,
    grid: Grid,
    levels: Iterable[str] | None = None,
    cache_dir: Path | None = None,
) -> ExportedBackbone:
    """Find a network's graph in the cache, or export it: the only time that torch is needed, and it takes a minute or so.

    For narrow and wide features in one pass take grid 5 and `mlsp.features.pooling.narrow_from_wide`. Of several processes that want
    the same graph one exports it and the others wait; a damaged graph is exported again.

    Args:
        spec: record of the network.
        weights: file of weights; by default the record's preferred one, found or downloaded.
        grid: 1 or 5 cells of each side of a pooled map.
        levels: names of the levels to keep, in any order; all by default. Nothing behind the last of them is computed.
        cache_dir: see `mlsp.backbones.weights.loading.weights_folder`.

    Raises:
        SettingsError: a level is unknown, or the network's record says that it cannot be exported.
        WeightsError: the weights cannot be had.
        OutputError: the graph cannot be written.
        ModelError: torch cannot export a network of timm, or the graph does not compute what the network does. That is remembered for
            this version of torch.
        MissingExtraError: it must be exported, and torch or onnx is not installed.
    """
    names = choose_levels(spec, levels)
    if not spec.is_exportable:
        raise SettingsError(
            f"no graph of {spec.name} is right for photos of every size: runnable_backbone has torch run it"
        )
    file, sha256 = find_weights(spec, weights, cache_dir)
    folder = weights_folder(cache_dir).with_name("exports")
    graph = folder / _file_name(spec, sha256, names, grid)
    found = ExportedBackbone(graph, spec.name, sha256, names, grid)
    if _is_whole(graph):
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(graph.with_suffix(".lock")):
            if not _is_whole(graph):
                _check_not_refused(graph)
                _export(spec, file, found)
    except OSError as error:
        raise OutputError(f"cannot write {graph}: {error}") from error
    return found


def find_weights(
    spec: BackboneSpec, weights: Path | None, cache_dir: Path | None = None
) -> tuple[Path, str]:
    """Find or download a network's weights.

    Args:
        spec: record of the network.
        weights: file of weights; by default the record's preferred one.
        cache_dir: see `mlsp.backbones.weights.loading.weights_folder`.

    Returns:
        The file and its SHA-256.

    Raises:
        WeightsError: they cannot be had.
    """
    if weights is None:
        if not spec.weights:
            raise WeightsError(f"no weights of {spec.name} are published: give a file")
        weights = fetch_weights(spec.weights[0], cache_dir=cache_dir)
    weights = Path(weights)
    if not weights.is_file():
        raise WeightsError(
            f"weights file {weights} does not exist: expected weights of {spec.name}"
        )
    return weights, file_sha256(weights)


def _file_name(spec: BackboneSpec, sha256: str, levels: tuple[str, ...], grid: Grid) -> str:
    follows_from = {
        "format": _EXPORT_FORMAT,
        "mlsp": version("mlsp"),
        "backbone": spec.name,
        "preprocessing": dataclasses.asdict(spec.preprocessing),
        "weights_sha256": sha256,
        "levels": levels,
        "grid": grid,
    }
    mark = hashlib.sha256(json.dumps(follows_from, sort_keys=True).encode()).hexdigest()[:16]
    name = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in spec.name)
    return f"{name}-{sha256[:8]}-{grid}x{grid}-{mark}.onnx"


def _sha256_file(graph: Path) -> Path:
    return graph.with_suffix(".sha256")


def _is_whole(graph: Path) -> bool:
    """Whether the graph is there and is the one that was written."""
    try:
        expected = _sha256_file(graph).read_text(encoding="utf-8").split()[0]
        return file_sha256(graph) == expected
    except (OSError, UnicodeDecodeError, IndexError):
        return False


def _export(spec: BackboneSpec, weights: Path, wanted: ExportedBackbone) -> None:
    try:
        from mlsp.backbones.weights.loading import load_network
        from mlsp.features.onnx_export import export_backbone
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "onnx", "onnxscript"):
            raise
        raise MissingExtraError("Exporting a network", "train") from error
    network, sha256 = load_network(spec, weights)
    if sha256 != wanted.weights_sha256:
        raise WeightsError(f"weights file {weights} changed while it was read: try again")
    if spec.name.startswith(TIMM_PREFIX):
        _try_export(network, spec, wanted)
    else:
        export_backbone(network, spec, wanted.file, grid=wanted.grid, levels=wanted.levels)
    # The graph first: where a process dies between the two, the graph is not taken for whole.
    with atomic_write_text(_sha256_file(wanted.file)) as beside:
        beside.write(f"{file_sha256(wanted.file)}  {wanted.file.name}\n")


def _try_export(network: nn.Module, spec: BackboneSpec, wanted: ExportedBackbone) -> None:
    """Export a network of timm, of which there are more than a thousand, if that is possible; else remember that it is not."""
    from mlsp.features.onnx_export import check_graph, export_backbone

    try:
        export_backbone(network, spec, wanted.file, grid=wanted.grid, levels=wanted.levels)
        check_graph(network, spec, wanted.file, wanted.feature_spec())
    except (OSError, MemoryError):
        raise
    except Exception as error:
        wanted.file.unlink(missing_ok=True)
        if isinstance(error, MlspError) and not isinstance(error, ModelError | EngineError):
            raise
        # What torch and OpenVINO raise for networks that nobody has tried is no closed list.
        reason = str(error) if isinstance(error, MlspError) else f"{type(error).__name__}: {error}"
        with atomic_write_text(_refusal_file(wanted.file)) as beside:
            beside.write(f"torch {version('torch')}\n{reason}\n")
        raise ModelError(reason) from error


def _refusal_file(graph: Path) -> Path:
    return graph.with_suffix(".refused")


def _check_not_refused(graph: Path) -> None:
    """Raise what an earlier try by the same torch found: trying takes a minute."""
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
