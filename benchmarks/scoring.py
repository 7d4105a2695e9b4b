"""How fast and how large scoring is: photos/s end to end, time of a fresh process to its first score, memory over many photos.

    python benchmarks/scoring.py PHOTOS... [--photos 20000] [--json FILE]

PHOTOS are folders of photos; their JPEGs are decoded, cut to 500×400 and saved again at quality 90, so that every run measures the same
thing. Everything is measured on the cores that the process may use (`taskset -c 0,1` for two). Machines are noisy: each
figure is the median of several runs, and network, decoding and the whole are measured in turn, so that their ratios hold.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mlsp.base.machine import usable_cores
from mlsp.base.parallel import map_in_order
from mlsp.base.results import ScoreFailure
from mlsp.features.opening import open_backbone
from mlsp.models.model import load_model
from mlsp.photos import DecodeSettings, find_photos, read_photo
from mlsp.scoring.scorer import Scorer

SIZE = (500, 400)
ROUNDS = 5


def prepare(sources: list[Path], folder: Path, count: int) -> list[Path]:
    """Write up to `count` different photos of one size as JPEG."""
    made = []
    for number, source in enumerate(islice(find_photos(sources), count)):
        photo = ImageOps.fit(Image.fromarray(read_photo(source).pixels), SIZE)
        file = folder / f"{number}.jpg"
        photo.save(file, quality=90)
        made.append(file)
    if not made:
        raise SystemExit("no photos found")
    return made


def median_rate(run: Callable[[], int]) -> float:
    """Median photos/s over several runs."""
    rates = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        count = run()
        rates.append(count / (time.perf_counter() - start))
    return statistics.median(rates)


def first_score(photo: Path) -> float:
    """Median seconds from starting a process to its end after one score."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        command = [sys.executable, "-m", "mlsp", "score", str(photo), "--no-cache", "--quiet"]
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def many_sizes(photos: list[Path], folder: Path) -> list[Path]:
    """Write the photos again, each cut to a size of its own: a collection is not all of one size."""
    made = []
    for number, photo in enumerate(photos):
        side = 260 + number % 240
        file = folder / f"cut{number}.jpg"
        ImageOps.fit(Image.open(photo), (500 - number % 7, side)).save(file, quality=90)
        made.append(file)
    return made


def memory_over(photos: list[Path], count: int) -> Iterator[tuple[int, float]]:
    """Resident memory in MB after each twentieth of `count` photos."""
    page = os.sysconf("SC_PAGE_SIZE")
    scorer = Scorer()
    for number, result in enumerate(scorer.score(islice(cycle(photos), count)), 1):
        if isinstance(result, ScoreFailure):
            raise SystemExit(f"{result.source}: {result.error}")
        if number % (count // 20) == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            yield number, pages * page / 1e6


def peak_of_a_large_photo(folder: Path) -> float:
    """Peak memory in MB of a process that scores one JPEG of 50 megapixels."""
    tile = np.random.default_rng(0).integers(0, 256, (577, 866, 3), dtype=np.uint8)
    file = folder / "large.jpg"
    Image.fromarray(tile).resize((8660, 5773), Image.Resampling.BICUBIC).save(file, quality=90)
    code = (
        "import sys; from pathlib import Path; from mlsp.scoring.scorer import Scorer;"
        " list(Scorer().score([Path(sys.argv[1])]));"
        " print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True
    )
    return float(done.stdout) / 1e3


def compare(models: list[str], sources: list[Path]) -> None:
    """Print photos/s of models from file to scores, medians of rounds in which they take turns."""
    with tempfile.TemporaryDirectory() as name:
        photos = prepare(sources, Path(name), 300)
        scorers = {model: Scorer(model) for model in models}
        rates: dict[str, list[float]] = {model: [] for model in models}
        for round_number in range(ROUNDS + 1):
            for model, scorer in scorers.items():
                start = time.perf_counter()
                count = sum(1 for _ in scorer.score(photos))
                # The first round prepares operations for the size.
                if round_number:
                    rates[model].append(count / (time.perf_counter() - start))
        for model, found in rates.items():
            print(f"{model}: {statistics.median(found):.1f} photos/s, best {max(found):.1f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--photos", type=int, default=2000, help="photos of the memory run")
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--models", nargs="+", help="only compare these, end to end, in turn: default fast"
    )
    arguments = parser.parse_args()
    if arguments.models:
        compare(arguments.models, arguments.sources)
        return
    model = load_model()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = prepare(arguments.sources, folder, 300)
        decode = DecodeSettings(longest_side=model.feature_spec.longest_side)
        scorer = Scorer()
        engine = open_backbone(model.feature_spec, graph=model.backbone)
        pixels = [read_photo(photo, settings=decode).pixels[None] for photo in photos[:50]]

        def network() -> int:
            return len(list(map_in_order(engine.pooled, pixels * 4, workers=usable_cores())))

        def decoding() -> int:
            return sum(read_photo(photo, settings=decode).width > 0 for photo in photos)

        def end_to_end() -> int:
            return len(list(scorer.score(photos)))

        network(), end_to_end()
        found: dict[str, object] = {
            "cores": usable_cores(),
            "precision": engine.precision,
            "network only, photos/s": round(median_rate(network), 1),
            "decoding only, photos/s a core": round(median_rate(decoding), 1),
            "end to end, photos/s": round(median_rate(end_to_end), 1),
            "fresh process to first score, s": round(first_score(photos[0]), 2),
            "peak of a 50-megapixel JPEG, MB": round(peak_of_a_large_photo(folder)),
        }
        memory = list(memory_over(many_sizes(photos, folder), arguments.photos))
        found[f"memory after {memory[3][0]} photos, MB"] = round(memory[3][1])
        found[f"memory after {memory[-1][0]} photos, MB"] = round(memory[-1][1])
    for label, value in found.items():
        print(f"{label:40} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
