"""Network and head that a run begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from mlsp.backbones import BackboneSpec


@dataclass(frozen=True, slots=True)
class Pretrained:
    """Network and head that a run begins with.

    Attributes:
        network: as `mlsp.backbones.weights.loading.load_network` returns it; its weights are changed.
        spec: its record.
        origin: of its weights and their licence, for the model's card.
        head: weights of a head that learned from this network's features; None for a head that has learned nothing.
    """

    network: nn.Module
    spec: BackboneSpec
    origin: str
    head: Mapping[str, Tensor] | None = None
