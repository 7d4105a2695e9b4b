"""What runs a network: the protocol all engines keep, a fake one for tests, and the way to open one."""

from __future__ import annotations

from mlsp.features.engines.engine import (
    ConstantEngine,
    Engine,
    Precision,
    check_choices,
    load_torch_engine,
    open_engine,
    open_network,
)

__all__ = [
    "ConstantEngine",
    "Engine",
    "Precision",
    "check_choices",
    "load_torch_engine",
    "open_engine",
    "open_network",
]
