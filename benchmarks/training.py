"""How fast heads learn from stored features: epochs from memory and from the file, reading alone, the head alone, and the floor.

    python benchmarks/training.py [--rows 235574] [--wide-rows 512] [--only narrow wide] [--device cuda] [--json FILE]

The file is synthetic: InceptionResNet-v2's 16,928 channels, narrow float16, one view; every row is really read and checked. The floor of a
step is the arithmetic of its products over the speed of a large matrix product on the same cores or the same CUDA device: two of the first dense
layer (its input needs no gradient), three of the others. The rest of a step is memory: Adam reads and writes 28 bytes a weight.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlsp.backbones import Level, backbone
from mlsp.base.machine import usable_cores
from mlsp.features.spec import FeatureSpec, Grid
from mlsp.features.store.schema import StoreLayout
from mlsp.features.store.store import FeatureStore
from mlsp.models.heads import HeadSpec, build_head
from mlsp.training.adam import KerasAdam
from mlsp.training.batches import FeatureBatches, training_batches
from mlsp.training.operations import head_operations, matrix_peak
from mlsp.training.trainable_head import trainable_head

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
BATCH = 128


def make_store(path: Path, rows: int, grid: Grid, levels: list[Level]) -> None:
    """Write rows that repeat 64 different ones."""
    feature_spec = FeatureSpec(
        "synthetic", "0" * 64, tuple(level.name for level in levels), "whole", None, grid
    )
    layout = StoreLayout(feature_spec, tuple(level.channels for level in levels), (grid,))
    rng = np.random.default_rng(0)
    shape = (64, 1, grid, grid, layout.channels)
    different = np.maximum(rng.standard_normal(shape, dtype=np.float32), 0)
    with FeatureStore.create(path, layout, [f"{row}.jpg" for row in range(rows)]) as store:
        for row in range(rows):
            store.write(
                row, {grid: different[row % 64]}, width=640, height=480, content_sha256="0" * 64
            )


def reading(store: FeatureStore, grid: Grid, rows: int, steps: int) -> float:
    """Rows/s of random rows from the file, in batches."""
    batches = FeatureBatches(store, np.arange(rows), grid, memory_bytes=0)
    wanted = list(training_batches(np.arange(rows), size=BATCH, views=1, seed=0, epoch=0))[:steps]
    started = time.perf_counter()
    count = sum(len(array) for array in batches.read(wanted))
    return count / (time.perf_counter() - started)


def learning(
    store: FeatureStore,
    spec: HeadSpec,
    levels: list[Level],
    precision: str,
    rows: int,
    steps: int,
    *,
    device: str,
) -> dict[str, float]:
    """Seconds a step: the head alone, from memory and from the file."""
    on = torch.device(device)
    head = trainable_head(build_head(spec, levels), on, PRECISIONS[precision]).train()
    optimizer = KerasAdam(head, 1e-4)
    dtype = PRECISIONS[precision] if spec.grid > 1 else torch.float32

    def step(array: Any) -> None:
        features = torch.from_numpy(array)[:, 0].to(on).to(dtype)
        loss = (head.outputs(features) - 5).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        # As training does, which also waits for the device so.
        loss.item()

    wanted = list(training_batches(np.arange(rows), size=BATCH, views=1, seed=0, epoch=1))[:steps]
    streamed = FeatureBatches(store, np.arange(rows), spec.grid, memory_bytes=0)
    array = next(iter(streamed.read(wanted[:1])))
    step(array)
    seconds: list[float] = []
    for _ in range(steps):
        started = time.perf_counter()
        step(array)
        seconds.append(time.perf_counter() - started)
    found = {"head_s": statistics.median(seconds)}
    held = FeatureBatches(store, np.arange(rows), spec.grid)
    for name, source in (("memory_s", held), ("file_s", streamed)):
        if name == "memory_s" and not source.in_memory:
            continue
        source.load()
        started = time.perf_counter()
        for batch in source.read(wanted):
            step(batch)
        found[name] = (time.perf_counter() - started) / len(wanted)
    return found


def measure(
    folder: Path, name: str, levels: list[Level], rows: int, steps: int, *, device: str
) -> list[dict[str, object]]:
    """One line a precision."""
    spec = HeadSpec(name)
    path = folder / f"{name}-{len(levels)}.h5"
    make_store(path, rows, spec.grid, levels)
    found: list[dict[str, object]] = []
    size = min(BATCH, rows)
    flops = size * head_operations(spec, levels)
    with FeatureStore.open(path) as store:
        read = reading(store, spec.grid, rows, steps)
        for precision in PRECISIONS:
            peak = matrix_peak(precision, device)
            seconds = learning(store, spec, levels, precision, rows, steps, device=device)
            slowest = seconds["file_s"]
            row = {
                "head": name,
                "device": device,
                "channels": sum(level.channels for level in levels),
                "precision": precision,
                "rows": rows,
                "reading_alone_rows_per_s": read,
                **{
                    key.replace("_s", "_rows_per_s"): size / value for key, value in seconds.items()
                },
                "epoch_s_from_file": rows / size * slowest,
                "epoch_s_from_memory": rows / size * seconds.get("memory_s", float("nan")),
                "gflop_a_step": flops / 1e9,
                "matrix_peak_gflops": peak / 1e9,
                "floor_epoch_s": rows / size * flops / peak,
                "share_of_floor": flops / peak / slowest,
            }
            found.append(row)
            print(", ".join(f"{key} {_shown(value)}" for key, value in row.items()), flush=True)
    path.unlink()
    return found


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Measure, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=["narrow", "wide"], default=["narrow", "wide"])
    parser.add_argument("--rows", type=int, default=235_574, help="of the narrow file")
    parser.add_argument("--wide-rows", type=int, default=512)
    parser.add_argument(
        "--steps", type=int, default=40, help="measured of each; all of an epoch: 1841"
    )
    parser.add_argument("--wide-steps", type=int, default=2)
    parser.add_argument(
        "--levels", type=int, nargs="+", default=[43], help="last levels of wide heads"
    )
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--folder", type=Path, help="where the files are made; default: temporary")
    parser.add_argument("--json", type=Path)
    settings = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: settings.cores])
    torch.set_num_threads(usable_cores())
    levels = list(backbone("inception_resnet_v2").levels)
    found: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(dir=settings.folder) as name:
        folder = Path(name)
        if "narrow" in settings.only:
            found += measure(
                folder,
                "single_3fc",
                levels,
                settings.rows,
                settings.steps,
                device=settings.device,
            )
        if "wide" in settings.only:
            for count in settings.levels:
                for head in ("pool_3fc_released", "pool_3fc"):
                    found += measure(
                        folder,
                        head,
                        levels[-count:],
                        settings.wide_rows,
                        settings.wide_steps,
                        device=settings.device,
                    )
    if settings.json is not None:
        settings.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
