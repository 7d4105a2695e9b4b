"""How a JPEG is best reduced: error against exact area means of all its pixels, and time.

    python benchmarks/photo_reduction.py [folder of JPEG photos]

Errors are measured on real photos (by default those of scikit-image), reduced to a fraction of their size. Times are of one
made-up photo of 12 megapixels. Prints two tables and writes `photo_reduction.json` into the current folder.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image

from mlsp.base.arrays import UInt8Array
from mlsp.features.pooling import area_weights
from mlsp.photos import DecodeSettings, pillow_decoder, read_photo
from mlsp.photos.sizes import reduced_size

Reduce = Callable[[bytes, int], UInt8Array]

SAMPLES = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "retina.jpg",
    "rocket.jpg",
)


def drafted(margin: float) -> Reduce:
    """Decode at a fraction that leaves at least `margin` times the wanted size, then area means."""

    def reduce(content: bytes, longest_side: int) -> UInt8Array:
        usual = pillow_decoder.DRAFT_MARGIN
        pillow_decoder.DRAFT_MARGIN = margin
        try:
            return read_photo(content, settings=DecodeSettings(longest_side=longest_side)).pixels
        finally:
            pillow_decoder.DRAFT_MARGIN = usual

    return reduce


def pillow_resize(resample: Image.Resampling, gap: float | None, *, draft: bool) -> Reduce:
    """Pillow's own means; with `gap`, whole-number means first, down to so many times the wanted size."""

    def reduce(content: bytes, longest_side: int) -> UInt8Array:
        image = Image.open(io.BytesIO(content))
        size = reduced_size(*image.size, longest_side)
        box = (0.0, 0.0, float(image.width), float(image.height))
        if draft and gap is not None:
            found = image.draft(None, (int(size[0] * gap), int(size[1] * gap)))
            box = found[1] if found else box
        return np.asarray(image.convert("RGB").resize(size, resample, box, reducing_gap=gap))

    return reduce


CANDIDATES: dict[str, Reduce] = {
    "all pixels, area means": drafted(float("inf")),
    "fraction × 4, area means": drafted(4),
    "fraction × 3, area means (chosen)": drafted(3),
    "fraction × 2, area means": drafted(2),
    "fraction × 1, area means": drafted(1),
    "all pixels, Pillow box": pillow_resize(Image.Resampling.BOX, None, draft=False),
    "all pixels, Pillow box, gap 2": pillow_resize(Image.Resampling.BOX, 2, draft=False),
    "fraction × 2, Pillow box, gap 2": pillow_resize(Image.Resampling.BOX, 2, draft=True),
    "all pixels, Pillow bilinear": pillow_resize(Image.Resampling.BILINEAR, None, draft=False),
}


def exact(content: bytes, longest_side: int) -> NDArray[np.float64]:
    """Area means of all pixels, not rounded."""
    pixels = read_photo(content).pixels
    height, width = pixels.shape[:2]
    columns, rows = reduced_size(width, height, longest_side)
    means: NDArray[np.float64] = np.einsum(
        "gh,hwc,kw->gkc",
        area_weights(height, rows),
        pixels,
        area_weights(width, columns),
        optimize=True,
    )
    return means


def jpegs(folder: Path | None) -> list[bytes]:
    """Contents of real photos."""
    if folder is not None:
        return [path.read_bytes() for path in sorted(folder.glob("*.jpg"))[:40]]
    contents = []
    for name in SAMPLES:
        file = io.BytesIO()
        path = Path(skimage.__file__).parent / "data" / name
        Image.open(path).convert("RGB").save(file, "JPEG", quality=92)
        contents.append(file.getvalue())
    return contents


def errors(contents: list[bytes], shrink: float) -> dict[str, tuple[float, float]]:
    """RMS and largest error of each candidate, in steps of 255."""
    table = {}
    for name, reduce in CANDIDATES.items():
        squares, largest, count = 0.0, 0.0, 0
        for content in contents:
            longest_side = round(max(Image.open(io.BytesIO(content)).size) / shrink)
            error = reduce(content, longest_side) - exact(content, longest_side)
            squares += float((error**2).sum())
            largest = max(largest, float(np.abs(error).max()))
            count += error.size
        table[name] = ((squares / count) ** 0.5, largest)
    return table


def seconds(content: bytes, longest_side: int, reduce: Reduce) -> float:
    """Least of five runs."""
    runs = []
    for _ in range(5):
        start = time.perf_counter()
        reduce(content, longest_side)
        runs.append(time.perf_counter() - start)
    return min(runs)


def main() -> None:
    """Measure and print."""
    contents = jpegs(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    shrinks = (2.5, 4.3, 7.8, 11.7, 17, 26)
    tables = {shrink: errors(contents, shrink) for shrink in shrinks}
    print(f"error (RMS / largest) of {len(contents)} photos, reduced so many times")
    print(f"{'':36}" + "".join(f"{shrink:>14}" for shrink in shrinks))
    for name in CANDIDATES:
        cells = (tables[shrink][name] for shrink in shrinks)
        print(f"{name:36}" + "".join(f"{rms:8.2f} /{most:4.0f}" for rms, most in cells))

    file = io.BytesIO()
    photo = Image.open(io.BytesIO(contents[-1])).convert("RGB")
    photo.resize((4000, 3000), Image.Resampling.BICUBIC).save(file, "JPEG", quality=92)
    sides = (384, 512, 1024)
    times = {
        name: {side: 1000 * seconds(file.getvalue(), side, reduce) for side in sides}
        for name, reduce in CANDIDATES.items()
    }
    print(
        f"\nms for 12 megapixels, to a longest side of\n{'':36}"
        + "".join(f"{side:>9}" for side in sides)
    )
    for name, row in times.items():
        print(f"{name:36}" + "".join(f"{row[side]:9.0f}" for side in sides))
    report = {"errors": {str(shrink): table for shrink, table in tables.items()}, "ms": times}
    Path("photo_reduction.json").write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
