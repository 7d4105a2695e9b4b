"""What runs a network: the protocol all engines keep, a fake one for tests, and the way to open one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from mlsp.arrays import Float32Array, UInt8Array
from mlsp.errors import SettingsError, unknown_name
from mlsp.feature_kind import FeatureKind

Device = Literal["auto", "cpu"]
Precision = Literal["auto", "float32", "bfloat16"]
DEVICES: tuple[Device, ...] = ("auto", "cpu")
PRECISIONS: tuple[Precision, ...] = ("auto", "float32", "bfloat16")


class Engine(Protocol):
    """A network that turns photos into features. Several threads may call it at once."""

    @property
    def kind(self) -> FeatureKind:
        """What its features are."""

    @property
    def precision(self) -> Precision:
        """Number format it computes in, never `auto`."""

    def pooled(self, batch: UInt8Array) -> Float32Array:
        """Compute features.

        Args:
            batch: photos of one size, RGB, (N, H, W, 3), both sides at least the network's smallest side.

        Returns:
            (N, G, G, C), in the order of the batch.
        """


@dataclass(frozen=True, slots=True)
class ConstantEngine:
    """A fake for tests: the features of a photo are its mean red, green and blue, repeated.

    Attributes:
        kind: what its features pretend to be.
        channels: of a feature.
    """

    kind: FeatureKind
    channels: int = 3
    precision: Precision = "float32"

    def pooled(self, batch: UInt8Array) -> Float32Array:
        """Mean colour, 0…1, of each photo, in every cell; see `Engine.pooled`."""
        means = batch.mean(axis=(1, 2), dtype=np.float64).astype(np.float32) / np.float32(255)
        repeated = np.resize(np.arange(3), self.channels)
        grid = self.kind.grid
        return np.broadcast_to(
            means[:, None, None, repeated], (len(batch), grid, grid, self.channels)
        ).copy()


def usable_cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def open_engine(
    file: Path,
    kind: FeatureKind,
    *,
    device: str = "auto",
    precision: str = "auto",
    streams: int | None = None,
) -> Engine:
    """Open an exported network.

    Args:
        file: ONNX graph as `mlsp.export.export_backbone` writes it.
        kind: what its features are.
        device: `auto` or `cpu`.
        precision: `auto` is bfloat16 where the processor has it, float32 elsewhere.
        streams: batches computed at the same time, one core each; one a core by default.

    Raises:
        SettingsError: an argument is unknown.
        ModelError: the graph cannot be read.
    """
    from mlsp.engines.openvino_engine import OpenVinoEngine

    if device not in DEVICES:
        raise SettingsError(unknown_name("device", device, DEVICES))
    if precision not in PRECISIONS:
        raise SettingsError(unknown_name("precision", precision, PRECISIONS))
    return OpenVinoEngine(file, kind, precision=precision, streams=streams or usable_cores())
