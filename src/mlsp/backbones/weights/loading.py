"""Reads trained weights as arrays, and builds networks with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlsp.backbones import BackboneSpec, build_network
from mlsp.backbones.weights.finding import find_weights
from mlsp.base.errors import needs_extra

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """Weights in memory.

    Attributes:
        state: arrays by the names of the network that `build_network` builds.
        sha256: of the file they were read from, in hexadecimal.
        source: the published address where the file is known to be that one; otherwise the file's name.
        layout: how the file names its arrays.
    """

    state: dict[str, Tensor]
    sha256: str
    source: str
    layout: str


def load_weights(spec: BackboneSpec, file: Path | None = None) -> LoadedWeights:
    """Read trained weights for a network.

    Args:
        spec: record of the network.
        file: file of weights in any layout of the network; by default the preferred published one, found or downloaded.

    Returns:
        Every array of the network, float32.

    Raises:
        WeightsError: the file is missing, damaged or of another network.
        MissingExtraError: torch is not installed.
    """
    return _load(spec, file)[1]


def load_network(spec: BackboneSpec, file: Path | None = None) -> tuple[nn.Module, str]:
    """Build a network with trained weights, in evaluation mode.

    Args:
        spec: record of the network.
        file: as `load_weights` takes it.

    Returns:
        The network as `build_network` builds it, and the SHA-256 of its weights file.

    Raises:
        WeightsError: the file is missing, damaged or of another network.
        MissingExtraError: torch is not installed.
    """
    network, weights = _load(spec, file)
    network.load_state_dict(weights.state, strict=True, assign=True)
    return network, weights.sha256


def _load(spec: BackboneSpec, file: Path | None) -> tuple[nn.Module, LoadedWeights]:
    with needs_extra("Reading weights", "train", "torch", "safetensors"):
        import torch

        from mlsp.backbones.weights.layouts import read_state
    # Only names and shapes are needed; random numbers for 50 million weights would take longer than reading the file.
    with torch.device("meta"):
        network = build_network(spec)
    found = find_weights(spec, file)
    record = found.published
    layouts = spec.layouts if record is None else (record.layout,)
    state, layout = read_state(found.file, network, spec.name, layouts)
    source = found.file.name if record is None else record.url
    return network, LoadedWeights(state, found.sha256, source, layout)
