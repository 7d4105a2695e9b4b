"""Arithmetic of networks and heads, and the speed of this machine's: what a run takes, before it is run."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

from mlsp.backbones import BackboneSpec, Level, build_network
from mlsp.base.machine import usable_cores
from mlsp.models.heads import HeadSpec
from mlsp.models.heads.score_head import empty_head

_PRODUCTS = 6


def matrix_peak(precision: str, device: str = "cpu") -> float:
    """Return the floating-point operations per second of a large matrix product, the best of several.

    Measured beside each run, because the speed of a shared machine drifts: 183 and 201 GFLOP/s were seen in two processes. A network may
    still come out a little above it.

    Args:
        precision: `float32` or `bfloat16`.
        device: `cpu`, all usable cores of it, or `cuda`.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(usable_cores())
    size = 2048 if device == "cpu" else 8192
    dtype = getattr(torch, precision)
    left, right = (torch.randn(size, size, dtype=dtype, device=device) for _ in range(2))
    seconds = []
    for _ in range(_PRODUCTS):
        started = time.perf_counter()
        torch.mm(left, right)
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    torch.set_num_threads(threads)
    return 2.0 * size**3 / min(seconds)


def head_operations(spec: HeadSpec, levels: Sequence[Level]) -> float:
    """Return the floating-point operations of learning from one photo's features, forward and back, counted without computing."""
    photos = 4
    head = empty_head(spec, levels).to("meta").train()
    shape = (photos, spec.grid, spec.grid, sum(level.channels for level in levels))
    with FlopCounterMode(display=False) as counter:
        head.outputs(torch.zeros(shape, device="meta")).sum().backward()  # type: ignore[no-untyped-call]
    return float(counter.get_total_flops()) / photos


def network_operations(spec: BackboneSpec, width: int, height: int) -> float:
    """Return the floating-point operations of a network's pass forward, counted without computing or weights.

    Args:
        spec: of the network.
        width: of the photo, in pixels.
        height: of the photo, in pixels.
    """
    network = build_network(spec).eval().to("meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, height, width, device="meta"))
    return float(counter.get_total_flops())
