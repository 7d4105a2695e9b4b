"""The paper's claim on efficiency, on this machine: features once and heads on them, against fine-tuning end to end.

    python benchmarks/efficiency.py [--network inception_v3] [--steps 2] [--photos 32] [--device cuda] [--json FILE]

Measured: extraction of wide features, steps of Single-3FC and of Pool-3FC on stored features, and steps of fine-tuning with Single-3FC, on
noise of 629×497 (AVA's mean size) and with random weights, which take as long as others. Batches are the paper's: 128 rows, 32 photos. Each
part has a process of its own, whose peak memory is reported. An epoch is extrapolated from the steps to AVA's 223,795 photos to train with,
the extraction to its 255,530.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from extraction import (  # type: ignore[import-not-found]  # beside this file
    HEIGHT,
    WIDTH,
    Graphs,
    extract_arrays,
    noise,
)
from gpu import engine_of, random_network  # type: ignore[import-not-found]  # beside this file
from torch import nn
from training import learning, make_store  # type: ignore[import-not-found]  # beside this file

from mlsp.backbones import backbone
from mlsp.base.arrays import UInt8Array
from mlsp.base.machine import usable_cores
from mlsp.features.store.store import FeatureStore
from mlsp.models.heads import HeadSpec, build_head
from mlsp.training.adam import KerasAdam
from mlsp.training.finetuning.network import FinetunedNetwork
from mlsp.training.finetuning.photos import pieces

ALL_PHOTOS, TRAIN_PHOTOS = 255_530, 223_795
HEADS = {"narrow": "single_3fc", "wide": "pool_3fc"}
PARTS = ("extraction", "narrow", "wide", "finetune")
# Photos that extraction sends through a CUDA device together.
AT_ONCE = 16
# Comes before the extraction on the processor, in a process of its own: it takes more memory.
EXPORT = "export"
# Minutes, on a Titan Xp (section 1); it reports no time for the extraction.
PAPER = {"narrow": "less than 1 minute", "wide": "10 minutes", "finetune": "4.5 hours"}
Settings = argparse.Namespace


def extraction(settings: Settings) -> float:
    """Seconds a photo, all photos of one size."""
    photos = noise(max(settings.photos, usable_cores()))
    if settings.device == "cpu":
        network = Graphs(settings.folder).open(settings.network, "whole", settings.precision)
        extract_arrays(network, photos[: usable_cores()], settings.folder / "warm.h5")
        seconds: float = extract_arrays(network, photos, settings.folder / "features.h5")
        return seconds / len(photos)
    spec = backbone(settings.network)
    engine = engine_of(spec, random_network(spec), settings.device, settings.precision)
    batches = [photos[at : at + AT_ONCE] for at in range(0, len(photos), AT_ONCE)]
    engine.pooled(batches[0])
    started = time.perf_counter()
    for batch in batches:
        engine.pooled(batch)
    return (time.perf_counter() - started) / len(photos)


def head(settings: Settings) -> float:
    """Seconds a photo of learning from features in a file."""
    spec, levels = HeadSpec(HEADS[settings.part]), list(backbone(settings.network).levels)
    rows, file = 128, settings.folder / f"{settings.part}.h5"
    make_store(file, rows, spec.grid, levels)
    with FeatureStore.open(file) as store:
        options = {"device": settings.device}
        found = learning(store, spec, levels, settings.precision, rows, settings.steps, **options)
    return float(found["file_s"]) / rows


def finetune(settings: Settings) -> float:
    """Seconds a view of 7/8 of each side, of learning end to end: a batch in as many pieces as memory wants."""
    spec = backbone(settings.network)
    learner = FinetunedNetwork(
        random_network(spec),
        spec,
        build_head(HeadSpec("single_3fc"), spec.levels),
        dtype=getattr(torch, settings.precision),
    ).to(settings.device)
    optimizer = KerasAdam(learner, 1e-4)
    views = [view[None] for view in noise(settings.photos, WIDTH * 7 // 8, HEIGHT * 7 // 8)]

    def step(some: list[UInt8Array]) -> float:
        started = time.perf_counter()
        targets = torch.rand(len(some), 1, device=settings.device)
        parts = pieces(some, at_most=None, device=torch.device(settings.device))
        learner.learn_from(parts, targets, nn.functional.mse_loss)
        optimizer.step()
        if settings.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started

    # On a processor the first photos are as slow as all.
    step(views if settings.device == "cuda" else views[:2])
    return statistics.median(step(views) for _ in range(settings.steps)) / len(views)


def peak_bytes(device: str) -> int:
    """Peak memory of this process, or of the CUDA device."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    import resource

    # In bytes on macOS, in kilobytes elsewhere.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def part(settings: Settings) -> dict[str, float]:
    """Measure one part, in this process."""
    torch.set_num_threads(usable_cores())
    if settings.part == EXPORT:
        Graphs(settings.folder).open(settings.network, "whole", settings.precision)
        return {}
    measured = {"extraction": extraction, "finetune": finetune}.get(settings.part, head)
    return {
        "seconds_a_photo": measured(settings),
        "peak_bytes": float(peak_bytes(settings.device)),
    }


