"""Sets: what share of brackets, panoramas and focus stacks is found, and how often other series are taken for one.

    python benchmarks/sets.py PHOTOS [--series FOLDER] [--camera FOLDER] [--count N]

PHOTOS is a folder of photos, of which sets and bursts are made: brackets of 3 and 5 shots by EXIF; panoramas of 4 windows that move by 30 to 60 %
of a side, with noise, uneven steps and light that changes; focus stacks of 6, whose band of focus moves over the photo. Bursts that are no sets:
windows that shake by 2 %, one frame of them blurred; a camera that follows a subject 8 times a second. FOLDER of --series has photos whose neighbours
by name are often of one subject, such as BIQ2021's: each four neighbours count as a series of one exposure, a second apart, which is the hardest case.
FOLDER of --camera has cameras' own photos: each camera's, in the order of their times, ten seconds apart at most, are looked through as they are.
"""

from __future__ import annotations

import argparse
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from mlsp.base.arrays import Float32Array
from mlsp.culling.frames import read_frame
from mlsp.culling.sets import Frame, find_sets
from mlsp.photos import find_photos, read_photo
from mlsp.photos.camera_data import CameraData, camera_data

NOON = datetime(2024, 5, 1, 12)
PLAIN = CameraData(camera="C", exposure_seconds=1 / 250, aperture=5.6, iso=100, focal_length=35)


def shown(image: Image.Image, random: np.random.Generator, light: float = 1.0) -> Float32Array:
    """Return a frame as it is read from a JPEG of a camera: with noise and losses."""
    pixels = np.asarray(image.convert("RGB"), np.float32) * light
    noisy = np.clip(pixels + random.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=88)
    small = Image.open(file)
    small.thumbnail((256, 256), Image.Resampling.BOX)
    return np.asarray(small.convert("L"), np.float32)


def panorama(image: Image.Image, random: np.random.Generator) -> list[Float32Array]:
    """Four windows that move to one side."""
    width, height = image.size
    overlap = random.uniform(0.4, 0.7)
    view = width / (1 + 3 * (1 - overlap))
    top = 0.1 * height
    frames = []
    for number in range(4):
        left = number * view * (1 - overlap) + random.uniform(-0.03, 0.03) * view
        left = min(max(left, 0), width - view)
        up = top + random.uniform(-0.03, 0.03) * height
        box = (round(left), round(up), round(left + view), round(up + 0.8 * height))
        frames.append(shown(image.crop(box).resize((256, 192)), random, random.uniform(0.9, 1.1)))
    return frames


def stack(image: Image.Image, random: np.random.Generator) -> list[Float32Array]:
    """Six shots, whose focus moves from the bottom to the top."""
    image = image.resize((256, 192))
    blurred = [
        image.filter(ImageFilter.GaussianBlur(radius)) for radius in (0, 0.7, 1.4, 2.1, 2.8, 3.5)
    ]
    rows = np.linspace(5, 0, image.height)
    frames = []
    for number in range(6):
        away = np.clip(np.rint(np.abs(rows - number)), 0, 5).astype(int)
        pixels = np.stack([np.asarray(blurred[level])[row] for row, level in enumerate(away)])
        frames.append(shown(Image.fromarray(pixels), random))
    return frames


def shaken(image: Image.Image, random: np.random.Generator) -> list[Float32Array]:
    """Six shots by hand of one thing, one or two of them blurred."""
    image = image.resize((280, 210))
    frames = []
    for _ in range(6):
        left, top = random.uniform(0, 12, 2)
        window = image.crop((round(left), round(top), round(left) + 256, round(top) + 192))
        if random.random() < 0.3:
            window = window.filter(ImageFilter.GaussianBlur(random.uniform(0.5, 2)))
        frames.append(shown(window, random, random.uniform(0.95, 1.05)))
    return frames


