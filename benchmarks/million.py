"""A million photos through `mlsp bulk`, which is killed again and again: every row is there once, and is that of an undisturbed run.

    python benchmarks/million.py FOLDER [--photos 1000000] [--kills 20] [--seed 0]

The photos are different JPEGs of 64×64, made up, in tars of 1000. The model is small, so that a million takes about half an hour
of a core, but all of the path is run: tars, decoding, a network (the first block of EfficientNet-Lite0 with its published weights), a
ridge head and Parquet. How good its scores are does not matter here: its head has weights by chance.

The command is killed by SIGKILL, with all that it started, at times that are evenly spread by chance over its progress, and started
again; the last start goes to the end. Then the data set is read: the names of all photos in their order, no error, and the rows of 20
tars compared with those of a run that nothing disturbed. Memory is that of the command and of all that it starts, looked at each
second or so. FOLDER takes 2.1 GB for a million and is kept; tars that an earlier run wrote with the same seed are taken as they are.
Ends with 1 if a row is missing, there twice, failed or false.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from bulk import Used  # type: ignore[import-not-found]
from PIL import Image

from mlsp.base.atomic_file import atomic_write
from mlsp.features.extraction.plan import plan_network
from mlsp.features.extraction.settings import NetworkSettings
from mlsp.models.heads import RidgeModule
from mlsp.models.records import Card, HeadRecord
from mlsp.models.writing import write_model

SIZE = (64, 64)
PER_TAR = 1000
COMPARED_TARS = 20
# Data sets below the folder.
KILLED, UNDISTURBED = "scores", "undisturbed"
NETWORK = NetworkSettings("efficientnet_lite0", grid="narrow", levels="block0_depthwise")


def write_small_model(folder: Path, rng: np.random.Generator) -> None:
    """Write a model of the network's first block and a ridge head by chance."""
    plan = plan_network(NETWORK)
    channels = plan.layout.channels
    head = RidgeModule(rng.normal(size=channels), 0.0)
    quantiles = tuple(np.linspace(-10, 10, 11).tolist())
    record = HeadRecord("chance", "", "", "nothing", -10, 10, "no ratings", quantiles, ())
    write_model(
        folder,
        name="small",
        feature_spec=plan.network.feature_spec,
        smallest_side=plan.smallest_side,
        heads=[(record, head)],
        channels=channels,
        card=Card("Means nothing.", (), (), "Apache-2.0"),
        backbone=plan.network.file,
    )


def write_tar(folder: Path, seed: int, number: int) -> Path:
    """Write a tar of photos if it is not there: clouds of colour, so that they compress as photos do."""
    path = folder / f"{number:06d}.tar"
    if path.exists():
        return path
    rng = np.random.default_rng((seed, number))
    with atomic_write(path) as part, tarfile.open(fileobj=part, mode="w") as tar:
        for position in range(PER_TAR):
            small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            stream = io.BytesIO()
            Image.fromarray(small).resize(SIZE, Image.Resampling.BICUBIC).save(stream, "JPEG")
            member = tarfile.TarInfo(_name(position))
            member.size = stream.tell()
            stream.seek(0)
            tar.addfile(member, stream)
    return path


def _name(position: int) -> str:
    return f"{position:06d}.jpg"


def run(sources: list[Path], output: Path, model: Path, used: Used, kill_at: float = inf) -> int:
    """Run the command to its end, or kill it when it has done so many tars; returns its exit code."""
    command = ["bulk", *sources, "--output", output, "--model", model, "--quiet"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlsp", *map(str, command)], start_new_session=True
    )
    while used.look(process.pid):
        time.sleep(random.uniform(0.5, 1.5))
        if done(output) >= kill_at:
            os.killpg(process.pid, signal.SIGKILL)
            break
    return process.wait()


def done(output: Path) -> int:
    """Count the tars whose rows are there."""
    return sum(1 for _ in output.glob("[!_]*.parquet"))


def rows(output: Path) -> Any:
    """The data set as a table, in the order of its input."""
    import pyarrow.parquet as pq

    return pq.read_table(output)


def killed_and_compared(folder: Path, paths: list[Path], kills: int) -> list[str]:
    """Score the tars of a folder under kills; returns what is wrong with the rows."""
    output, model, used = folder / KILLED, folder / "model", Used()
    begun = time.monotonic()
    codes = []
    # None so late that the command may end before it is killed.
    for kill_at in sorted(random.uniform(0, 0.99 * len(paths)) for _ in range(kills)):
        codes.append(run(paths, output, model, used, kill_at))
        print(f"killed at {done(output)} tars, {time.monotonic() - begun:.0f} s", flush=True)
    last_code = run(paths, output, model, used)
    seconds = time.monotonic() - begun
    table = rows(output)
    photos = len(paths) * PER_TAR
    print(
        f"{len(table):,} rows, {codes.count(-signal.SIGKILL)} kills, {seconds:.0f} s with them, {photos / seconds:.0f} photos/s,"
        f" {1000 * used.processor_seconds / photos:.2f} ms of a core per photo, peak memory {used.peak_bytes / 1e6:.0f} MB,"
        f" {sum(file.stat().st_size for file in output.iterdir()) / photos:.0f} bytes per row"
    )

    compared = sorted(random.sample(paths, min(COMPARED_TARS, len(paths))))
    run(compared, folder / UNDISTURBED, model, Used())
    undisturbed = rows(folder / UNDISTURBED)
    starts = [PER_TAR * paths.index(path) for path in compared]
    positions = np.concatenate([np.arange(start, start + PER_TAR) for start in starts])
    print(f"{len(undisturbed):,} rows compared with those of a run without kills")
    expected = [f"{path}/{_name(position)}" for path in paths for position in range(PER_TAR)]
    wrong = {
        f"the last run ended with {last_code}": last_code != 0,
        f"{codes.count(-signal.SIGKILL)} of {kills} runs were killed": codes
        != [-signal.SIGKILL] * kills,
        "rows are missing, twice or in another order": table["photo"].to_pylist() != expected,
        "photos failed": table["error"].null_count != len(table),
        "rows are others than without kills": not table.take(positions).equals(undisturbed),
    }
    return [text for text, is_so in wrong.items() if is_so]


def main() -> None:
    """Write the photos, score them under kills, and look at the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="for photos, model and rows; made if missing")
    parser.add_argument("--photos", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random.seed(options.seed)
    folder: Path = options.folder
    if any((folder / name).exists() for name in (KILLED, UNDISTURBED)):
        raise SystemExit(
            f"{folder} has the rows of an earlier run: remove {KILLED} and {UNDISTURBED}"
        )
    tars = folder / "tars"
    tars.mkdir(parents=True, exist_ok=True)
    write_small_model(folder / "model", np.random.default_rng(options.seed))
    with ProcessPoolExecutor() as pool:
        count = -(-options.photos // PER_TAR)
        paths = list(pool.map(partial(write_tar, tars, options.seed), range(count)))
    print(f"{count} tars, {sum(path.stat().st_size for path in paths) / 1e9:.2f} GB", flush=True)
    problems = killed_and_compared(folder, paths, options.kills)
    if problems:
        raise SystemExit("; ".join(problems))


if __name__ == "__main__":
    main()
