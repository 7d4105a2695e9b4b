"""A network of an extraction before it is opened: what its features will be, and the file from which any machine can open it."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal, cast

from mlsp.backbones import BackboneSpec, backbone
from mlsp.engines import check_choices, load_torch_engine, open_engine, open_network
from mlsp.errors import MissingExtraError, SettingsError
from mlsp.exported_backbones import exported_if_possible, find_weights
from mlsp.extraction import ExtractionNetwork
from mlsp.extraction_network import GRIDS, NetworkSettings, chosen_levels, layout_of
from mlsp.feature_kind import FeatureKind
from mlsp.feature_store import StoreLayout
from mlsp.views import ViewsName

Runtime = Literal["openvino", "torch"]


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """A network that is yet to be opened, here or on another machine; can be pickled.

    Attributes:
        layout: of the feature file; its kind and precision are those of the network, never `auto`.
        smallest_side: pixels that the network needs of each side of a view.
        file: its graph for OpenVINO, its weights for torch; may be a copy, but of the same ending.
        runtime: what runs it.
        device: where.
    """

    layout: StoreLayout
    smallest_side: int
    file: Path
    runtime: Runtime
    device: Literal["cpu", "cuda"]

    def open(self, *, streams: int | None = None) -> ExtractionNetwork:
        """Open the network on this machine.

        Args:
            streams: photos computed at the same time by OpenVINO, one core each; one a core by default.

        Raises:
            SettingsError: this machine lacks the device or the precision, or the network gives other features.
            ModelError: the graph cannot be read.
            WeightsError: the weights cannot be read, or are others.
            MissingExtraError: torch is needed and not installed.
        """
        layout = self.layout
        if self.runtime == "openvino":
            engine = open_engine(
                self.file, layout.kind, device="cpu", precision=layout.precision, streams=streams
            )
        else:
            engine = open_network(
                backbone(layout.kind.backbone),
                self.file,
                layout.kind,
                device=self.device,
                precision=layout.precision,
            )
        if engine.channels != layout.channels:
            raise SettingsError(
                f"{self.file.name} makes features of {engine.channels} channels, the feature file holds {layout.channels}"
            )
        return ExtractionNetwork(engine, layout, self.smallest_side)

    def check_device(self) -> None:
        """Refuse a device that this machine lacks.

        Raises:
            SettingsError: it has no CUDA device.
            MissingExtraError: torch is needed and not installed.
        """
        if self.runtime == "openvino":
            return
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


def plan_network(settings: NetworkSettings) -> NetworkPlan:
    """Find or download a network's weights, and export it once where OpenVINO runs it; nothing is opened.

    `auto` precision is what this machine's processor or CUDA device takes; where the device is `cuda` and this machine has none, it is
    bfloat16.

    Raises:
        SettingsError: an argument is unknown, or this machine's processor lacks the precision.
        WeightsError: the weights cannot be had, or are of another network.
        MissingExtraError: torch, or what compresses, is needed and not installed.
    """
    check_choices(settings.device, settings.precision)
    spec = backbone(settings.backbone)
    if settings.device != "cuda":
        planned = _plan_graph(spec, settings)
        if planned is not None:
            return planned
    file, sha256 = find_weights(spec, settings.weights)
    levels = chosen_levels(spec, settings.levels)
    kind = FeatureKind(
        spec.name,
        sha256,
        tuple(level.name for level in levels),
        cast(ViewsName, settings.views),
        settings.longest_side,
        GRIDS[settings.grid][-1],
        settings.size,
    )
    device: Literal["cpu", "cuda"] = "cuda" if settings.device == "cuda" else "cpu"
    precision = settings.precision
    if precision == "auto":
        precision = "float32" if device == "cpu" else _cuda_precision()
    return NetworkPlan(
        layout_of(settings, kind, precision), spec.smallest_side, file, "torch", device
    )


def _plan_graph(spec: BackboneSpec, settings: NetworkSettings) -> NetworkPlan | None:
    """None where only torch can run the network."""
    # OpenVINO is loaded only where it is used.
    from mlsp.engines.openvino_engine import processor_precision

    if not spec.is_exportable:
        return None
    precision = processor_precision(settings.precision)
    levels = chosen_levels(spec, settings.levels)
    exported = exported_if_possible(
        spec,
        settings.weights,
        grid=GRIDS[settings.grid][-1],
        levels=[level.name for level in levels],
    )
    if exported is None:
        return None
    kind = exported.kind(cast(ViewsName, settings.views), settings.longest_side, settings.size)
    layout = layout_of(settings, kind, precision)
    return NetworkPlan(layout, spec.smallest_side, exported.file, "openvino", "cpu")


def _cuda_precision() -> str:
    """What `auto` means to `mlsp.engines.torch_engine.TorchEngine` on this machine's CUDA device."""
    try:
        cuda = importlib.import_module("torch").cuda
    except ModuleNotFoundError:
        return "bfloat16"
    return "float16" if cuda.is_available() and not cuda.is_bf16_supported() else "bfloat16"
