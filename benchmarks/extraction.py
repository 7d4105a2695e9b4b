"""How fast features are extracted, side by side with the Keras pipeline of the published code; and memory over many photos.

    python benchmarks/extraction.py [--against-keras PYTHON] [--only speed sizes memory] [--json FILE]

PYTHON is one that has TensorFlow (`pip install tensorflow` into an environment of its own). Networks have random weights, which compute as
fast as trained ones. Photos are noise of 629×497, AVA's mean size. Speed is from the decoded photo to the row on the disk, wide
features of all levels; both pipelines run in turn on the same cores, several rounds, and the median counts. The share of the peak is the
network's floating-point operations a second over those of a large matrix product in the same number format on the same cores.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image

from mlsp.backbones import backbone, build_network
from mlsp.base.arrays import Float32Array, UInt8Array
from mlsp.base.machine import usable_cores
from mlsp.base.parallel import map_in_order
from mlsp.base.results import ScoreFailure
from mlsp.features.engines import Engine
from mlsp.features.extraction.plan import ExtractionNetwork
from mlsp.features.extraction.run import Extraction
from mlsp.features.onnx_export import export_backbone
from mlsp.features.opening import open_backbone
from mlsp.features.spec import FeatureSpec
from mlsp.features.store.schema import StoreLayout
from mlsp.features.store.store import FeatureStore
from mlsp.photos.crops import VIEW_COUNTS, ViewsName, cut_views
from mlsp.photos.listing import NamedPhoto
from mlsp.training.operations import matrix_peak, network_operations

WIDTH, HEIGHT = 629, 497
SHA256 = "0" * 64
NETWORKS = ("inception_resnet_v2", "inception_v3")
VIEWS: tuple[ViewsName, ...] = ("whole", "corners8")


class Graphs:
    """Exported networks with random weights, each made once.

    Args:
        folder: where they are put.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(
        self, name: str, views: ViewsName, precision: str, photos: int | None = None
    ) -> ExtractionNetwork:
        """A network ready to extract wide features."""
        spec = backbone(name)
        file = self._folder / f"{name}.onnx"
        if not file.exists():
            torch.manual_seed(0)
            export_backbone(build_network(spec), spec, file, grid=5)
        names = tuple(level.name for level in spec.levels)
        feature_spec = FeatureSpec(name, SHA256, names, views, None, 5)
        engine = open_backbone(
            feature_spec, graph=file, device="cpu", precision=precision, photos=photos
        )
        channels = tuple(level.channels for level in spec.levels)
        layout = StoreLayout(feature_spec, channels, (5,), precision=engine.precision)
        return ExtractionNetwork(engine, layout, spec.smallest_side)


def noise(count: int, width: int = WIDTH, height: int = HEIGHT) -> UInt8Array:
    """(count, height, width, 3) different photos."""
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def extract_arrays(network: ExtractionNetwork, photos: Sequence[UInt8Array], file: Path) -> float:
    """Seconds from decoded photos to their rows on the disk."""

    def compute(pixels: UInt8Array) -> Float32Array:
        return network.engine.pooled(cut_views(pixels, network.layout.feature_spec.views))

    ids = [f"{number}.jpg" for number in range(len(photos))]
    with FeatureStore.create(file, network.layout, ids) as store:
        started = time.perf_counter()
        results = map_in_order(compute, photos, workers=usable_cores() + 1)
        for index, features in enumerate(results):
            height, width = photos[index].shape[:2]
            store.write(index, {5: features}, width=width, height=height, content_sha256=SHA256)
        store.flush()
        seconds = time.perf_counter() - started
    file.unlink()
    return seconds


