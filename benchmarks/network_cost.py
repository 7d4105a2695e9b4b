"""Cost of networks as frozen features: levels, channels, arithmetic and time of one photo, with untrained weights.

    python benchmarks/network_cost.py inception_resnet_v2 timm:vit_small_patch14_dinov2 --size 629x497

Products are counted by torch, one per multiplication with its addition. Seconds are those of torch on this machine, in float32 by the
processors that torch uses; compare them with each other only.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mlsp.backbones import backbone, build_network
from mlsp.backbones.pooled import PooledNetwork


def measure(name: str, width: int, height: int, repeats: int) -> str:
    """Return a row of the table."""
    spec = backbone(name)
    network = PooledNetwork(build_network(spec), spec, 1).eval()
    photo = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)
    )
    counter = FlopCounterMode(display=False)
    with torch.no_grad():
        # Fused attention is not counted on the processor.
        with counter, sdpa_kernel(SDPBackend.MATH):
            network(photo)
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            network(photo)
            times.append(time.perf_counter() - start)
    weights = sum(array.numel() for array in network.parameters()) / 1e6
    products = counter.get_total_flops() / 2e9
    return f"| `{name}` | {len(spec.levels)} | {spec.channels:,} | {weights:.0f} M | {products:.0f} G | {min(times):.2f} |"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("networks", nargs="+", metavar="NAME")
    parser.add_argument("--size", default="629x497", metavar="WxH")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    print("| network | levels | channels | weights | products a photo | s |")
    print("|---|---|---|---|---|---|")
    for name in arguments.networks:
        print(measure(name, width, height, arguments.repeats), flush=True)


if __name__ == "__main__":
    main()
