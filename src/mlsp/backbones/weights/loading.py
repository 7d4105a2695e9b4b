"""Builds networks with trained weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlsp.backbones import BackboneSpec, build_network
from mlsp.backbones.weights.finding import find_weights
from mlsp.base.errors import needs_extra

if TYPE_CHECKING:
    from torch import nn


def load_network(spec: BackboneSpec, file: Path | None = None) -> tuple[nn.Module, str]:
    """Build a network with trained weights, in evaluation mode.

    Args:
        spec: record of the network.
        file: file of weights in any layout of the network; by default the preferred published one, found or downloaded.

    Returns:
        The network as `build_network` builds it, in float32, and the SHA-256 of its weights file.

    Raises:
        WeightsError: the file is missing, damaged or of another network.
        MissingExtraError: torch is not installed.
    """
    with needs_extra("Reading weights", "train", "torch", "safetensors"):
        import torch

        from mlsp.backbones.weights.layouts import read_state
    # Only names and shapes are needed; random numbers for 50 million weights would take longer than reading the file.
    with torch.device("meta"):
        network = build_network(spec)
    found = find_weights(spec, file)
    layouts = spec.layouts if found.published is None else (found.published.layout,)
    state = read_state(found.file, network, spec.name, layouts)
    network.load_state_dict(state, strict=True, assign=True)
    return network, found.sha256
