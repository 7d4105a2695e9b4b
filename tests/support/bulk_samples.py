"""Small photos in all the places from which `mlsp.bulk` reads them."""

from __future__ import annotations

import io
import tarfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


class PhotoServer(BaseHTTPRequestHandler):
    """Web server that counts what it is asked for."""

    asked: Counter[str]

    def answer(self) -> tuple[int, bytes]:
        """Status and body for the path that is asked for."""
        raise NotImplementedError

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        status, body = self.answer()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def photo_server(handler: type[PhotoServer]) -> Iterator[str]:
    """Serve by a handler; yields the address."""
    handler.asked = Counter()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
