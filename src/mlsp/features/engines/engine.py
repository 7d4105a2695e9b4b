"""What runs a network: the protocol all engines keep, a fake one for tests, and the way to open one."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal, Protocol

import numpy as np

from mlsp.backbones import BackboneSpec, backbone
from mlsp.base.arrays import Float32Array, UInt8Array
from mlsp.base.errors import MissingExtraError, SettingsError, unknown_name
from mlsp.base.parallel import usable_cores
from mlsp.features.spec import FeatureSpec

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
DEVICES: tuple[Device, ...] = ("auto", "cpu", "cuda")
PRECISIONS: tuple[Precision, ...] = ("auto", "float32", "bfloat16", "float16")


class Engine(Protocol):
    """A network that turns photos into features. Several threads may call it at once."""

    @property
    def feature_spec(self) -> FeatureSpec:
        """What its features are."""

    @property
    def precision(self) -> Precision:
        """Number format it computes in, never `auto`."""

    @property
    def channels(self) -> int:
        """C of its features."""

    def pooled(self, batch: UInt8Array) -> Float32Array:
        """Compute features.

        Args:
            batch: photos of one size, RGB, (N, H, W, 3), both sides at least the network's smallest side.

        Returns:
            (N, G, G, C), in the order of the batch.

        Raises:
            EngineError: the network failed on these photos, for want of memory say.
        """


@dataclass(frozen=True, slots=True)
class ConstantEngine:
    """A fake for tests: the features of a photo are its mean red, green and blue, repeated.

    Attributes:
        feature_spec: what its features pretend to be.
        channels: of a feature.
    """

    feature_spec: FeatureSpec
    channels: int = 3
    precision: Precision = "float32"

    def pooled(self, batch: UInt8Array) -> Float32Array:
        """Mean colour, 0…1, of each photo, in every cell; see `Engine.pooled`."""
        means = batch.mean(axis=(1, 2), dtype=np.float64).astype(np.float32) / np.float32(255)
        repeated = np.resize(np.arange(3), self.channels)
        grid = self.feature_spec.grid
        return np.broadcast_to(
            means[:, None, None, repeated], (len(batch), grid, grid, self.channels)
        ).copy()


def check_choices(device: str, precision: str) -> None:
    """Refuse a device, a precision or a pair of them that there is not.

    Raises:
        SettingsError: one is unknown, or the processor is to compute in float16.
    """
    if device not in DEVICES:
        raise SettingsError(unknown_name("device", device, DEVICES))
    if precision not in PRECISIONS:
        raise SettingsError(unknown_name("precision", precision, PRECISIONS))
    if precision == "float16" and device != "cuda":
        raise SettingsError(
            "precision 'float16' is for device 'cuda': use 'bfloat16', 'float32' or 'auto' on the processor"
        )


def open_engine(
    file: Path,
    feature_spec: FeatureSpec,
    *,
    device: str = "auto",
    precision: str = "auto",
    streams: int | None = None,
    weights: Path | None = None,
) -> Engine:
    """Open a network: on the processor its exported graph by OpenVINO, on a CUDA device the network itself by torch.

    Args:
        file: ONNX graph as `mlsp.features.onnx_export.export_backbone` writes it; not read for `cuda`.
        feature_spec: what its features are.
        device: `auto`, `cpu` or `cuda`. `auto` is `cpu`: finding out about CUDA takes longer than scoring some photos.
        precision: `auto` is bfloat16 where the device has it; elsewhere float32 on the processor, float16 by CUDA.
        streams: batches computed at the same time by the processor, one core each; one a core by default.
        weights: file of the network's weights, read for `cuda`; by default the published one, found or downloaded.

    Raises:
        SettingsError: an argument is unknown, or this machine lacks the device or the precision.
        ModelError: the graph cannot be read.
        WeightsError: the weights cannot be had, or they are not those of the kind.
        MissingExtraError: torch, which `cuda` needs, is not installed.
    """
    check_choices(device, precision)
    if device == "cuda":
        return open_network(
            backbone(feature_spec.backbone),
            weights,
            feature_spec,
            device="cuda",
            precision=precision,
        )
    from mlsp.features.engines.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(
        file, feature_spec, precision=precision, streams=streams or usable_cores()
    )


def open_network(
    spec: BackboneSpec,
    weights: Path | None,
    feature_spec: FeatureSpec,
    *,
    device: Literal["cpu", "cuda"],
    precision: str = "auto",
) -> Engine:
    """Open a network by torch, from its weights.

    Args:
        spec: its record.
        weights: as `mlsp.backbones.weights.loading.load_network` takes it.
        feature_spec: what its features are.
        device: where it runs.
        precision: see `mlsp.features.engines.torch_engine.TorchEngine`.

    Raises:
        SettingsError: this machine lacks the device, or the precision is unknown.
        WeightsError: the weights cannot be had, or they are not those of the kind.
        MissingExtraError: torch is not installed.
    """
    torch_engine = load_torch_engine(device)
    engine: Engine = torch_engine.open_network(
        spec, weights, feature_spec, device=device, precision=precision
    )
    return engine


def load_torch_engine(device: str) -> ModuleType:
    """Give the module `mlsp.features.engines.torch_engine`, which needs torch.

    Args:
        device: that it is for, named where torch is missing.

    Raises:
        MissingExtraError: torch is not installed.
    """
    try:
        # By its name, so that scoring on the processor does not depend on torch.
        return importlib.import_module("mlsp.features.engines.torch_engine")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError(f"Device {device!r}", "train") from error
