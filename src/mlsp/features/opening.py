"""A network before it is opened: what runs it here, its exported graph by OpenVINO or its weights by torch, and what its features will be."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal, cast

from mlsp.backbones import TIMM_PREFIX, BackboneSpec, backbone
from mlsp.base.errors import MissingExtraError, ModelError
from mlsp.features.engines import (
    Engine,
    Precision,
    check_choices,
    load_torch_engine,
    open_engine,
    open_network,
)
from mlsp.features.graph_cache import (
    ExportedBackbone,
    choose_levels,
    exported_backbone,
    find_weights,
)
from mlsp.features.spec import FeatureSpec, Grid
from mlsp.photos.crops import ViewsName

Runtime = Literal["openvino", "torch"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunnableBackbone:
    """A network that is yet to be opened, here or on another machine; can be pickled.

    Attributes:
        feature_spec: what its features are.
        precision: number format in which it computes, never `auto`.
        file: its graph for OpenVINO, its weights for torch; may be a copy, but of the same ending.
        runtime: what runs it.
        device: where.
    """

    feature_spec: FeatureSpec
    precision: Precision
    file: Path
    runtime: Runtime
    device: Literal["cpu", "cuda"]

    def open(self, *, streams: int | None = None) -> Engine:
        """Open it on this machine.

        Args:
            streams: batches computed at the same time by OpenVINO, one core each; one a core by default.

        Raises:
            SettingsError: this machine lacks the device or the precision.
            ModelError: the graph cannot be read.
            WeightsError: the weights cannot be read, or are others.
            MissingExtraError: torch is needed and not installed.
        """
        if self.runtime == "openvino":
            return open_engine(
                self.file,
                self.feature_spec,
                device="cpu",
                precision=self.precision,
                streams=streams,
            )
        spec = backbone(self.feature_spec.backbone)
        return open_network(
            spec, self.file, self.feature_spec, device=self.device, precision=self.precision
        )

    def check_device(self) -> None:
        """Refuse a device that this machine lacks.

        Raises:
            SettingsError: it has no CUDA device.
            MissingExtraError: torch is needed and not installed.
        """
        if self.runtime == "torch":
            load_torch_engine(self.device).check_device(self.device)

    def versions(self) -> dict[str, str]:
        """Versions, on this machine, of the packages on which the features depend.

        Raises:
            MissingExtraError: torch is needed and not installed.
        """
        try:
            return {name: version(name) for name in ("mlsp", self.runtime)}
        except ModuleNotFoundError as error:
            raise MissingExtraError(f"Device {self.device!r}", "train") from error


def runnable_backbone(
    spec: BackboneSpec,
    weights: Path | None = None,
    *,
    grid: Grid,
    levels: Iterable[str] | None = None,
    views: ViewsName = "whole",
    longest_side: int | None = None,
    resize: tuple[int, int] | None = None,
    device: str = "auto",
    precision: str = "auto",
    cache_dir: Path | None = None,
) -> RunnableBackbone:
    """Find or download a network's weights, and export it once where OpenVINO runs it; nothing is opened.

    OpenVINO runs it on the processor, torch on a CUDA device. On the processor, too, torch runs networks that cannot be exported, in
    float32 unless another precision is asked for: the transformers of timm, by their record, and such convolutional networks of timm as
    turn out so; then the log says why.

    Args:
        spec: record of the network.
        weights: file of weights; by default the record's preferred one, found or downloaded.
        grid: 1 or 5 cells of each side of a pooled map.
        levels: names of the levels to keep, in any order; all by default.
        views: what of the photo the network sees.
        longest_side: photos are reduced to this many pixels first; None for never.
        resize: width and height that every photo is brought to first; None for its own.
        device: see `mlsp.features.engines.engine.open_engine`.
        precision: number format. `auto` is what this machine's processor or CUDA device takes; where the device is `cuda` and this
            machine has none, it is bfloat16.
        cache_dir: see `mlsp.backbones.weights.loading.weights_folder`.

    Raises:
        SettingsError: an argument is unknown, or this machine's processor lacks the precision.
        WeightsError: the weights cannot be had, or are of another network.
        OutputError: the graph cannot be written.
        ModelError: the graph of a network that is not timm's does not compute what the network does.
        MissingExtraError: torch or onnx is needed for an export and not installed.
    """
    check_choices(device, precision)
    names = choose_levels(spec, levels)
    if device != "cuda" and spec.is_exportable:
        # OpenVINO is loaded only where it is used.
        from mlsp.features.engines.openvino_engine import processor_precision

        # Before the export, which takes a minute.
        computed_in = processor_precision(precision)
        exported = _exported_if_possible(spec, weights, grid, names, cache_dir)
        if exported is not None:
            feature_spec = exported.feature_spec(views, longest_side, resize)
            return RunnableBackbone(feature_spec, computed_in, exported.file, "openvino", "cpu")
    file, sha256 = find_weights(spec, weights, cache_dir)
    feature_spec = FeatureSpec(spec.name, sha256, names, views, longest_side, grid, resize)
    if precision == "auto":
        precision = _cuda_precision() if device == "cuda" else "float32"
    place: Literal["cpu", "cuda"] = "cuda" if device == "cuda" else "cpu"
    return RunnableBackbone(feature_spec, cast(Precision, precision), file, "torch", place)


def _exported_if_possible(
    spec: BackboneSpec,
    weights: Path | None,
    grid: Grid,
    levels: tuple[str, ...],
    cache_dir: Path | None,
) -> ExportedBackbone | None:
    """None for such convolutional networks of timm as cannot be exported; then the log says why."""
    try:
        return exported_backbone(spec, weights, grid=grid, levels=levels, cache_dir=cache_dir)
    except ModelError as error:
        if not spec.name.startswith(TIMM_PREFIX):
            raise
        _log.warning(
            "mlsp: note: torch runs %s, since it has no graph for photos of every size: %s",
            spec.name,
            error,
        )
        return None


def _cuda_precision() -> Precision:
    """What `auto` means on this machine's CUDA device; also for a machine that only plans, without torch."""
    try:
        precision: Precision = load_torch_engine("cuda").cuda_precision()
    except MissingExtraError:
        # It runs on another machine, which has torch.
        return "bfloat16"
    return precision
