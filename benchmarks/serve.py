"""How quickly the server of `mlsp serve` answers with many photos: a synthetic collection, a real server on loopback, one client.

    python benchmarks/serve.py [--photos 20000] [--requests 200] [--json FILE]

Five photos each are a burst, and every photo has what a camera writes. Times are of whole requests, as a browser waits for them, JSON not parsed. `all photos` is what a page asks when it opens, in one piece
and in pieces of 5,000 as the page does it; `one rating` is a rating, on the disk, and the row that it changed.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
from PIL import Image
from PIL.ExifTags import IFD, Base

from mlsp.base.errors import UnreadablePhotoError
from mlsp.base.results import ScoreFailure
from mlsp.culling.shots import Shot
from mlsp.models.model import load_model
from mlsp.personal.user_ratings import UserRatings
from mlsp.scoring.results import Score, ScoreResult
from mlsp.scoring.scorer import Scorer
from mlsp.serving.web.entry import StackPlace
from mlsp.serving.web.page_controller import PageController
from mlsp.serving.web.security import Access
from mlsp.serving.web.server import listen, page_server

_PIECE = 5_000
_BURST = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = measure(Path(name), arguments.photos, arguments.requests)
    print(f"{arguments.photos:,} photos, {platform.machine()}, Python {platform.python_version()}")
    for row in found:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def measure(folder: Path, photos: int, requests: int) -> list[dict[str, object]]:
    """Time every kind of request.

    Args:
        folder: for the photo and the ratings.
        photos: in the collection.
        requests: of each kind.
    """
    photo = folder / "photo.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (75, 100, 3), np.uint8)
    Image.fromarray(noise).resize((4000, 3000)).save(photo, quality=90)
    small = folder / "small.jpg"
    Image.fromarray(noise).save(small, exif=camera_exif())
    sources = [folder / f"trip {n // 500}" / f"{n}.jpg" for n in range(photos)]
    for source in sources:
        source.parent.mkdir(exist_ok=True)
        source.hardlink_to(small)
    with UserRatings.open(folder / "ratings.sqlite") as ratings, listen(0) as listener:
        controller = PageController(
            [Shot(source) for source in sources],
            ratings,
            Scorer,
        )
        fill(controller, photo)
        access = Access(listener.getsockname()[1])
        server = page_server(controller, access)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        origin = f"http://127.0.0.1:{access.port}"
        with httpx.Client(base_url=origin, headers={"origin": origin}, timeout=60) as client:
            client.get("/", params={"key": str(access.key)})
            found = [time_all(name, ask, requests) for name, ask in questions(client, photos)]
        server.should_exit = True
        thread.join()
    return found


def camera_exif() -> Image.Exif:
    """What a camera writes into a photo."""
    exif = Image.Exif()
    exif[Base.Model] = "Camera of some name"
    exif.get_ifd(IFD.Exif).update(
        {
            Base.DateTimeOriginal: "2024:05:03 10:00:00",
            Base.ExposureTime: 1 / 250,
            Base.FNumber: 2.8,
            Base.ISOSpeedRatings: 400,
            Base.FocalLength: 50.0,
            Base.LensModel: "Lens 24-70mm F2.8",
        }
    )
    return exif


def fill(controller: PageController, photo: Path) -> None:
    """Scores of chance for every photo; the first is one that is there."""
    chance = np.random.default_rng(1)
    heads = load_model().heads
    controller.collection.begin([head.name for head in heads])
    for id_, source in enumerate(controller.collection.sources):
        scores = {h.name: Score(*chance.uniform(0, 100, 2).tolist()) for h in heads}
        sha256 = f"{id_:064x}"
        controller.collection.add(id_, ScoreResult(source, scores, 6000, 4000, sha256))
    reason = "sharper eyes than IMG_1234"
    controller.collection.place(
        {
            id_: StackPlace(id_ - id_ % _BURST, id_ % _BURST, "burst", reason)
            for id_ in range(len(controller.collection.sources))
        }
    )
    # Its thumbnail is asked for.
    controller.collection.add(0, ScoreResult(photo, scores, 4000, 3000, "f" * 64))
    controller.collection.add(
        1,
        ScoreFailure(
            controller.collection.sources[1], UnreadablePhotoError("there is no such file")
        ),
    )


def questions(client: httpx.Client, photos: int) -> list[tuple[str, Callable[[int], int]]]:
    """Each kind of request, and what asks it: gives bytes."""
    revision = client.get("/api/status").json()["revision"]

    def pieces(_: int) -> int:
        since, more, size = 0, True, 0
        while more:
            answer = client.get(f"/api/photos?since={since}&limit={_PIECE}")
            size += len(answer.content)
            # Read as a page reads it would take the time of its parser.
            since = int(answer.content.partition(b":")[2].partition(b",")[0])
            more = since < revision
        return size

    def rate(number: int) -> int:
        client.post("/api/ratings", json={"ratings": [{"id": 2 + number, "stars": 1 + number % 5}]})
        return len(client.get(f"/api/photos?since={revision + number}").content)

    def get(path: str) -> Callable[[int], int]:
        return lambda _: len(client.get(path).raise_for_status().content)

    return [
        ("all photos, one piece", get("/api/photos?since=0&limit=20000")),
        ("all photos, pieces of 5,000", pieces),
        ("nothing new", get(f"/api/photos?since={revision}")),
        ("status", get("/api/status")),
        ("one rating", rate),
        ("pair to compare", get("/api/pair")),
        (
            "picture of 12 megapixels, made",
            lambda n: len(client.get(f"/api/photo/0?side={300 + n}").content),
        ),
        ("thumbnail, from memory", get("/api/thumbnail/0")),
    ]


def time_all(name: str, ask: Callable[[int], int], requests: int) -> dict[str, object]:
    """Ask again and again."""
    ask(requests)
    seconds, size = [], 0
    for number in range(requests):
        began = time.perf_counter()
        size = ask(number)
        seconds.append(time.perf_counter() - began)
    p50, p99 = np.percentile(seconds, [50, 99]) * 1e3
    return {"request": name, "p50 ms": round(p50, 1), "p99 ms": round(p99, 1), "bytes": size}


if __name__ == "__main__":
    main()
