"""The networks: one frozen record each, and their torch definitions in one file each.

This table loads no torch: scoring and stores need only the records. `build_network` imports the definition.
"""

from __future__ import annotations

from mlsp.backbones.registry import (
    BACKBONES,
    DETAIL_SIDE,
    OVERVIEW_AND_DETAIL,
    TIMM_PREFIX,
    BackboneSpec,
    Level,
    Preprocessing,
    WeightsFile,
    WeightsLayout,
    backbone,
    build_network,
)

__all__ = [
    "BACKBONES",
    "DETAIL_SIDE",
    "OVERVIEW_AND_DETAIL",
    "TIMM_PREFIX",
    "BackboneSpec",
    "Level",
    "Preprocessing",
    "WeightsFile",
    "WeightsLayout",
    "backbone",
    "build_network",
]
