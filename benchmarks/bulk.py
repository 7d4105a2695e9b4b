"""What a data set costs beside the plain command, and what a second worker brings.

    python benchmarks/bulk.py PHOTOS... [--photos 300] [--rounds 3] [--json FILE]

PHOTOS are folders of photos; they are cut to 500×400 and saved again as JPEG, so that every run measures the same thing. Measured in turn,
round by round, so that ratios hold on a machine whose speed changes; the figures are medians, and the spread of the rounds is printed:

- plain: `Scorer.score` over the files, one photo at a time;
- dataset: the same photos by `mlsp.bulk` in this process, with results written;
- ray 1, ray 2: by one and by two workers of one core each on a Ray cluster of this machine, without the start of the workers.

Where other programs keep the cores busy, photos/s say more about those; seconds of processor time a photo, which are printed for the first
two, do not depend on them.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from PIL import Image, ImageOps

from mlsp.bulk import BulkJob, BulkSettings, ScorerSettings, SourceSpec, prepare, run_local
from mlsp.photos import find_photos, read_photo
from mlsp.scoring import Scorer

SIZE = (500, 400)
SHARD_SIZE = 15
# A worker then keeps one core busy, also where it may use more.
THREADS = 1


def make_photos(sources: list[Path], folder: Path, count: int) -> int:
    """Write up to `count` different photos of one size; returns how many."""
    folder.mkdir()
    number = 0
    for number, source in enumerate(islice(find_photos(sources), count), 1):
        photo = ImageOps.fit(Image.fromarray(read_photo(source).pixels), SIZE)
        photo.save(folder / f"{number}.jpg", quality=90)
    if not number:
        raise SystemExit("no photos found")
    return number


def new_job(photos: Path) -> BulkJob:
    """A job of its own data set."""
    dataset = tempfile.mkdtemp(dir=photos.parent)
    spec = SourceSpec((str(photos),))
    return prepare(BulkSettings(spec, dataset, SHARD_SIZE, ScorerSettings(workers=THREADS)))


def plain_seconds(photos: Path, scorer: Scorer) -> float:
    """Time of the plain path."""
    start = time.perf_counter()
    for _ in scorer.score(find_photos([photos])):
        pass
    return time.perf_counter() - start


def dataset_seconds(photos: Path) -> float:
    """Time from the first to the last photo, listing and the model's loading included."""
    start = time.perf_counter()
    for report in run_local(new_job(photos)):
        if report.error:
            raise SystemExit(report.error)
    return time.perf_counter() - start


def ray_rate(photos: Path, workers: int) -> float:
    """Photos/s of workers that are running: from the last worker's first shard to the last shard."""
    from mlsp.bulk.ray_driver import RaySettings, run_on_ray

    ends: list[tuple[float, int]] = []
    for report in run_on_ray(new_job(photos), RaySettings(workers=workers, cpus_per_worker=1)):
        if report.error:
            raise SystemExit(report.error)
        ends.append((time.perf_counter(), report.photos))
    # The first shard of each worker began before it was loaded, the last ones leave a worker without work.
    warm = ends[workers * 2 : -workers]
    seconds = warm[-1][0] - warm[0][0]
    return sum(photos for _, photos in warm[1:]) / seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sources", nargs="+", type=Path, metavar="PHOTOS")
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.cluster_utils import Cluster

    rates: dict[str, list[float]] = {"plain": [], "dataset": [], "ray 1": [], "ray 2": []}
    work: dict[str, list[float]] = {name: [] for name in rates}
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder, "photos")
        count = make_photos(arguments.sources, photos, arguments.photos)
        node = {"num_cpus": 2, "object_store_memory": 80_000_000}
        cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        scorer = Scorer.load(workers=THREADS)
        plain_seconds(photos, scorer)
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        measures: dict[str, Callable[[], float]] = {
            "plain": lambda: count / plain_seconds(photos, scorer),
            "dataset": lambda: count / dataset_seconds(photos),
            "ray 1": lambda: ray_rate(photos, 1),
            "ray 2": lambda: ray_rate(photos, 2),
        }
        for number in range(arguments.rounds):
            for name, measure in measures.items():
                start = time.process_time()
                rates[name].append(measure())
                work[name].append((time.process_time() - start) / count)
                sys.stderr.write(f"round {number + 1}, {name}: {rates[name][-1]:.1f} photos/s\n")
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        files = sorted(Path(folder).glob("tmp*/*.parquet"))
        bytes_a_row = sum(file.stat().st_size for file in files) / (count * 3 * arguments.rounds)
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call]

    figures: dict[str, float] = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        print(f"{name:8} {figures[name]:7.1f} photos/s   {min(values):.1f} to {max(values):.1f}")
    pairs = zip(rates["ray 2"], rates["ray 1"], strict=True)
    efficiency = statistics.median(two / (2 * one) for two, one in pairs)
    pairs = zip(work["plain"], work["dataset"], strict=True)
    overhead = statistics.median(dataset / plain - 1 for plain, dataset in pairs)
    print(f"efficiency of two workers  {100 * efficiency:.0f} %")
    for name in ("plain", "dataset"):
        milliseconds = [1000 * seconds for seconds in work[name]]
        print(
            f"{name}: {statistics.median(milliseconds):.1f} ms of one core a photo"
            f"   {min(milliseconds):.1f} to {max(milliseconds):.1f}"
        )
    print(f"overhead of the data set   {100 * overhead:.0f} % of processor time")
    print(f"peak memory, this process  {peak_mb:.0f} MB")
    print(f"results                    {bytes_a_row:.0f} bytes a photo, {SHARD_SIZE} a file")
    if arguments.json:
        figures |= {"efficiency": efficiency, "overhead": overhead, "peak_mb": peak_mb}
        arguments.json.write_text(json.dumps({"figures": figures, "rounds": rates}, indent=1))


if __name__ == "__main__":
    main()
