"""Opens a network: from its weights or its graph to an engine.

feature_spec ─ weights found ─ graph found or exported ─ RunnableBackbone ─ Engine

OpenVINO runs the graph on the processor. torch runs the weights on a CUDA device, and on the processor where there is no graph that is
right for photos of every size.
"""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Literal, cast

from mlsp.backbones import backbone
from mlsp.backbones.weights.downloads import Progress
from mlsp.backbones.weights.finding import find_weights, may_be_published
from mlsp.base.errors import MissingExtraError, ModelError, SettingsError, needs_extra
from mlsp.base.machine import usable_cores
from mlsp.features.engines import Engine, Precision, check_choices
from mlsp.features.graph_cache import cached_graph
from mlsp.features.spec import FeatureSpec
from mlsp.photos.crops import VIEW_COUNTS

Runtime = Literal["openvino", "torch"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunnableBackbone:
    """Network that is yet to be opened, here or on another machine; can be pickled.

    Attributes:
        feature_spec: of its features.
        precision: number format in which it computes, never `auto`.
        file: its graph for OpenVINO, its weights for torch; may be a copy with the same ending.
        runtime: inference engine.
        device: that it runs on.
    """

    feature_spec: FeatureSpec
    precision: Precision
    file: Path
    runtime: Runtime
    device: Literal["cpu", "cuda"]

    def open(self, *, cores: int | None = None, photos: int | None = None) -> Engine:
        """Open it on this machine.

        Args:
            cores: on which OpenVINO computes; by default those that this process may use.
            photos: number of photos to come, if known: with fewer views than cores, several cores share a view.

        Raises:
            SettingsError: this machine lacks the device or the precision.
            ModelError: the graph cannot be read.
            WeightsError: the weights cannot be read, or are others.
            MissingExtraError: torch is needed and not installed.
        """
        if self.runtime == "openvino":
            from mlsp.features.engines.openvino_engine import OpenVinoEngine

            cores = cores or usable_cores()
            views = cores if photos is None else photos * VIEW_COUNTS[self.feature_spec.views]
            return OpenVinoEngine(
                self.file,
                self.feature_spec,
                precision=self.precision,
                streams=max(1, min(cores, views)),
                cores=cores,
            )
        engine: Engine = _torch_engine(self.device).TorchEngine.open(
            self.feature_spec, self.file, device=self.device, precision=self.precision
        )
        return engine

    def check_device(self) -> None:
        """Refuse a device that this machine lacks.

        Raises:
            SettingsError: it has no CUDA device.
            MissingExtraError: torch is needed and not installed.
        """
        if self.runtime == "torch":
            _torch_engine(self.device).check_device(self.device)

    def versions(self) -> dict[str, str]:
        """Return the versions, on this machine, of the packages on which the features depend.

        Raises:
            MissingExtraError: torch is needed and not installed.
        """
        try:
            return {name: version(name) for name in ("mlsp", self.runtime)}
        except ModuleNotFoundError as error:
            raise MissingExtraError(f"Device {self.device!r}", "train") from error


def plan_backbone(
    feature_spec: FeatureSpec,
    *,
    graph: Path | None = None,
    weights: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    on_download: Progress | None = None,
    is_here: bool = False,
) -> RunnableBackbone:
    """Find the graph or weights from which a network can be opened, here or on another machine; opens nothing.

    A network without a graph that is right for photos of every size is run by torch in float32, on the processor too, unless another
    precision is asked for; where an export failed, the log contains the reason.

    Args:
        feature_spec: features to compute.
        graph: exported graph of the network, as models have one; by default one of the cache, exported if need be. Not read for `cuda`.
        weights: file of the network's weights; by default the published one, found or downloaded. Not read where a graph is given, but
            for `cuda`.
        device: `auto`, `cpu` or `cuda`. `auto` is `cpu`: finding out about CUDA takes longer than scoring some photos.
        precision: `auto`, `float32`, `bfloat16` or, on `cuda`, `float16`. `auto` is bfloat16 where the device has it, else float32 on
            the processor and float16 on `cuda`; for a `cuda` that this machine lacks it is bfloat16.
        on_download: see `mlsp.backbones.weights.finding.find_weights`.
        is_here: whether it is to be opened on this machine, whose device is then checked before weights are downloaded.

    Raises:
        SettingsError: an argument is unknown, this machine's processor lacks the precision, or with `is_here` it lacks the device.
        WeightsError: the weights can neither be found nor downloaded, or are others.
        OutputError: the graph cannot be written.
        ModelError: the exported graph of a network whose export is sure computes something else.
        MissingExtraError: torch or onnx is needed for an export and not installed.
    """
    check_choices(device, precision)
    if is_here and device == "cuda":
        _torch_engine(device).check_device(device)
    if device != "cuda" and (graph or backbone(feature_spec.backbone).export != "never"):
        # OpenVINO is loaded only where it is used.
        from mlsp.features.engines.openvino_engine import processor_precision

        # Before an export, which takes a minute.
        resolved = processor_precision(precision)
        graph = graph or _cached_graph_if_possible(feature_spec, weights, on_download)
        if graph is not None:
            return RunnableBackbone(feature_spec, resolved, graph, "openvino", "cpu")
    spec = backbone(feature_spec.backbone)
    found = find_weights(
        spec,
        weights,
        sha256=feature_spec.weights_sha256,
        on_download=on_download,
    )
    if precision == "auto":
        precision = _cuda_precision() if device == "cuda" else "float32"
    return RunnableBackbone(
        feature_spec,
        cast(Precision, precision),
        found.file,
        "torch",
        "cuda" if device == "cuda" else "cpu",
    )


def open_backbone(
    feature_spec: FeatureSpec,
    *,
    graph: Path | None = None,
    weights: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    photos: int | None = None,
    on_download: Progress | None = None,
) -> Engine:
    """Open a network on this machine; for arguments and errors see `plan_backbone` and `RunnableBackbone.open`."""
    plan = plan_backbone(
        feature_spec,
        graph=graph,
        weights=weights,
        device=device,
        precision=precision,
        on_download=on_download,
        is_here=True,
    )
    return plan.open(photos=photos)


def runs_from_weights(feature_spec: FeatureSpec, weights: Path | None) -> bool:
    """Return whether a network without a graph can be opened: its weights are given, or are those of a record that is known here."""
    if weights is not None:
        return True
    try:
        spec = backbone(feature_spec.backbone)
    except SettingsError:
        return False
    return may_be_published(spec, feature_spec.weights_sha256)


def _cached_graph_if_possible(
    feature_spec: FeatureSpec,
    weights: Path | None,
    on_download: Progress | None,
) -> Path | None:
    """Return the cached graph; None for a network whose export failed, with the reason in the log."""
    try:
        return cached_graph(feature_spec, weights, on_download=on_download)
    except ModelError as error:
        if backbone(feature_spec.backbone).export == "sure":
            raise
        _log.warning(
            "mlsp: note: torch runs %s, since it has no graph for photos of every size: %s",
            feature_spec.backbone,
            error,
        )
        return None


def _cuda_precision() -> Precision:
    """Return the precision that `auto` is on this machine's CUDA device; also for a machine that only plans, without torch."""
    try:
        precision: Precision = _torch_engine("cuda").cuda_precision()
    except MissingExtraError:
        # It runs on another machine, which has torch.
        return "bfloat16"
    return precision


def _torch_engine(device: str) -> ModuleType:
    """Import the torch engine by its name, so that scoring on the processor does not depend on torch."""
    with needs_extra(f"Device {device!r}", "train", "torch"):
        return importlib.import_module("mlsp.features.engines.torch_engine")
