"""Photos are scored anew when the model's folder has another model."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

import waiting
from mlsp.base.digests import file_sha256
from mlsp.culling.shots import Shot
from mlsp.models.model import MODEL_FILE, load_model
from mlsp.scoring.results import Score
from mlsp.scoring.scorer import Scorer
from mlsp.serving.web.collection import Collection
from mlsp.serving.web.entry import FIELDS
from mlsp.serving.web.live_scoring import LiveScoring
from redness import RednessHead
from served_page import RednessEngine

if TYPE_CHECKING:
    from labelled_models import LabelledModel


def write_model(folder: Path, middle: float) -> None:
    """A model of redness in the place of what was there: half of the rated photos are below `middle`."""
    new = folder.with_name("new")
    shutil.copytree(load_model().folder, new)
    document = json.loads((new / MODEL_FILE).read_text("utf-8"))
    (head,) = document["heads"] = document["heads"][:1]
    head["quantiles"] = [0.0, middle, 1.0]
    (new / MODEL_FILE).write_text(json.dumps(document), "utf-8")
    if folder.exists():
        folder.rename(folder.with_name("old"))
    new.rename(folder)


def scorer(folder: Path) -> Scorer:
    return Scorer.of(load_model(folder), RednessEngine(), [RednessHead()], workers=1)


until = partial(waiting.until, seconds=20, pause=0.005)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for red in (51, 102):
        Image.new("RGB", (80, 64), (red, 90, 0)).save(tmp_path / f"{red}.png")
    write_model(tmp_path / "mine", 0.5)
    return tmp_path


@pytest.fixture
def scoring(folder: Path) -> Iterator[tuple[Collection, LiveScoring]]:
    collection = Collection([Shot(folder / "51.png"), Shot(folder / "102.png")], {})
    live = LiveScoring(collection, lambda: scorer(folder / "mine"), seconds_between_looks=0.01)
    live.start()
    assert live.wait(20)
    yield collection, live
    live.stop()


def overalls(collection: Collection) -> list[float]:
    """As the page gets them."""
    rows = {row[0]: row for row in map(json.loads, collection.changes(0, 1000).rows)}
    return [rows[id_][6] for id_ in sorted(rows)]


def test_a_model_that_is_learned_again_scores_the_photos_again(
    folder: Path, scoring: tuple[Collection, LiveScoring]
) -> None:
    collection, live = scoring
    assert overalls(collection) == pytest.approx([20, 40], abs=0.2)
    first = live.scorer
    # Another model's score of the photos, which the page shows besides.
    collection.extend("taste", {0: Score(4.5, 90.0)})
    revision = collection.revision
    write_model(folder / "mine", 0.25)
    until(lambda: overalls(collection) == pytest.approx([40, 60], abs=0.2))
    until(lambda: live.progress().state == "done")
    assert live.scorer is not first
    assert live.progress().done == 2
    assert collection.revision > revision
    assert collection.columns == ("quality", "taste")
    entry = collection.entry(0)
    assert entry is not None
    assert entry.scores["taste"] == Score(4.5, 90.0)
    assert collection.ids(entry.sha256) == [0]


def test_a_model_that_is_gone_or_damaged_leaves_the_scores(
    folder: Path, scoring: tuple[Collection, LiveScoring]
) -> None:
    collection, live = scoring
    file = folder / "mine" / MODEL_FILE
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    time.sleep(0.05)
    file.unlink()
    time.sleep(0.05)
    assert live.progress().state == "done"
    assert overalls(collection) == pytest.approx([20, 40], abs=0.2)
    write_model(folder / "mine", 0.25)
    until(lambda: overalls(collection) == pytest.approx([40, 60], abs=0.2))


def test_a_photo_that_changed_meanwhile_is_another_photo(
    folder: Path, scoring: tuple[Collection, LiveScoring]
) -> None:
    collection, _ = scoring
    before = collection.entry(0)
    assert before is not None
    collection.extend("taste", {0: Score(4.5, 90.0)})
    Image.new("RGB", (80, 64), (204, 90, 0)).save(folder / "51.png")
    write_model(folder / "mine", 0.25)
    until(lambda: overalls(collection)[0] == pytest.approx(100 * (0.5 + 0.55 / 1.5), abs=0.2))
    after = collection.entry(0)
    assert after is not None
    assert list(after.scores) == ["quality"]
    assert collection.ids(before.sha256) == []
    assert collection.ids(after.sha256) == [0]


def test_a_result_from_before_mlsp_wrote_into_the_photo_is_of_what_it_is_now(
    folder: Path, scoring: tuple[Collection, LiveScoring]
) -> None:
    collection, _ = scoring
    photo = folder / "51.png"
    entry = collection.entry(0)
    assert entry is not None
    before, content = entry.sha256, photo.read_bytes()
    written = content + b"a packet"
    photo.write_bytes(written)
    after = file_sha256(photo)
    collection.follow([(photo, before, after)])
    collection.add(0, entry.result)
    assert (collection.ids(before), collection.ids(after)) == ([], [0])
    # Taken back, by the page and by the command line.
    photo.write_bytes(content)
    collection.add(0, entry.result)
    assert (collection.ids(before), collection.ids(after)) == ([0], [])


def test_scores_that_another_model_does_not_give_go() -> None:
    collection = Collection([Shot(Path("a.jpg"))], {})
    collection.begin(["quality", "beauty"])
    collection.extend("taste", {})
    collection.begin(["charm"], instead_of=["quality", "beauty"])
    assert collection.columns == ("charm", "taste")


def test_rows_have_kind_and_faults(labelled: LabelledModel) -> None:
    photos = [labelled.photo(name) for name in ("dark_rocket.png", "chart.png")]
    collection = Collection([Shot(photo) for photo in photos], {})
    with Scorer(labelled.model.folder) as found:
        collection.begin([head.name for head in found.model.heads])
        for id_, result in enumerate(found.score(photos)):
            collection.add(id_, result)
    dark, chart = (
        dict(zip(FIELDS, json.loads(row), strict=True)) for row in collection.changes(0, 9).rows
    )
    assert (dark["kind"], dark["faults"]) == ("architecture", ["dark"])
    assert dark["overall"] > 0
    # Not compared with photos.
    assert (chart["kind"], chart["faults"], chart["overall"]) == ("not_photo", [], None)
    assert [pair[1] for pair in chart["scores"]] == [None, None]
