"""A page of `mlsp serve` on loopback, with a fake network, and a client that was let in."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import numpy as np
from PIL import Image

from mlsp.backbones import backbone
from mlsp.base.arrays import Float32Array, UInt8Array
from mlsp.culling.shots import Shot
from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.models.model import load_model
from mlsp.personal.user_ratings import UserRatings
from mlsp.scoring.scorer import Scorer
from mlsp.serving.web.page_controller import PageController
from mlsp.serving.web.security import Access
from mlsp.serving.web.server import listen, page_server
from redness import ConstantEngine, RednessHead

PHOTOS = 12


class RednessEngine:
    """Features of the embedded network's size: mean red, repeated, and noise that differs from red to red."""

    channels = backbone(load_model().feature_spec.backbone).channels
    precision: Literal["float32"] = "float32"

    def __init__(self) -> None:
        self.feature_spec = load_model().feature_spec

    def pooled(self, batch: UInt8Array) -> Float32Array:
        red = ConstantEngine(self.feature_spec).pooled(batch)[:, 0, 0, 0]
        rows = [np.random.default_rng(round(255 * one)).random(self.channels) for one in red]
        features = np.array(rows, np.float32)
        features[:, : self.channels // 8] = red[:, None]
        return features[:, None, None]


def fake_scorer(model: Path | str = "default") -> Scorer:
    """Scores by redness; a model in a folder, one of the user's taste, by its own head."""
    record = load_model(model)
    heads = [
        RednessHead() if model == "default" else OpenVinoHead(record.folder / head.file)
        for head in record.heads
    ]
    return Scorer.of(record, RednessEngine(), heads, workers=2)


@dataclass
class Served:
    """A page, a client that was let in, and the folder of its photos."""

    client: httpx.Client
    controller: PageController
    folder: Path
    access: Access

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.access.port}"

    def get(self, path: str, **query: Any) -> Any:
        answer = self.client.get(f"/api/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: object, *, expected: int = 200) -> Any:
        answer = self.client.post(f"/api/{path}", json=body, headers={"origin": self.origin})
        assert answer.status_code == expected, answer.text
        return answer.json()

    def error(self, path: str, body: object = None, *, status: int) -> str:
        headers = {"origin": self.origin}
        if body is None:
            answer = self.client.get(f"/api/{path}", headers=headers)
        else:
            answer = self.client.post(f"/api/{path}", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        assert list(answer.json()) == ["error"]
        return str(answer.json()["error"])

    def rate(self, *ratings: dict[str, Any]) -> dict[str, Any]:
        """Rate photos together; return the answer, of one photo without the list."""
        answer = self.post("ratings", {"ratings": ratings})
        if len(ratings) == 1:
            answer |= answer.pop("ratings")[0]
        return dict(answer)

    def rows(self, since: int = 0) -> dict[int, dict[str, Any]]:
        answer = self.get("photos", since=since, limit=20_000)
        return {row[0]: dict(zip(answer["fields"], row, strict=True)) for row in answer["rows"]}

    def ids(self) -> dict[str, int]:
        return {row["photo"]: id_ for id_, row in self.rows().items()}


def make_photos(folder: Path) -> Path:
    """A dozen of rising redness, the last one in a subfolder, one twice and one that is none."""
    (folder / "sub").mkdir(parents=True)
    for number in range(PHOTOS):
        place = folder / "sub" if number == PHOTOS - 1 else folder
        Image.new("RGB", (80, 64), (20 * number, 90, 0)).save(place / f"{number:02}.png")
    shutil.copy(folder / "03.png", folder / "copy.png")
    (folder / "empty.jpg").touch()
    return folder


@contextlib.contextmanager
def serving(folder: Path, file: Path, *, model: str = "default") -> Iterator[Served]:
    """Serve the photos of a folder until the block ends; all of them are scored, and in their stacks, when it begins."""
    shots = [Shot(path) for path in sorted(folder.rglob("*")) if path.is_file()]
    with UserRatings.open(file) as ratings, listen(0) as listener:
        controller = PageController(shots, ratings, fake_scorer, model=model)
        access = Access(listener.getsockname()[1])
        server = page_server(controller, access)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            controller.start()
            assert controller.scoring.wait(30)
            assert controller.stacks.wait(30)
            with httpx.Client(base_url=f"http://127.0.0.1:{access.port}", timeout=30) as client:
                assert client.get("/", params={"key": str(access.key)}).status_code == 200
                yield Served(client, controller, folder, access)
        finally:
            server.should_exit = True
            thread.join()
            controller.stop()
