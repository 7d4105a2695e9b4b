"""The same photos through `mlsp bulk` on Ray and through Ray Data: rows, speed, memory, lines of code, and what a killed worker costs.

    python benchmarks/ray_data.py [--photos 2000] [--kill-after 4] [--json FILE]

Photos are small JPEGs, made up. Both ways have two workers of one core each on a Ray of this machine, started for the run, the same
scorer and a data set of Parquet files. Each runs twice: undisturbed, and with one worker killed (SIGKILL) after it has worked for so many
seconds of the processor. Each run is a process of its own, watched with all that it starts; seconds include Ray's start. On a busy
machine compare seconds of the processor, which include Ray's own.

Lines of code are those that a user writes: the command, or `with_ray_data` and its class.
"""

from __future__ import annotations

import argparse
import inspect
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from bulk import Used  # type: ignore[import-not-found]
from PIL import Image

WORKERS = 2
SIZE = (160, 120)
SHARD_SIZE = 100
_SECONDS_BETWEEN_LOOKS = 0.2


class Score:
    """Scores batches of photos; an actor of Ray Data."""

    def __init__(self) -> None:
        from mlsp import Scorer

        self.scorer = Scorer(workers=1)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[object]]:
        """Return rows of names, scores and errors."""
        rows = [self.scorer.score_content(bytes(content)) for content in batch["bytes"]]
        return {
            "photo": list(batch["path"]),
            "overall": [row.overall if row.ok else None for row in rows],
            "error": [None if row.ok else str(row.error) for row in rows],
        }


def with_ray_data(photos: str, output: str) -> None:
    """Score a folder by Ray Data."""
    import ray

    # One more: where the actors have all cores, nothing reads for them, and it waits for ever.
    ray.init("local", num_cpus=WORKERS + 1, include_dashboard=False)
    found = ray.data.read_binary_files(photos, include_paths=True)
    scored = found.map_batches(Score, concurrency=WORKERS, batch_size=SHARD_SIZE, num_cpus=1)
    scored.write_parquet(output)


def with_mlsp(photos: Path, output: Path) -> list[str]:
    """The command that scores a folder by mlsp."""
    settings = f"--on local --ray-cpus 1 --ray-workers {WORKERS} --shard-size {SHARD_SIZE} --quiet"
    return ["-m", "mlsp", "bulk", str(photos), "--output", str(output), *settings.split()]


def make_photos(folder: Path, count: int) -> None:
    """Write different photos: clouds of colour, so that they compress as photos do."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        small = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        stream = io.BytesIO()
        Image.fromarray(small).resize(SIZE, Image.Resampling.BICUBIC).save(stream, "JPEG")
        (folder / f"{number:06d}.jpg").write_bytes(stream.getvalue())


def kill_a_worker(root: int, titles: tuple[str, ...], after: float) -> None:
    """Wait until a worker below a process has worked for so many seconds of the processor, and kill it."""
    while Path(f"/proc/{root}").exists():
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                title = (folder / "cmdline").read_bytes().decode("utf-8", "replace")
                ticks = (folder / "stat").read_text().rpartition(")")[2].split()[11:13]
            except (FileNotFoundError, ProcessLookupError):
                continue
            seconds = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
            if title.startswith(titles) and seconds > after and _is_below(int(folder.name), root):
                os.kill(int(folder.name), signal.SIGKILL)
                return
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _is_below(process: int, root: int) -> bool:
    while process > 1:
        if process == root:
            return True
        stat = Path(f"/proc/{process}/stat").read_text()
        process = int(stat.rpartition(")")[2].split()[1])
    return False


def run(arguments: list[str], output: Path, count: int, kill_after: float | None) -> dict[str, Any]:
    """Run one way, and say what came of it."""
    start = time.monotonic()
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )
    titles = ("ray::_ShardWorker", "ray::MapWorker")
    killer = threading.Thread(target=kill_a_worker, args=(process.pid, titles, kill_after or 0))
    if kill_after is not None:
        killer.start()
    used = Used()
    watcher = threading.Thread(target=_watch, args=(used, process.pid))
    watcher.start()
    _, errors = process.communicate()
    watcher.join()
    if kill_after is not None:
        killer.join()
    seconds = time.monotonic() - start
    names, overall = rows_of(output)
    return {
        "exit code": process.returncode,
        "rows": len(names),
        "photos": len(set(names)),
        "scored": overall,
        "seconds": seconds,
        "photos/s": count / seconds,
        "ms of a core a photo": 1000 * used.processor_seconds / count,
        "peak MB": used.peak_bytes / 1e6,
        "last line": (errors.decode("utf-8", "replace").strip().splitlines() or [""])[-1][:100],
    }


def _watch(used: Used, process: int) -> None:
    while used.look(process):
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def rows_of(output: Path) -> tuple[list[str], int]:
    """Names in a data set, and how many of them have a score."""
    import pyarrow.parquet as pq

    tables = [
        pq.read_table(file, columns=["photo", "overall"])
        for file in sorted(output.glob("[!_]*.parquet"))
    ]
    names = [name for table in tables for name in table["photo"].to_pylist()]
    return names, sum(len(table) - table["overall"].null_count for table in tables)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--kill-after", type=float, default=4)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--ray-data", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ray_data:
        with_ray_data(*options.ray_data)
        return
    lines = sum(len(inspect.getsource(part).splitlines()) for part in (Score, with_ray_data))
    print(f"lines of code: mlsp bulk 1, Ray Data {lines}; load {os.getloadavg()[0]:.1f}")
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder, "photos")
        make_photos(photos, options.photos)
        for kill_after in (None, options.kill_after):
            for name in ("mlsp bulk", "Ray Data"):
                output = Path(folder, f"{name} {kill_after}")
                own = [__file__, "--ray-data", str(photos), str(output)]
                arguments = with_mlsp(photos, output) if name == "mlsp bulk" else own
                label = f"{name}, {'undisturbed' if kill_after is None else 'a worker killed'}"
                figures[label] = found = run(arguments, output, options.photos, kill_after)
                texts = [
                    f"{key} {value:.1f}" if isinstance(value, float) else f"{key} {value}"
                    for key, value in found.items()
                ]
                print(f"{label}: {', '.join(texts)}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
