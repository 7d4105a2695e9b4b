"""Networks: one frozen record and one torch definition each.

    records        what a network is: levels, preprocessing, weights files, export
    catalogue      the embedded networks
    registry       record by name, network of a record, a user's own network
    inception_v3, inception_resnet_v2, efficientnet_lite, timm_backbone
                   torch definitions
    pooled         preprocessing, network and pooling as one torch module
    weights/       trained weights: found, downloaded, verified, read

Imports base. The records load no torch: scoring and stores need no more; `build_network` loads the definition. The one way to open a
network for its features is `mlsp.features.opening.open_backbone`.
"""

from __future__ import annotations

from mlsp.backbones.records import (
    BackboneSpec,
    Level,
    Preprocessing,
    WeightsFile,
    WeightsLayout,
)
from mlsp.backbones.registry import (
    BACKBONES,
    backbone,
    build_network,
    list_backbones,
    register_backbone,
)

__all__ = [
    "BACKBONES",
    "BackboneSpec",
    "Level",
    "Preprocessing",
    "WeightsFile",
    "WeightsLayout",
    "backbone",
    "build_network",
    "list_backbones",
    "register_backbone",
]