def kinds(
    pictures: Sequence[Float32Array], about: Sequence[CameraData], seconds: float
) -> list[str]:
    """Return the kinds of the sets that are found in a series, `whole` before those that have all of it."""
    frames = [
        Frame(Path(f"{number}.jpg"), NOON + timedelta(seconds=number * seconds))
        for number in range(len(pictures))
    ]
    found = find_sets(
        frames,
        data=lambda photo: about[int(photo.stem)],
        read=lambda photo: pictures[int(photo.stem)],
    )
    return [("" if len(one.members) == len(frames) else "part of a ") + one.kind for one in found]


def brackets(image: Image.Image, random: np.random.Generator) -> Iterator[tuple[str, list[str]]]:
    """Yield brackets as cameras write them, and exposures by hand and automatic ones that are none."""
    count, step = int(random.choice([3, 5])), float(random.choice([2 / 3, 1, 2]))
    ladder = sorted(range(-(count // 2), count // 2 + 1), key=lambda rung: (abs(rung), rung))
    picture = shown(image.resize((256, 192)), random)
    made = [_exposed(rung * step, bias=rung * step) for rung in ladder]
    yield "bracket", kinds([picture] * count, made, 0.3)
    manual = [_exposed(rung * max(step, 1), bias=0) for rung in ladder]
    yield "bracket, no bias written", kinds([picture] * count, manual, 0.3)
    # Aperture priority while clouds pass: the shutter follows in thirds.
    drift = np.cumsum(random.integers(-1, 2, 6)) / 3
    automatic = [_exposed(float(value), bias=0) for value in drift]
    yield "none: automatic exposure", kinds([picture] * 6, automatic, 0.5)
    dial = [_exposed(value, bias=value) for value in (0, 1 / 3, 2 / 3, 2 / 3)]
    yield "none: dial turned", kinds([picture] * 4, dial, 2)


def _exposed(ev: float, *, bias: float) -> CameraData:
    return CameraData(
        camera="C",
        exposure_seconds=2**ev / 250,
        aperture=5.6,
        iso=100,
        focal_length=35,
        exposure_bias=bias,
    )


def series(folder: Path, count: int) -> Iterator[list[Float32Array]]:
    """Yield four neighbours by name at a time."""
    photos = sorted(find_photos([folder]))
    for start in range(0, min(len(photos), 4 * count) - 3, 4):
        yield [read_frame(photo) for photo in photos[start : start + 4]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--series", type=Path)
    parser.add_argument("--camera", type=Path)
    parser.add_argument("--count", type=int, default=200)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    tables: dict[str, Counter[str]] = {}

    def count(made: str, found: Sequence[str]) -> None:
        tables.setdefault(made, Counter())["; ".join(found) or "nothing"] += 1

    for path in sorted(find_photos([arguments.photos]))[: arguments.count]:
        image = Image.fromarray(read_photo(path).pixels)
        if image.width < image.height:
            image = image.transpose(Image.Transpose.ROTATE_90)
        for made, found in brackets(image, random):
            count(made, found)
        count("panorama", kinds(panorama(image, random), [PLAIN] * 4, 1.5))
        count("none: camera follows a subject", kinds(panorama(image, random), [PLAIN] * 4, 0.125))
        count("focus stack", kinds(stack(image, random), [PLAIN] * 6, 0.5))
        count("none: burst by hand", kinds(shaken(image, random), [PLAIN] * 6, 0.3))
    if arguments.series:
        for frames in series(arguments.series, arguments.count):
            count("none: neighbours in a collection", kinds(frames, [PLAIN] * 4, 1))
    if arguments.camera:
        photos = list(find_photos([arguments.camera]))
        taken = [Frame(photo, camera_data(photo).captured) for photo in photos]
        for one in find_sets(taken):
            names = [photos[index].name for index in one.members]
            print(f"{one.kind} of camera's photos: {', '.join(names)}")
        print(f"{len(photos)} photos of cameras looked through")
    for made, counts in tables.items():
        shares = ", ".join(f"{kind} {value}" for kind, value in counts.most_common())
        print(f"{made} ({counts.total()}): {shares}")


if __name__ == "__main__":
    main()
