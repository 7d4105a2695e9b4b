"""How many photos as large as a camera's `mlsp pick` looks at in a second, with faces and without, beside `mlsp score`.

    python benchmarks/pick.py PHOTOS [--count 120] [--json FILE]

PHOTOS are folders of photos of any size, best with people. Evenly chosen ones are enlarged to 12 to 24 megapixels and become bursts of three
frames a second apart, framed and exposed a little differently, each with noise of its own, saved as JPEG of quality 90, as in
`benchmarks/sharpness.py`. Nothing is cached. The commands run in turn, forwards and backwards, so that what else the machine does slows
all of them alike: ratios hold, photos/s are those of this machine at that time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from sharpness import frame  # type: ignore[import-not-found]  # beside this file

from mlsp.photos import find_photos, read_photo

MEGAPIXELS = (12, 16, 20, 24)
FRAMES = 3
# Between bursts: more than lets their frames be one.
SECONDS = 60
DATE_TIME_ORIGINAL, EXIF = 0x9003, 0x8769
COMMANDS = {
    "score": ["score", "--quiet"],
    "pick, faces off": ["pick", "--faces", "off", "--list"],
    "pick, faces on": ["pick", "--list"],
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=120, help="of frames")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        size = make_bursts(arguments.photos, Path(folder), arguments.count)
        print(f"{arguments.count} photos, {size / arguments.count / 1e6:.1f} MB each", flush=True)
        runs: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
        for name in (*COMMANDS, *reversed(COMMANDS)):
            runs[name].append(timed([*COMMANDS[name], folder, "--no-cache"]))
    found = {}
    for name, times in runs.items():
        seconds, busy = (fmean(values) / arguments.count for values in zip(*times, strict=True))
        found[name] = {"photos/s": round(1 / seconds, 2), "processor s a photo": round(busy, 3)}
        print(name, found[name])
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def make_bursts(sources: list[Path], folder: Path, count: int) -> int:
    """Write the frames, and return their size in bytes."""
    photos = list(find_photos(sources))
    rng = np.random.default_rng(0)
    size = 0
    for number in range(count):
        burst, time_in_burst = divmod(number, FRAMES)
        if not time_in_burst:
            large = enlarged(
                photos[burst * FRAMES * len(photos) // count], MEGAPIXELS[burst % len(MEGAPIXELS)]
            )
        taken = time.gmtime(burst * SECONDS + time_in_burst)
        exif = Image.Exif()
        exif.get_ifd(EXIF)[DATE_TIME_ORIGINAL] = time.strftime("%Y:%m:%d %H:%M:%S", taken)
        file = folder / f"{number:05}.jpg"
        Image.fromarray(frame(large, 0, rng)).save(file, quality=90, exif=exif)
        size += file.stat().st_size
    return size


def enlarged(photo: Path, megapixels: int) -> Image.Image:
    """Return a photo with so many pixels."""
    image = Image.fromarray(read_photo(photo).pixels)
    factor = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
    return image.resize((round(image.width * factor), round(image.height * factor)))


def timed(arguments: list[str]) -> tuple[float, float]:
    """Run `mlsp`, and return how long it took and how long its processors were busy, in seconds."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "mlsp", *arguments], check=True, stdout=subprocess.DEVNULL
    )
    after = os.times()
    busy = (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )
    return time.perf_counter() - start, busy


if __name__ == "__main__":
    main()