@contextmanager
def keras_pipeline(python: Path, name: str, photos: Path, views: int) -> Iterator[Any]:
    """A function that runs the Keras pipeline over the photos and returns its seconds."""
    script = Path(__file__).with_name("keras_extraction.py")
    command = [str(python), str(script), name, str(photos), str(views)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        to, back = cast(Any, process.stdin), cast(Any, process.stdout)
        if back.readline() != "ready\n":
            raise SystemExit(f"{' '.join(command)} failed")

        def run() -> float:
            to.write("run\n")
            to.flush()
            return float(back.readline())

        yield run
        to.close()


def flops(name: str, views: ViewsName) -> float:
    """Floating-point operations of the network on one photo, all views."""
    crops, height, width, _ = cut_views(noise(1)[0], views).shape
    return float(crops) * network_operations(backbone(name), width, height)


def speed(graphs: Graphs, settings: argparse.Namespace, folder: Path) -> list[dict[str, object]]:
    """Photos/s of each network, number of views and precision."""
    rows = []
    for name in settings.networks:
        for views, count in itertools.product(VIEWS, settings.photos):
            photos = noise(max(1, count // 4) if views == "corners8" else count)
            np.save(folder / "photos.npy", photos)
            networks = {
                key: graphs.open(name, views, key, len(photos)) for key in settings.precisions
            }
            rates, peaks = compare(
                networks, photos, settings, folder, keras=(name, VIEW_COUNTS[views])
            )
            operations = flops(name, views)
            for pipeline, rate in rates.items():
                row: dict[str, object] = {
                    "network": name,
                    "views": VIEW_COUNTS[views],
                    "photos": len(photos),
                    "pipeline": pipeline,
                    "photos_per_s": rate,
                    "times_keras": rate / rates["keras float32"]
                    if "keras float32" in rates
                    else None,
                    "matrix_peak_gflops": peaks[pipeline.split()[1]] / 1e9,
                    "share_of_peak": operations * rate / peaks[pipeline.split()[1]],
                }
                rows.append(row)
                print_row(row)
    return rows


def compare(
    networks: dict[str, ExtractionNetwork],
    photos: UInt8Array,
    settings: argparse.Namespace,
    folder: Path,
    *,
    keras: tuple[str, int],
) -> tuple[dict[str, float], dict[str, float]]:
    """Median photos/s of each pipeline, run in turn, and the median matrix peak of each precision between the runs."""
    seconds: dict[str, list[float]] = {}
    peaks: dict[str, list[float]] = {"float32": []}

    def rounds(run_keras: Any) -> None:
        for number in range(settings.rounds + 1):
            for precision, network in networks.items():
                key = f"mlsp {precision}"
                peaks.setdefault(precision, []).append(matrix_peak(precision))
                taken = extract_arrays(network, list(photos), folder / "f.h5")
                # The first round warms caches up.
                seconds.setdefault(key, []).extend([taken] if number else [])
            if run_keras is not None:
                taken = run_keras()
                seconds.setdefault("keras float32", []).extend([taken] if number else [])

    if settings.against_keras is None:
        rounds(None)
    else:
        name, views = keras
        with keras_pipeline(settings.against_keras, name, folder / "photos.npy", views) as run:
            rounds(run)
    rates = {key: len(photos) / statistics.median(values) for key, values in seconds.items()}
    return rates, {key: statistics.median(values) for key, values in peaks.items()}


def sizes(graphs: Graphs, settings: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Photos of different sizes against photos of one size and as many pixels."""
    network = graphs.open("inception_v3", "whole", "auto")
    rng = np.random.default_rng(1)
    widths = rng.integers(WIDTH - 150, WIDTH + 150, settings.sizes)
    heights = [round(WIDTH * HEIGHT / width) for width in widths]
    # Shifted by up to 20 rows, so that many photos of one width differ in height.
    heights = [
        height + int(shift)
        for height, shift in zip(heights, rng.integers(-20, 20, settings.sizes), strict=True)
    ]
    canvas = noise(1, WIDTH + 150, max(heights))[0]
    different = [canvas[:height, :width] for width, height in zip(widths, heights, strict=True)]
    same = [canvas[:HEIGHT, :WIDTH]] * settings.sizes
    extract_arrays(network, same[:4], folder / "f.h5")
    found: dict[str, object] = {
        "network": "inception_v3",
        "photos": settings.sizes,
        "different_sizes": len({photo.shape for photo in different}),
        "same_size_photos_per_s": settings.sizes / extract_arrays(network, same, folder / "f.h5"),
        "first_pass_photos_per_s": settings.sizes
        / extract_arrays(network, different, folder / "f.h5"),
        "second_pass_photos_per_s": settings.sizes
        / extract_arrays(network, different, folder / "f.h5"),
    }
    print_row(found)
    return found


def memory(graphs: Graphs, settings: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Resident memory, in MB, after each twentieth of many photos of 200 sizes, from JPEG files to rows."""
    network = graphs.open(settings.memory_network, "whole", "auto")
    paths = []
    for number in range(200):
        photo = Image.fromarray(noise(1, WIDTH - number, HEIGHT - number // 2)[0])
        paths.append(folder / f"{number}.jpg")
        photo.save(paths[-1], quality=90)
    count = settings.memory_photos
    photos = [NamedPhoto(f"{number}.jpg", paths[number % len(paths)]) for number in range(count)]
    page = os.sysconf("SC_PAGE_SIZE")
    after: dict[int, int] = {}
    with Extraction(network, photos, folder / "memory.h5") as extraction:
        for number, result in enumerate(islice(extraction.results(), count), 1):
            if isinstance(result, ScoreFailure):
                raise SystemExit(f"{result.source}: {result.error}")
            if number % max(1, count // 20) == 0:
                pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
                after[number] = round(pages * page / 1e6)
                print(
                    f"{settings.memory_network}: {after[number]} MB after {number} photos",
                    flush=True,
                )
    return {"network": settings.memory_network, "resident_mb_after_photos": after}


def print_row(row: Mapping[str, object]) -> None:
    """Print names and values in a line, numbers with three digits."""
    shown = (
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in row.items()
    )
    print(", ".join(shown), flush=True)


def _precisions(engine_of: Graphs) -> tuple[str, ...]:
    """float32, and bfloat16 where the processor has it."""
    engine: Engine = engine_of.open("efficientnet_lite0", "whole", "auto").engine
    return tuple(dict.fromkeys((engine.precision, "float32")))


def main() -> None:
    """Measure, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--against-keras", type=Path, metavar="PYTHON")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=["speed", "sizes", "memory"],
        default=["speed", "sizes", "memory"],
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument(
        "--photos",
        type=int,
        nargs="+",
        default=[64],
        help="photos of one view; a quarter of it of 8 views",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, default=1000)
    parser.add_argument("--memory-photos", type=int, default=10_000)
    parser.add_argument("--memory-network", default="inception_v3")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where files are made; default: temporary")
    parser.add_argument("--json", type=Path)
    settings = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: settings.cores])
    measures = {"speed": speed, "sizes": sizes, "memory": memory}
    found: dict[str, object] = {"cores": usable_cores()}
    with tempfile.TemporaryDirectory(dir=settings.folder) as name:
        folder = Path(name)
        graphs = Graphs(folder)
        settings.precisions = _precisions(graphs)
        for key in settings.only:
            found[key] = measures[key](graphs, settings, folder)
    if settings.json is not None:
        settings.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
