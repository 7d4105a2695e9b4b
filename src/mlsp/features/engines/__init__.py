"""Inference engines: crops of one size -> pooled features.

    engine             the protocol
    compiled_graph     one exported graph on the processor
    openvino_engine    exported graphs and heads on the processor
    torch_engine       networks on a CUDA device, and those that cannot be exported
    batching_engine    photos of several threads in one batch
    decode_limiter     bounds the photos in memory

Imports backbones, photos and base. The one way to open an engine is `mlsp.features.opening.open_backbone`.
"""

from __future__ import annotations

from mlsp.features.engines.engine import Engine, Precision, check_choices

__all__ = ["Engine", "Precision", "check_choices"]
