"""Small photos in all the places from which `mlsp.bulk` reads them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (96, 80)


def jpeg(seed: int) -> bytes:
    """A photo's file, another for each seed: a few soft shapes."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (5, 6, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def write_photos(folder: Path, count: int) -> list[Path]:
    """Photos 0.jpg, 1.jpg, …; every fifth in a folder of its own."""
    (folder / "sub").mkdir(parents=True)
    paths = []
    for seed in range(count):
        path = folder / ("sub" if seed % 5 == 4 else ".") / f"{seed}.jpg"
        path.write_bytes(jpeg(seed))
        paths.append(path)
    return paths


def tar_bytes(members: Iterable[tuple[str, bytes]], *, mode: str = "w") -> bytes:
    """A tar with these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def read_rows(dataset: str) -> dict[str, Mapping[str, object]]:
    """Rows of a data set by photo; fails where a photo is there twice."""
    import pyarrow.dataset as ds

    file_system = None
    if "://" in dataset:
        import fsspec

        file_system, dataset = fsspec.core.url_to_fs(dataset, use_listings_cache=False)
    rows = ds.dataset(dataset, filesystem=file_system, format="parquet").to_table().to_pylist()
    by_id = {row["photo"]: row for row in rows}
    assert len(by_id) == len(rows)
    return by_id
