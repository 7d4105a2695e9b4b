"""Size and speed of feature stores: bytes per view and time of each form, and whether size slows a store down.

    python benchmarks/feature_store.py --reference DIR --folder DIR --json feature_store.json

The forms are measured on real features, those of Inception-v3 in the reference data; the sizes on synthetic ones.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from mlsp.base.arrays import Float32Array
from mlsp.features.spec import FeatureSpec, Grid
from mlsp.features.store.codec import STORED_DTYPES
from mlsp.features.store.compression import COMPRESSIONS
from mlsp.features.store.schema import StoreLayout
from mlsp.features.store.store import FeatureStore

SHA256 = "0" * 64


def main() -> None:
    """Measure, print tables, and write them as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--reference", type=Path, required=True, help="folder of the reference data"
    )
    parser.add_argument("--folder", type=Path, help="where stores are made; default: temporary")
    parser.add_argument("--json", type=Path)
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
        results = {
            "forms": forms(settings.reference, Path(folder)),
            "sizes": [size(Path(folder), photos) for photos in (2_500, 25_000, 250_000)],
        }
    if settings.json is not None:
        settings.json.write_text(json.dumps(results, indent=1) + "\n")


def forms(reference: Path, folder: Path) -> list[dict[str, object]]:
    """Each dtype and compression, on both grids; times are of one view, from the page cache."""
    with np.load(reference / "golden" / "inception_v3.npz") as archive:
        levels = tuple(str(name) for name in archive["levels"])
        channels = tuple(int(count) for count in archive["channels"])
        photos = sorted(key.rsplit("/", 1)[0] for key in archive.files if key.endswith("/wide"))
        features: dict[Grid, list[Float32Array]] = {
            1: [archive[f"{photo}/narrow"][None, None, None] for photo in photos],
            5: [archive[f"{photo}/wide"][None] for photo in photos],
        }
    rows = []
    print(
        f"{'grid':6}{'form':28}{'bytes':>9}{'share':>7}{'write ms':>10}{'read ms':>9}{'error':>9}"
    )
    for grid, dtype, compression in itertools.product((1, 5), STORED_DTYPES, (None, *COMPRESSIONS)):
        feature_spec = FeatureSpec("inception_v3", SHA256, levels, "whole", None, grid)  # type: ignore[arg-type]
        layout = StoreLayout(feature_spec, channels, (grid,), dtype, compression)  # type: ignore[arg-type]
        rows.append(form(folder / "form.h5", layout, features[grid]))  # type: ignore[index]
    return rows


def form(path: Path, layout: StoreLayout, features: list[Float32Array]) -> dict[str, object]:
    """Bytes a view, times and error of one form."""
    repeats = 5
    ids = [f"{number}.jpg" for number in range(len(features) * repeats)]
    started = time.perf_counter()
    (grid,) = layout.grids
    with FeatureStore.create(path, layout, ids) as store:
        for index in range(len(ids)):
            row = features[index % len(features)]
            store.write(index, {grid: row}, width=1, height=1, content_sha256=SHA256)
    write_s = (time.perf_counter() - started) / len(ids)
    with FeatureStore.open(path) as store:
        order = np.random.default_rng(0).permutation(len(ids))
        store.read_batch(order)
        started = time.perf_counter()
        decoded = store.read_batch(order)
        read_s = (time.perf_counter() - started) / len(ids)
        disk_bytes = store.info().disk_bytes / len(ids)
    errors, ends = [], np.cumsum(layout.level_channels)
    for place, index in enumerate(order):
        true = features[index % len(features)]
        for low, high in zip(ends - layout.level_channels, ends, strict=True):
            difference = decoded[place, ..., low:high] - true[..., low:high]
            errors.append(np.sqrt((difference**2).mean() / (true[..., low:high] ** 2).mean()))
    plain = layout.channels * grid * grid * 2
    name = f"{layout.dtype} {layout.compression or ''}"
    print(
        f"{grid:<6}{name:28}{disk_bytes:9.0f}{disk_bytes / plain:7.2f}{write_s * 1e3:10.2f}"
        f"{read_s * 1e3:9.2f}{np.median(errors):9.1e}"
    )
    path.unlink()
    return {
        "grid": grid,
        "dtype": layout.dtype,
        "compression": layout.compression,
        "disk_bytes_a_view": disk_bytes,
        "share_of_float16": disk_bytes / plain,
        "write_s": write_s,
        "read_s": read_s,
        "median_rms_error_of_a_level": float(np.median(errors)),
    }


def size(folder: Path, photos: int) -> dict[str, object]:
    """Times of a store of 8 wide views of InceptionResNet-v2 a photo, sparse but for 200 photos all over it."""
    levels = tuple(f"level{number}" for number in range(43))
    feature_spec = FeatureSpec("synthetic", SHA256, levels, "corners8", None, 5)
    layout = StoreLayout(feature_spec, (400,) * 42 + (128,), (5,))
    path = folder / "size.h5"
    times = {}

    def timed(name: str, started: float, count: int = 1) -> None:
        times[name] = (time.perf_counter() - started) / count

    started = time.perf_counter()
    FeatureStore.create(path, layout, [f"{number:07d}.jpg" for number in range(photos)]).close()
    timed("create_s", started)
    row = np.random.default_rng(0).normal(size=(8, 5, 5, 16928)).astype(np.float32)
    indices = np.random.default_rng(1).choice(photos, 100, replace=False)
    with FeatureStore.open(path, mode="a") as store:
        store.rows("pending")
        started = time.perf_counter()
        for index in indices.tolist():
            store.write(index, {5: row}, width=1, height=1, content_sha256=SHA256)
        store.flush()
        timed("append_photo_s", started, len(indices))
    started = time.perf_counter()
    for _ in range(10):
        FeatureStore.open(path).close()
    timed("open_s", started, 10)
    with FeatureStore.open(path) as store:
        started = time.perf_counter()
        store.read(int(indices[0]), view=0)
        timed("first_read_s", started)
        for verify in (True, False):
            with FeatureStore.open(path, verify=verify) as reader:
                reader.rows("pending")
                views = np.arange(len(indices)) % 8
                reader.read_batch(indices, views=views)
                started = time.perf_counter()
                reader.read_batch(indices, views=views)
                timed(
                    f"random_view_{'verified' if verify else 'unverified'}_s", started, len(indices)
                )
        started = time.perf_counter()
        store.index_of(f"{photos - 1:07d}.jpg")
        timed("first_name_s", started)
    descriptor = os.open(path, os.O_RDONLY)
    started = time.perf_counter()
    for index in indices.tolist():
        os.pread(descriptor, 846_400, index * 8 * 846_400)
    timed("plain_pread_s", started, len(indices))
    os.close(descriptor)
    path.unlink()
    print(
        f"{photos * 8:>9} views: "
        + ", ".join(f"{name} {value:.2g}" for name, value in times.items())
    )
    return {"views": photos * 8, **times}


if __name__ == "__main__":
    main()
