"""How many photos as large as a camera's `mlsp pick` looks at in a second, with faces and without, beside `mlsp score`.

    python benchmarks/pick.py PHOTOS [--count 120] [--alone SHARE] [--rounds 2] [--folder FOLDER] [--json FILE]

PHOTOS are folders of photos of any size, best with people. Evenly chosen ones are enlarged to 12 to 24 megapixels and become bursts of three
frames a second apart, framed and exposed a little differently, each with noise of its own, saved as JPEG of quality 90, as in
`benchmarks/sharpness.py`; a SHARE of the frames stands alone. They are made in FOLDER, or anew and deleted. Nothing is cached. The commands
run in turn, forwards and backwards, so that what else the machine does slows all of them alike: ratios hold, photos/s are those of this
machine at that time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from sharpness import frame  # type: ignore[import-not-found]  # beside this file

from mlsp.base.machine import usable_cores
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
    parser.add_argument("--alone", type=float, default=0.0, help="share that is in no burst")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where frames are made, or were")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        if not any(folder.glob("*.jpg")):
            folder.mkdir(parents=True, exist_ok=True)
            make_frames(arguments.photos, folder, arguments.count, arguments.alone)
        frames = list(folder.glob("*.jpg"))
        count = len(frames)
        size = sum(file.stat().st_size for file in frames)
        print(f"{count} photos, {size / count / 1e6:.1f} MB each", flush=True)
        runs: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
        for number in range(arguments.rounds):
            for name in reversed(COMMANDS) if number % 2 else COMMANDS:
                runs[name].append(timed([*COMMANDS[name], str(folder), "--no-cache"]))
                print(name, f"{runs[name][-1][0]:.0f} s", flush=True)
    found = {}
    for name, times in runs.items():
        seconds, busy = (fmean(values) / count for values in zip(*times, strict=True))
        found[name] = {"photos/s": round(1 / seconds, 2), "processor s a photo": round(busy, 3)}
        print(name, found[name])
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def make_frames(sources: list[Path], folder: Path, count: int, alone: float) -> None:
    """Write the frames: bursts of three, and a share that stands alone."""
    photos = list(find_photos(sources))
    singles = round(count * alone)
    sizes = [FRAMES] * -(-(count - singles) // FRAMES) + [1] * singles
    moments = [
        (photos[number * len(photos) // len(sizes)], number, frames)
        for number, frames in enumerate(sizes)
    ]
    with ProcessPoolExecutor(usable_cores()) as processes:
        list(processes.map(partial(make_burst, folder), moments, chunksize=8))


def make_burst(folder: Path, moment: tuple[Path, int, int]) -> None:
    """Write the frames of one moment."""
    photo, number, frames = moment
    rng = np.random.default_rng(number)
    large = enlarged(photo, MEGAPIXELS[number % len(MEGAPIXELS)])
    for one in range(frames):
        taken = time.gmtime(number * SECONDS + one)
        exif = Image.Exif()
        exif.get_ifd(EXIF)[DATE_TIME_ORIGINAL] = time.strftime("%Y:%m:%d %H:%M:%S", taken)
        pixels = Image.fromarray(frame(large, 0, rng))
        pixels.save(folder / f"{number:05}-{one}.jpg", quality=90, exif=exif)


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
