"""What a CUDA device does with the networks: how exact, how fast, and what fine-tuning takes of its memory.

    python benchmarks/gpu.py [--only networks finetuning] [--networks inception_v3 …] [--json FILE]

Networks have random weights, which compute as fast as trained ones; photos are noise of 629×497, AVA's mean size. Photos/s are of one thread that
hands decoded photos to the engine and gets wide features of all levels back in the processor's memory, as float32. The share of the peak is the
network's floating-point operations a second over those of a large matrix product in the same number format on the same device. Fine-tuning: steps
of 32 views of 7/8 of such a photo, Single-3FC on all levels, in bfloat16. `training.py --device cuda` does the same for heads.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from extraction import (  # type: ignore[import-not-found]  # beside this file
    HEIGHT,
    SHA256,
    WIDTH,
    flops,
    noise,
    print_row,
)
from torch import nn

from mlsp.backbones import BackboneSpec, backbone, build_network
from mlsp.base.arrays import Float32Array
from mlsp.features.engines.torch_engine import TorchEngine, check_device
from mlsp.features.spec import FeatureSpec
from mlsp.models.heads import HeadSpec, build_head
from mlsp.training.finetuning.network import FinetunedNetwork, checkpointed
from mlsp.training.finetuning.photos import pieces
from mlsp.training.operations import matrix_peak

NETWORKS = ("inception_v3", "inception_resnet_v2", "efficientnet_lite2")
PRECISIONS = ("float32", "bfloat16", "float16")
BATCHES = (1, 4, 16)
VIEWS = 32


def random_network(spec: BackboneSpec) -> nn.Module:
    """The same on every machine."""
    torch.manual_seed(0)
    return build_network(spec).eval()


def engine_of(spec: BackboneSpec, network: nn.Module, device: str, precision: str) -> TorchEngine:
    """Wide features of all levels."""
    levels = tuple(level.name for level in spec.levels)
    feature_spec = FeatureSpec(spec.name, SHA256, levels, "whole", None, 5)
    return TorchEngine(network, spec, feature_spec, device=device, precision=precision)


def worst_error(spec: BackboneSpec, found: Float32Array, expected: Float32Array) -> float:
    """Largest difference of a level over the level's root mean square: the largest of all levels."""
    bounds = np.cumsum([0, *(level.channels for level in spec.levels)])
    difference = np.abs(found - expected)
    return max(
        float(difference[..., start:end].max() / np.sqrt((expected[..., start:end] ** 2).mean()))
        for start, end in itertools.pairwise(bounds)
    )


def networks(names: list[str], device: str, repeats: int) -> list[dict[str, object]]:
    """Errors against float32 on the processor, and photos/s, by precision and photos at a time."""
    rows: list[dict[str, object]] = []
    for name in names:
        spec = backbone(name)
        network = random_network(spec)
        photos = noise(max(BATCHES))
        expected = engine_of(spec, network, "cpu", "float32").pooled(photos[:1])
        operations = flops(name, "whole")
        for precision in PRECISIONS if device == "cuda" else PRECISIONS[:2]:
            engine = engine_of(spec, network, device, precision)
            peak = matrix_peak(precision, device)
            error = worst_error(spec, engine.pooled(photos[:1]), expected)
            for batch in BATCHES:
                seconds = []
                for _ in range(repeats + 2):
                    started = time.perf_counter()
                    engine.pooled(photos[:batch])
                    seconds.append(time.perf_counter() - started)
                # The first two choose kernels and take memory.
                rate = batch / statistics.median(seconds[2:])
                row: dict[str, object] = {
                    "network": name,
                    "precision": precision,
                    "worst_error": error,
                    "photos_at_once": batch,
                    "photos_per_s": rate,
                    "matrix_peak_gflops": peak / 1e9,
                    "share_of_peak": operations * rate / peak,
                }
                rows.append(row)
                print_row(row)
    return rows


def finetuning(names: list[str], device: str, repeats: int) -> list[dict[str, object]]:
    """Views/s learned from and the device's memory: the batch at once, in eight pieces, and with checkpointing."""
    rows: list[dict[str, object]] = []
    height, width = HEIGHT * 7 // 8, WIDTH * 7 // 8
    views = [view[None] for view in noise(VIEWS, width, height)]
    targets = torch.rand(VIEWS, 1, device=device)
    for name in names:
        spec = backbone(name)
        head = build_head(HeadSpec("single_3fc"), spec.levels)
        network = FinetunedNetwork(random_network(spec), spec, head, dtype=torch.bfloat16)
        network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's types
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-5)

        def step(at_once: int, learner: FinetunedNetwork, adam: torch.optim.Adam) -> None:
            parts = pieces(views, at_most=at_once, device=torch.device(device))
            adam.zero_grad()
            learner.learn_from(parts, targets, nn.functional.mse_loss)
            adam.step()

        for at_once, is_checkpointed in ((VIEWS, False), (VIEWS // 8, False), (VIEWS, True)):
            if device == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            seconds = []
            try:
                for _ in range(repeats + 1):
                    started = time.perf_counter()
                    if is_checkpointed:
                        with checkpointed(network.network):
                            step(at_once, network, optimizer)
                    else:
                        step(at_once, network, optimizer)
                    if device == "cuda":
                        torch.cuda.synchronize()
                    seconds.append(time.perf_counter() - started)
            except torch.cuda.OutOfMemoryError:
                seconds = [float("inf")] * 2
            taken = torch.cuda.max_memory_allocated() if device == "cuda" else float("nan")
            row: dict[str, object] = {
                "fine_tuned": name,
                "views_at_once": at_once,
                "checkpointing": is_checkpointed,
                "views_per_s": VIEWS / statistics.median(seconds[1:]),
                "peak_gb": taken / 1e9,
                "kib_a_pixel": taken / 1024 / (at_once * height * width),
            }
            rows.append(row)
            print_row(row)
    return rows


def main() -> None:
    """Measure, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parts = {"networks": networks, "finetuning": finetuning}
    parser.add_argument("--only", nargs="+", choices=list(parts), default=list(parts))
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", type=Path)
    settings = parser.parse_args()
    check_device(settings.device)
    found = []
    for name in settings.only:
        found += parts[name](settings.networks, settings.device, settings.repeats)
    if settings.json is not None:
        settings.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
