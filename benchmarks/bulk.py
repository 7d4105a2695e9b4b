"""What a data set costs beside the plain command, and what Ray costs beside the data set.

    python benchmarks/bulk.py PHOTOS... [--photos 1000] [--rounds 3] [--extract] [--json FILE]

PHOTOS are folders of photos; they are cut to 500×400 and saved again as JPEG, so that every run measures the same thing. Each way has both of two
cores and the settings that users get, but for smaller shards. Measured in turn, round by round, so that ratios hold on a machine whose speed changes;
the figures are medians, and the spread of the rounds is printed:

- plain: `Scorer.score` over the files;
- dataset: the same photos by `mlsp.bulk` in this process, with results written;
- ray 1×2, ray 2×1: by one worker of two cores and by two workers of one core on a Ray cluster of this machine, without the start of the workers.

With --extract it measures `mlsp extract` instead: plain, and with `--on local` by one and by two workers of one core each, wide features of
EfficientNet-Lite0 in float32, each run a process of its own. Photos/s are those of the second half, when all workers are loaded; seconds of
processor time and the peak of memory are those of the process and of all that it starts, Ray's own included.

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
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from PIL import Image, ImageOps

from mlsp.bulk import BulkJob, BulkSettings, SourceSpec, prepare, run_local
from mlsp.features.extraction.settings import NetworkSettings
from mlsp.photos import find_photos, read_photo
from mlsp.scoring.scorer import Scorer

SIZE = (500, 400)
SHARD_SIZE = 50
CORES = 2
_SECONDS_BETWEEN_LOOKS = 0.1
EXTRACTED = NetworkSettings("efficientnet_lite0", grid="wide", precision="float32")


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
    return prepare(BulkSettings(spec, dataset, SHARD_SIZE))


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


def processor_seconds() -> float:
    """Of this process and of those that it started and that have ended, as the ones that decode photos."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def ray_rate(photos: Path, workers: int) -> float:
    """Photos/s of workers that are running: from the last worker's first shard to the last shard."""
    from mlsp.bulk.ray_cluster import RaySettings
    from mlsp.bulk.ray_driver import run_on_ray

    ends: list[tuple[float, int]] = []
    settings = RaySettings(workers=workers, cpus_per_worker=CORES // workers)
    for report in run_on_ray(new_job(photos), settings):
        if report.error:
            raise SystemExit(report.error)
        ends.append((time.perf_counter(), report.photos))
    # The first shard of each worker began before it was loaded, the last ones leave a worker without work.
    warm = ends[workers * 2 : -workers]
    seconds = warm[-1][0] - warm[0][0]
    return sum(photos for _, photos in warm[1:]) / seconds


@dataclass
class Used:
    """What was used so far.

    Attributes:
        peak_bytes: most memory of all together, each shared page counted once among them.
    """

    peak_bytes: int = 0
    _ticks: dict[int, int] = field(default_factory=dict)

    @property
    def processor_seconds(self) -> float:
        """Of all together, up to the last look at each."""
        return sum(self._ticks.values()) / os.sysconf("SC_CLK_TCK")

    def look(self, root: int) -> bool:
        """Add what is seen now; False when the process has ended."""
        stats: dict[int, list[str]] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                stats[int(folder.name)] = (folder / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
        if root not in stats or stats[root][0] == "Z":
            return False
        total = 0
        for process in _below(root, stats):
            self._ticks[process] = int(stats[process][11]) + int(stats[process][12])
            total += _proportional_bytes(process)
        self.peak_bytes = max(self.peak_bytes, total)
        return True


def watched(root: int) -> Used:
    """Watch a process until it ends."""
    used = Used()
    while used.look(root):
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return used


def _below(root: int, stats: dict[int, list[str]]) -> list[int]:
    found = [root]
    for process in found:
        found += [child for child, stat in stats.items() if int(stat[1]) == process]
    return found


def _proportional_bytes(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def extract(photos: Path, output: Path, workers: int) -> None:
    """Extract, and print when the results came, in seconds; by no Ray for 0 workers."""
    from mlsp.bulk.ray_cluster import RaySettings
    from mlsp.bulk.ray_extraction import RayExtraction
    from mlsp.features.extraction.plan import plan_network
    from mlsp.features.extraction.run import Extraction
    from mlsp.photos.listing import list_photos

    plan = plan_network(EXTRACTED)
    listed = list_photos(photos)
    run: Extraction | RayExtraction
    if workers:
        settings = RaySettings("local", workers, cpus_per_worker=1)
        run = RayExtraction(plan, listed, output, settings)
    else:
        run = Extraction(plan.open(), listed, output)
    with run as extraction:
        times = [time.perf_counter() for _ in extraction.results()]
    print(json.dumps([moment - times[0] for moment in times]))


def measure_extraction(photos: Path, count: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Figures of each round: photos/s, milliseconds of a core a photo, peak of memory in MB."""
    from mlsp.features.extraction.plan import plan_network

    # Exported before anything is measured.
    plan_network(EXTRACTED)
    figures: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds):
        for name, workers in (("plain", 0), ("local 1", 1), ("local 2", 2)):
            output = photos.parent / f"{name}.h5"
            output.unlink(missing_ok=True)
            process = subprocess.Popen(
                [sys.executable, __file__, str(photos), "--worker", str(workers), str(output)],
                stdout=subprocess.PIPE,
                text=True,
            )
            used = watched(process.pid)
            printed, _ = process.communicate()
            if process.returncode:
                raise SystemExit(f"the extraction ended with {process.returncode}")
            seconds = json.loads(printed)
            of_name = figures.setdefault(
                name, {"photos/s": [], "ms of a core a photo": [], "peak MB": []}
            )
            # Of the second half: by then all workers are loaded.
            half = count // 2
            of_name["photos/s"].append((count - half) / (seconds[-1] - seconds[half - 1]))
            of_name["ms of a core a photo"].append(1000 * used.processor_seconds / count)
            of_name["peak MB"].append(used.peak_bytes / 1e6)
            sys.stderr.write(
                f"round {number + 1}, {name}: {of_name['photos/s'][-1]:.1f} photos/s\n"
            )
        contents = {(photos.parent / f"{name}.h5").read_bytes() for name in figures}
        if len(contents) > 1:
            raise SystemExit("the feature files differ")
    return figures


def print_extraction(figures: dict[str, dict[str, list[float]]]) -> None:
    """Medians, and the least and most."""
    for name, of_name in figures.items():
        for unit, values in of_name.items():
            median = statistics.median(values)
            print(f"{name:8} {median:9.1f} {unit:21} {min(values):.1f} to {max(values):.1f}")
    pairs = zip(figures["local 2"]["photos/s"], figures["local 1"]["photos/s"], strict=True)
    print(
        f"efficiency of two workers  {100 * statistics.median(two / (2 * one) for two, one in pairs):.0f} %"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sources", nargs="+", type=Path, metavar="PHOTOS")
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--extract", action="store_true", help="measure extraction instead")
    parser.add_argument("--worker", nargs=2, metavar=("N", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        extract(arguments.sources[0], Path(arguments.worker[1]), int(arguments.worker[0]))
        return
    if arguments.extract:
        with tempfile.TemporaryDirectory() as folder:
            photos = Path(folder, "photos")
            count = make_photos(arguments.sources, photos, arguments.photos)
            measured = measure_extraction(photos, count, arguments.rounds)
        print_extraction(measured)
        if arguments.json:
            arguments.json.write_text(json.dumps(measured, indent=1))
        return

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.cluster_utils import Cluster

    rates: dict[str, list[float]] = {"plain": [], "dataset": [], "ray 1×2": [], "ray 2×1": []}
    work: dict[str, list[float]] = {name: [] for name in rates}
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder, "photos")
        count = make_photos(arguments.sources, photos, arguments.photos)
        node = {"num_cpus": CORES, "object_store_memory": 80_000_000}
        cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        scorer = Scorer()
        plain_seconds(photos, scorer)
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        measures: dict[str, Callable[[], float]] = {
            "plain": lambda: count / plain_seconds(photos, scorer),
            "dataset": lambda: count / dataset_seconds(photos),
            "ray 1×2": lambda: ray_rate(photos, 1),
            "ray 2×1": lambda: ray_rate(photos, 2),
        }
        for number in range(arguments.rounds):
            for name, measure in measures.items():
                start = processor_seconds()
                rates[name].append(measure())
                work[name].append((processor_seconds() - start) / count)
                sys.stderr.write(f"round {number + 1}, {name}: {rates[name][-1]:.1f} photos/s\n")
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        files = sorted(Path(folder).glob("tmp*/*.parquet"))
        bytes_per_row = sum(file.stat().st_size for file in files) / (count * 3 * arguments.rounds)
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call]

    figures: dict[str, float] = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        print(f"{name:8} {figures[name]:7.1f} photos/s   {min(values):.1f} to {max(values):.1f}")
    pairs = zip(work["plain"], work["dataset"], strict=True)
    overhead = statistics.median(dataset / plain - 1 for plain, dataset in pairs)
    for name in ("plain", "dataset"):
        milliseconds = [1000 * seconds for seconds in work[name]]
        print(
            f"{name}: {statistics.median(milliseconds):.1f} ms of one core a photo"
            f"   {min(milliseconds):.1f} to {max(milliseconds):.1f}"
        )
    print(f"overhead of the data set   {100 * overhead:.0f} % of processor time")
    print(f"peak memory, this process  {peak_mb:.0f} MB")
    print(f"results                    {bytes_per_row:.0f} bytes per photo, {SHARD_SIZE} per file")
    if arguments.json:
        figures |= {"overhead": overhead, "peak_mb": peak_mb}
        arguments.json.write_text(json.dumps({"figures": figures, "rounds": rates}, indent=1))


if __name__ == "__main__":
    main()