def in_its_own_process(name: str, folder: Path) -> dict[str, float]:
    """Measure one part with the options of this process."""
    command = [sys.executable, *sys.argv, "--folder", str(folder), "--part", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def break_even(extraction_s: float, feature_epoch_s: float, finetune_epoch_s: float) -> str:
    """Number of epochs from which extraction and learning from features together are quicker."""
    if finetune_epoch_s <= feature_epoch_s:
        return "never"
    return str(math.floor(extraction_s / (finetune_epoch_s - feature_epoch_s)) + 1)


def shown(value: float) -> str:
    """A number with three digits, never with an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def report(found: dict[str, dict[str, float]], settings: Settings) -> list[str]:
    """Lines of Markdown: what was measured, beside the paper's."""
    totals = {
        name: one["seconds_a_photo"] * (ALL_PHOTOS if name == "extraction" else TRAIN_PHOTOS)
        for name, one in found.items()
    }
    lines = [
        f"{settings.network}, {settings.precision}, {settings.device}, {usable_cores()} cores; measured: {settings.photos} photos of"
        f" {WIDTH}×{HEIGHT}, {settings.steps} steps of 128 rows, {settings.steps} of {settings.photos} photos; the rest is extrapolated",
        "",
        "| | a photo | AVA | the paper's | peak memory |",
        "|---|---|---|---|---|",
    ]
    titles = {
        "extraction": "extraction, once, one view",
        "narrow": "epoch of Single-3FC on narrow features",
        "wide": "epoch of Pool-3FC on wide features",
        "finetune": "epoch of fine-tuning, Single-3FC",
    }
    for name, one in found.items():
        lines.append(
            f"| {titles[name]} | {shown(one['seconds_a_photo'])} s | {shown(totals[name] / 3600)} hours | {PAPER.get(name, '–')} |"
            f" {one['peak_bytes'] / 1e9:.2f} GB |"
        )
    lines.append("")
    for name in ("narrow", "wide"):
        if {name, "finetune"} <= totals.keys():
            ratio = totals["finetune"] / totals[name]
            line = f"An epoch on {name} features is {ratio:.3g} times as fast as one of fine-tuning (the paper: 20 to 200)."
            if "extraction" in totals:
                epochs = break_even(totals["extraction"], totals[name], totals["finetune"])
                line += f" The extraction has paid for itself from epoch {epochs} on."
            lines.append(line)
    return lines


def main() -> None:
    """Measure each part in a process of its own, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--network", default="inception_resnet_v2")
    parser.add_argument("--steps", type=int, default=2, help="measured of each, after a first one")
    parser.add_argument(
        "--photos", type=int, default=32, help="of the extraction, and of a batch of fine-tuning"
    )
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--folder", type=Path, help="where files are made; default: temporary")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--part", choices=[EXPORT, *PARTS], help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.part:
        print(json.dumps(part(settings)))
        return
    found = {}
    with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
        if settings.device == "cpu" and "extraction" in settings.only:
            in_its_own_process(EXPORT, Path(folder))
        for name in settings.only:
            found[name] = in_its_own_process(name, Path(folder))
            print(f"{name}: {found[name]}", file=sys.stderr, flush=True)
    print("\n".join(report(found, settings)))
    if settings.json is not None:
        settings.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
