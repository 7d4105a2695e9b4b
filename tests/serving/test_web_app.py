"""The application behind the page, on loopback: its answers, and what it does with what is sent."""

from __future__ import annotations

import csv
import gc
import io
import json
import os
import re
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import waiting
from mlsp.base.digests import file_sha256
from mlsp.base.errors import ModelError
from mlsp.culling.marks import NO_MARKS, Marks
from mlsp.culling.shots import Shot
from mlsp.culling.xmp import read_marks
from mlsp.culling.xmp.journal import runs
from mlsp.models.model import load_model
from mlsp.personal import learn_taste, write_personal_model
from mlsp.personal.following import take_back
from mlsp.personal.user_ratings import UserRatings
from mlsp.photos import read_photo
from mlsp.photos.files import read_bytes
from mlsp.scoring.scorer import Scorer
from mlsp.serving.web.collection import Collection
from mlsp.serving.web.entry import FIELDS
from mlsp.serving.web.learning import BusyError
from mlsp.serving.web.page_controller import PageController
from redness import ConstantEngine, RednessHead
from served_page import (
    PHOTOS,
    RednessEngine,
    Served,
    fake_scorer,
    make_photos,
    serving,
)
from xmp_samples import read_by_exiftool, read_rating


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """For tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("photos")
    with serving(make_photos(folder / "p"), folder / "r.sqlite") as served:
        yield served


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(make_photos(tmp_path / "p"), tmp_path / "r.sqlite") as served:
        yield served


def test_every_photo_is_a_row(shared: Served) -> None:
    rows = shared.rows()
    assert len(rows) == PHOTOS + 2
    names = shared.ids()
    row = rows[names["sub/11.png"]]
    assert list(row) == list(FIELDS)
    value = 20 * 11 / 255
    quality = load_model().heads[0]
    assert row["scores"][0] == pytest.approx([value, quality.percentile(value)], abs=0.1)
    # Features are cached in 16 bits.
    assert row["scores"][0][0] == pytest.approx(value, abs=3e-4)
    assert (row["folder"], row["width"], row["height"]) == ("sub", 80, 64)
    assert (row["failed"], row["stars"], row["flag"]) == (None, None, None)
    assert row["captured_is_file_time"] is True
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", row["captured"])
    assert row["overall"] == pytest.approx(np.mean([pair[1] for pair in row["scores"]]), abs=0.1)
    assert rows[names["03.png"]]["version"] == rows[names["copy.png"]]["version"]
    bad = rows[names["empty.jpg"]]
    assert (bad["failed"], bad["overall"], bad["scores"]) == ("the file is empty", None, [])


def test_rows_come_in_pages_and_once(shared: Served) -> None:
    found: list[int] = []
    since, more = 0, True
    while more:
        answer = shared.get("photos", since=since, limit=5)
        assert len(answer["rows"]) <= 5
        found += [row[0] for row in answer["rows"]]
        since, more = answer["revision"], answer["more"]
    assert sorted(found) == list(range(PHOTOS + 2))
    assert shared.get("photos", since=since)["rows"] == []
    assert shared.get("photos", since=10**6)["revision"] == 10**6


def test_status(shared: Served) -> None:
    status = shared.get("status")
    assert status["columns"] == ["quality", "beauty"]
    assert status["heads"]["beauty"] == {"lowest": 1.0, "highest": 7.0}
    assert status["root"] == str(shared.folder)
    scoring = status["scoring"]
    assert (scoring["state"], scoring["total"], scoring["done"], scoring["failed"]) == (
        "done",
        PHOTOS + 2,
        PHOTOS + 2,
        1,
    )
    assert status["learn"]["needed"] == 30
    assert status["ratings"] == {
        "file": str(shared.folder.parent / "r.sqlite"),
        "photos": 0,
        "comparisons": 0,
    }


def test_rating_changes_its_row_alone(served: Served) -> None:
    photo = served.ids()["05.png"]
    before = served.get("status")["revision"]
    answer = served.rate({"id": photo, "stars": 4})
    assert answer == {
        "id": photo,
        "stars": 4,
        "flag": None,
        "label": None,
        "revision": before + 1,
        "undo": "4 stars for 05.png",
    }
    served.rate({"id": photo, "flag": "pick"})
    (row,) = served.rows(since=before).values()
    assert (row["photo"], row["stars"], row["flag"]) == ("05.png", 4, "pick")
    assert served.rate({"id": photo, "stars": None})["flag"] == "pick"
    assert served.get("status")["ratings"]["photos"] == 1


def test_copies_are_one_photo(served: Served) -> None:
    names = served.ids()
    before = served.get("status")["revision"]
    served.rate({"id": names["03.png"], "stars": 2})
    assert {row["photo"]: row["stars"] for row in served.rows(since=before).values()} == {
        "03.png": 2,
        "copy.png": 2,
    }
    message = served.error(
        "comparisons", {"better": names["03.png"], "worse": names["copy.png"]}, status=400
    )
    assert message == (
        "cannot compare 03.png with copy.png: they are the same file, or copies of it"
    )


def test_undo_goes_through_everything(served: Served) -> None:
    names = served.ids()
    one, other = names["01.png"], names["02.png"]
    served.rate({"id": one, "stars": 3})
    served.rate({"id": one, "stars": 5, "flag": "pick"})
    answer = served.post("comparisons", {"better": one, "worse": other})
    assert (answer["comparisons"], answer["undo"]) == (1, "01.png is better than 02.png")
    undone = served.post("undo", {})
    assert undone["undone"] == "01.png is better than 02.png"
    assert (undone["ids"], undone["undo"]) == ([one, other], "5 stars, pick for 01.png")
    assert served.get("status")["ratings"]["comparisons"] == 0
    assert served.post("undo", {})["ids"] == [one]
    assert (served.rows()[one]["stars"], served.rows()[one]["flag"]) == (3, None)
    served.post("undo", {})
    assert served.rows()[one]["stars"] is None
    last = served.post("undo", {})
    assert (last["undone"], last["ids"], last["undo"]) == (None, [], None)


def test_ratings_given_together_are_undone_together(served: Served) -> None:
    names = served.ids()
    one, other = names["01.png"], names["02.png"]
    answer = served.rate({"id": one, "flag": "pick"}, {"id": other, "flag": "reject", "stars": 2})
    assert [(rating["id"], rating["flag"]) for rating in answer["ratings"]] == [
        (one, "pick"),
        (other, "reject"),
    ]
    assert answer["undo"] == "ratings of 2 photos"
    undone = served.post("undo", {})
    assert (sorted(undone["ids"]), undone["is_comparison"]) == (sorted([one, other]), False)
    assert {served.rows()[id_]["flag"] for id_ in (one, other)} == {None}
    # One that is wrong, and none is given.
    together = [{"id": one, "stars": 3}, {"id": names["empty.jpg"], "stars": 3}]
    served.error("ratings", {"ratings": together}, status=400)
    assert served.rows()[one]["stars"] is None


def test_two_pages_share_a_file_of_ratings(served: Served) -> None:
    names = served.ids()
    one, other = names["01.png"], names["02.png"]
    file = served.controller.rated.ratings.path
    with serving(served.folder, file) as second:
        served.post("comparisons", {"better": one, "worse": other})
        undone = second.post("undo", {})
        assert (undone["undone"], undone["ids"]) == ("01.png is better than 02.png", [one, other])
        served.post("comparisons", {"better": other, "worse": one})
        second.post("comparisons", {"better": one, "worse": names["04.png"]})
        second.post("undo", {})
        assert second.get("status")["ratings"]["comparisons"] == 1


def placed(served: Served, **body: Any) -> dict[str, Any]:
    """Put photos into a folder, and wait for it."""
    served.post("export/photos", body, expected=202)
    waiting.until(lambda: served.get("export/photos")["state"] != "running", seconds=20)
    return dict(served.get("export/photos"))


def test_rated_photos_become_files(served: Served, tmp_path: Path) -> None:
    names = served.ids()
    served.rate({"id": names["05.png"], "flag": "pick"}, {"id": names["sub/11.png"], "stars": 4})
    served.rate({"id": names["06.png"], "stars": 5, "flag": "reject"})
    # A sidecar that came after the page was opened.
    served.post("export/xmp", {"convention": "photo.jpg.xmp"})
    best = tmp_path / "best"
    found = placed(served, rated="picked,4+", folder=str(best))
    assert (found["state"], found["photos"], found["new"], found["failed"]) == ("done", 2, 4, [])
    copies = sorted(path.relative_to(best).as_posix() for path in best.rglob("*.*"))
    assert copies == ["05.png", "05.png.xmp", "sub/11.png", "sub/11.png.xmp"]
    assert (best / "05.png").read_bytes() == (served.folder / "05.png").read_bytes()
    # Again: all of it is there. As links, photos are second names and sidecars copies.
    again = placed(served, rated="picked,4+", folder=str(best))
    assert (again["done"], again["new"], again["differing"]) == (4, 0, 0)
    (best / "05.png.xmp").write_bytes(b"rated there")
    assert placed(served, rated="picked,4+", folder=str(best))["differing"] == 1
    placed(served, rated="rejected", folder=str(tmp_path / "out"), hard_links=True)
    assert (tmp_path / "out" / "06.png").samefile(served.folder / "06.png")
    assert not (tmp_path / "out" / "06.png.xmp").samefile(served.folder / "06.png.xmp")
    listed = served.client.get("/api/export/photos.txt", params={"rated": "4+"})
    assert listed.text == f"{served.folder / 'sub' / '11.png'}\n"
    (served.folder / "05.png").unlink()
    (failure,) = placed(served, rated="picked", folder=str(tmp_path / "more"))["failed"]
    assert failure["photo"].endswith("05.png")


@pytest.mark.skipif(os.name != "posix", reason="a pipe stands for a photo that takes long to copy")
def test_one_export_of_photos_at_a_time(served: Served, tmp_path: Path) -> None:
    names = served.ids()
    served.rate({"id": names["05.png"], "flag": "pick"}, {"id": names["06.png"], "flag": "pick"})
    (served.folder / "05.png").unlink()
    (served.folder / "06.png").unlink()
    os.mkfifo(served.folder / "06.png")
    export, together = served.controller.photo_export, threading.Barrier(8)

    def start(number: int) -> bool:
        together.wait()
        try:
            export.start("picked", str(tmp_path / str(number)), hard_links=False)
        except BusyError:
            return False
        return True

    # It has no end until it is closed.
    with open(os.open(served.folder / "06.png", os.O_RDWR), "rb", buffering=0):
        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(start, range(8))) == 1
        waiting.until(lambda: served.get("export/photos")["done"] == 1)
        # What failed is told once, when all is done.
        assert served.get("export/photos")["failed"] == []
    waiting.until(lambda: served.get("export/photos")["state"] == "done")
    found = served.get("export/photos")
    assert [Path(failure["photo"]).name for failure in found["failed"]] == ["05.png"]
    assert (found["new"], found["done"]) == (1, 2)


def test_folders_that_photos_are_not_put_into(served: Served, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder, message, status in (
        ("best", "'best' is no whole path: begin with a drive, / or ~", 400),
        (str(served.folder / "best"), "is where this page's photos are", 400),
        (str(tmp_path / "file"), "cannot be made", 409),
    ):
        body = {"rated": "picked", "folder": folder}
        assert message in served.error("export/photos", body, status=status)
    assert not (served.folder / "best").exists()
    body = {"rated": "splendid", "folder": str(tmp_path / "x")}
    assert "got 'splendid'" in served.error("export/photos", body, status=400)


def test_ratings_are_there_again_and_follow_a_renamed_photo(tmp_path: Path) -> None:
    make_photos(tmp_path / "p")
    with serving(tmp_path / "p", tmp_path / "r.sqlite") as first:
        names = first.ids()
        first.rate({"id": names["05.png"], "stars": 4, "flag": "pick"})
        first.post("comparisons", {"better": names["05.png"], "worse": names["06.png"]})
    (tmp_path / "p" / "05.png").rename(tmp_path / "p" / "renamed.png")
    with serving(tmp_path / "p", tmp_path / "r.sqlite") as second:
        row = second.rows()[second.ids()["renamed.png"]]
        assert (row["stars"], row["flag"]) == (4, "pick")
        assert second.get("status")["undo"] == "05.png is better than 06.png"
        assert second.get("status")["ratings"]["comparisons"] == 1


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        (
            "ratings",
            {"ratings": [{"id": 999, "stars": 4}]},
            404,
            "there is no photo 999, or it is not scored yet",
        ),
        (
            "ratings",
            {"ratings": [{"id": -1, "stars": 4}]},
            404,
            "there is no photo -1, or it is not scored yet",
        ),
        (
            "ratings",
            {"ratings": [{"id": 0, "stars": 6}]},
            422,
            "ratings.0.stars: Input should be less than or equal to 5",
        ),
        (
            "ratings",
            {"ratings": [{"id": 0, "stars": "4"}]},
            422,
            "ratings.0.stars: Input should be a valid integer",
        ),
        (
            "ratings",
            {"ratings": [{"id": 0, "stars": True}]},
            422,
            "ratings.0.stars: Input should be a valid integer",
        ),
        (
            "ratings",
            {"ratings": [{"id": 0, "flag": "x"}]},
            422,
            "ratings.0.flag: Input should be 'pick' or 'reject'",
        ),
        (
            "ratings",
            {"ratings": [{"id": "/etc/passwd"}]},
            422,
            "ratings.0.id: Input should be a valid integer",
        ),
        (
            "ratings",
            {"ratings": [{"id": 0, "path": "x"}]},
            422,
            "ratings.0.path: Extra inputs are not permitted",
        ),
        ("ratings", [], 422, "what was sent: Input should be a valid dictionary"),
        ("comparisons", {"better": 0}, 422, "worse: Field required"),
        ("export/photos", {"rated": "picked", "folder": ""}, 422, "no folder is given: fill it in"),
        ("export/xmp", {"convention": "../x"}, 422, "convention: Input should be 'both'"),
        (
            "export/xmp",
            {"becomes": "5=pink"},
            400,
            "unknown mark 'pink'",
        ),
        (
            "export/xmp",
            {"keywords": ["burst"]},
            422,
            "keywords.0: Input should be 'score' or 'rank'",
        ),
        ("learn", {}, 400, "too little to learn from: 0 ratings and comparisons of these photos"),
        ("learn/save", {"name": "mine"}, 409, "no model of yours predicts you better"),
        ("learn/save", {"name": "../../mine"}, 400, "a model cannot be called '../../mine': "),
        ("learn/save", {"name": "default"}, 400, "the model 'default' comes with mlsp"),
        ("nothing", {}, 404, "there is no such page"),
        ("photos?since=-1", None, 422, "since: Input should be greater than or equal to 0"),
        ("photos?limit=20001", None, 422, "limit: Input should be less than or equal to 20000"),
        ("photo/0?side=5000", None, 422, "side: Input should be less than or equal to 4096"),
        ("thumbnail/99", None, 404, "there is no photo 99, or it is not scored yet"),
        ("thumbnail/..%2F..%2Fetc%2Fpasswd", None, 404, "there is no such page"),
        ("thumbnail/passwd", None, 422, "id_: Input should be a valid integer"),
        ("pair?skip=1", None, 422, "skip: String should match pattern"),
        ("explain/0/qualty", None, 400, "unknown score 'qualty': did you mean 'quality'?"),
    ],
)
def test_what_is_wrong_is_said(
    shared: Served, path: str, body: object, status: int, message: str
) -> None:
    assert shared.error(path, body, status=status).startswith(message)
    assert shared.get("status")["ratings"]["photos"] == 0


def test_a_photo_that_failed_is_not_rated(shared: Served) -> None:
    bad = shared.ids()["empty.jpg"]
    message = shared.error("ratings", {"ratings": [{"id": bad, "stars": 3}]}, status=400)
    assert message == "empty.jpg could not be scored, so it cannot be rated either"
    assert shared.error(f"thumbnail/{bad}", status=404) == "the file is empty"


def test_json_that_is_none_is_said(shared: Served) -> None:
    headers = {"origin": shared.origin, "content-type": "application/json"}
    answer = shared.client.post("/api/ratings", content=b'{"id": 0,', headers=headers)
    assert answer.status_code == 422
    assert "JSON decode error" in answer.json()["error"]


def test_pictures(shared: Served) -> None:
    row = shared.rows()[0]
    path = f"/api/thumbnail/0?v={row['version']}"
    small = shared.client.get(path)
    assert small.headers["content-type"] == "image/jpeg"
    assert small.headers["cache-control"] == "private, max-age=3600"
    assert Image.open(io.BytesIO(small.content)).size == (80, 64)
    again = shared.client.get(path, headers={"if-none-match": small.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    # Another version of the photo, or none named: the browser has to ask each time.
    other = shared.client.get("/api/thumbnail/0?v=0000")
    assert other.headers["cache-control"] == "private, no-cache"
    large = shared.client.get("/api/photo/0?side=64")
    assert Image.open(io.BytesIO(large.content)).size == (64, 51)
    assert large.headers["etag"] != small.headers["etag"]


def test_a_preview_is_the_upright_photo(served: Served) -> None:
    photo = served.ids()["05.png"]
    file = served.folder / "05.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (300, 200), (10, 20, 200)).save(file, "JPEG", exif=exif, quality=95)
    answer = served.client.get(f"/api/photo/{photo}")
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.size == (200, 300)
    assert not picture.getexif()
    expected = read_photo(file).pixels.astype(int)
    assert np.abs(np.asarray(picture, int) - expected).max() <= 4


def test_pictures_are_of_the_photo_that_was_scored_last(served: Served) -> None:
    photo = served.ids()["05.png"]

    def pictures() -> list[bytes]:
        paths = (f"thumbnail/{photo}", f"photo/{photo}?side=64", f"explain/{photo}/quality")
        answers = [served.client.get(f"/api/{path}") for path in paths]
        assert [answer.status_code for answer in answers] == [200] * len(paths)
        return [answer.content for answer in answers]

    before = pictures()
    assert pictures() == before
    Image.new("RGB", (80, 64), (10, 200, 20)).save(served.folder / "05.png")
    (result,) = fake_scorer().score([served.folder / "05.png"])
    served.controller.collection.add(photo, result)
    assert all(now != then for now, then in zip(pictures(), before, strict=True))


def write_taste(folder: Path, seed: int) -> None:
    """A model of what somebody likes; of each seed another."""
    model, random = load_model(), np.random.default_rng(seed)
    features = random.random((40, RednessEngine.channels), dtype=np.float32)
    stars = random.integers(1, 6, 40).astype(np.float64)
    taste = learn_taste(features, prior=np.zeros((40, 1)), ratings=(np.arange(40), stars))
    write_personal_model(folder, model, taste)


def test_heat_maps_are_of_the_model_as_it_is(tmp_path: Path) -> None:
    model = tmp_path / "mine"
    write_taste(model, 1)
    (tmp_path / "p").mkdir()
    Image.new("RGB", (80, 64), (200, 90, 0)).save(tmp_path / "p" / "a.png")
    with serving(tmp_path / "p", tmp_path / "r.sqlite", model=str(model)) as served:
        replaced = weakref.ref(served.controller.scoring.scorer)
        before = served.client.get("/api/explain/0/taste").content
        assert served.client.get("/api/explain/0/taste").content == before
        write_taste(model, 2)
        waiting.until(
            lambda: served.client.get("/api/explain/0/taste").content != before, seconds=30
        )
        gc.collect()
        assert replaced() is None


def test_a_photo_that_is_gone_is_said(served: Served) -> None:
    photo = served.ids()["05.png"]
    (served.folder / "05.png").unlink()
    assert served.error(f"thumbnail/{photo}", status=404) == "there is no such file"


def test_csv(served: Served) -> None:
    names = served.ids()
    served.rate({"id": names["05.png"], "stars": 4, "flag": "pick"})
    served.post("comparisons", {"better": names["05.png"], "worse": names["sub/11.png"]})
    answer = served.client.get("/api/export.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="ratings.csv"'
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["photo"] == str(served.folder / "05.png")
    assert (row["stars"], row["flag"]) == ("4", "pick")
    assert float(row["quality"]) == pytest.approx(100 / 255, abs=3e-4)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", row["rated_at"])
    assert len(
        list(csv.DictReader(io.StringIO(served.client.get("/api/export.csv?all=true").text)))
    ) == (PHOTOS + 1)
    (pair,) = csv.DictReader(io.StringIO(served.client.get("/api/comparisons.csv").text))
    assert pair["better"] == row["photo"]
    assert pair["worse_sha256"] == served.controller.entry(names["sub/11.png"]).sha256


SIDECAR = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{}" xmp:Label="{}"/></rdf:RDF></x:xmpmeta>'
)


def marks(served: Served, name: str) -> list[Any]:
    """What is shown of a photo."""
    served.controller.files.look()
    return [served.rows()[served.ids()[name]][field] for field in ("stars", "flag", "label")]


def test_what_other_programs_say_is_shown_and_followed(served: Served) -> None:
    photo, sidecar = served.ids()["06.png"], served.folder / "06.png.xmp"
    sidecar.write_text(SIDECAR.format(2, "Red"))
    assert marks(served, "06.png") == [2, None, "red"]
    assert served.get("status")["ratings"]["photos"] == 1
    # A rating here is one more; undoing it leads back to theirs.
    served.rate({"id": photo, "stars": 4})
    assert marks(served, "06.png") == [4, None, "red"]
    served.post("undo", {})
    assert marks(served, "06.png") == [2, None, "red"]
    served.rate({"id": photo, "stars": None, "label": None})
    assert marks(served, "06.png") == [None, None, None]
    # Whatever the other program does later is newer.
    sidecar.write_text(SIDECAR.format(5, "Red"))
    assert marks(served, "06.png") == [5, None, None]
    served.rate({"id": photo, "flag": "pick"})
    assert marks(served, "06.png") == [5, "pick", None]
    # What it does not change stays.
    sidecar.write_text(SIDECAR.format(1, "Red"))
    assert marks(served, "06.png") == [1, "pick", None]
    served.post("export/xmp", {"convention": "photo.jpg.xmp"})
    assert read_marks(served.folder / "06.png") == Marks(1, "pick")
    assert marks(served, "06.png") == [1, "pick", None]
    sidecar.unlink()
    assert marks(served, "06.png") == [None, None, None]


def test_a_change_while_the_page_is_closed_is_followed(tmp_path: Path) -> None:
    folder, file = make_photos(tmp_path / "p"), tmp_path / "r.sqlite"
    with serving(folder, file) as served:
        for name in ("04.png", "06.png"):
            served.rate({"id": served.ids()[name], "stars": 1})
    (folder / "06.png.xmp").write_text(SIDECAR.format(5, ""))
    with serving(folder, file) as served:
        assert marks(served, "06.png") == [5, None, None]
        assert marks(served, "04.png") == [1, None, None]
    # What was never seen together: the user's is shown, and the file keeps its own.
    ratings = UserRatings.open(file)
    ratings._connection.execute("DELETE FROM found")  # type: ignore[union-attr]
    ratings.close()
    with serving(folder, file) as served:
        assert marks(served, "06.png") == [1, None, None]
        answer = served.post("export/xmp", {"convention": "photo.jpg.xmp"})
        assert answer == {"written": 1, "files": 1, "tagged": 0, "kept": ["06.png"], "failed": []}
        answer = served.post("export/xmp", {"convention": "photo.jpg.xmp", "overwrite": True})
        assert answer["files"] == 1
    assert read_rating(folder / "06.png") == 1
    # Taken back by the command line while the page is closed, the ratings stay.
    assert str(take_back(next(runs()))) == "1 sidecar restored, 0 removed"
    assert read_rating(folder / "06.png") == 5
    with serving(folder, file) as served:
        assert marks(served, "06.png") == [1, None, None]


def test_an_export_is_taken_back_and_the_ratings_stay(served: Served) -> None:
    mine = served.folder / "06.png.xmp"
    mine.write_text(SIDECAR.format(5, "Red"))
    before = mine.read_bytes()
    served.controller.files.look()
    served.rate({"id": served.ids()["06.png"], "stars": 1, "flag": "pick"})
    served.rate({"id": served.ids()["05.png"], "label": "blue"})
    assert served.post("export/xmp", {"convention": "photo.jpg.xmp"})["files"] == 2
    assert read_marks(served.folder / "05.png") == Marks(label="blue")
    assert read_marks(served.folder / "06.png") == Marks(1, "pick", "red")
    undone = served.post("export/undo", {})
    assert undone == {"restored": 1, "removed": 1, "left": []}
    assert mine.read_bytes() == before
    assert marks(served, "06.png") == [1, "pick", "red"]
    assert marks(served, "05.png") == [None, None, "blue"]
    assert served.post("export/undo", {}) == {"restored": 0, "removed": 0, "left": []}
    # From the command line, with the page closed or open.
    served.post("export/xmp", {"convention": "photo.jpg.xmp"})
    take_back(next(runs()))
    assert mine.read_bytes() == before


def test_sidecars(served: Served) -> None:
    names = served.ids()
    for name, stars, flag in (
        ("01.png", 4, None),
        ("02.png", 3, "reject"),
        ("04.png", None, "pick"),
        ("06.png", 1, None),
    ):
        served.rate({"id": names[name], "stars": stars, "flag": flag})
    # Someone rates it in another program, and that is newer.
    mine = served.folder / "06.png.xmp"
    mine.write_text(SIDECAR.format(5, ""))
    before = mine.read_bytes()
    answer = served.post("export/xmp", {"convention": "photo.jpg.xmp"})
    assert answer == {"written": 3, "files": 3, "tagged": 0, "kept": [], "failed": []}
    assert read_rating(served.folder / "01.png") == 4
    assert read_rating(served.folder / "02.png") == -1
    assert mine.read_bytes() == before
    # Rated again, it is the user who knows what is there.
    served.rate({"id": names["06.png"], "stars": 1})
    again = served.post("export/xmp", {"convention": "photo.jpg.xmp"})
    assert (again["written"], again["files"], again["kept"]) == (4, 1, [])
    assert read_rating(served.folder / "06.png") == 1
    mine.write_text("no XML")
    failed = served.post("export/xmp", {"keywords": ["rank"]})["failed"]
    assert [one["photo"] for one in failed] == ["06.png"]
    assert str(mine) in failed[0]["error"]


def test_stars_as_other_marks_and_keywords(served: Served) -> None:
    names = served.ids()
    served.rate({"id": names["05.png"], "stars": 5, "label": "red"})
    served.rate({"id": names["06.png"], "stars": 2})
    export = {
        "convention": "photo.jpg.xmp",
        "becomes": "5=4+pick+blue,2=none",
        "keywords": ["rank"],
    }
    answer = served.post("export/xmp", export)
    assert answer == {"written": 2, "files": 1, "tagged": PHOTOS + 1, "kept": [], "failed": []}
    # What the user gave by hand stays; here all of it.
    assert read_marks(served.folder / "05.png") == Marks(4, "pick", "red")
    assert read_marks(served.folder / "06.png") == NO_MARKS
    assert marks(served, "05.png") == [5, None, "red"]
    rows = served.rows()
    best = max((row for row in rows.values() if row["overall"]), key=lambda row: row["overall"])
    found = read_by_exiftool(list(served.folder.rglob("*.xmp")))
    assert {
        str(one["SourceFile"]).removesuffix(".xmp").removeprefix(f"{served.folder}/")
        for one in found
        if one["XMP-dc:Subject"] == "mlsp|rank|01"
    } == {best["photo"]}
    assert served.post("export/undo", {}) == {"restored": 0, "removed": PHOTOS + 1, "left": []}


def test_an_export_into_the_photos_is_followed_and_taken_back(tmp_path: Path) -> None:
    folder, file = make_photos(tmp_path / "p"), tmp_path / "r.sqlite"
    photo, before = folder / "05.png", (folder / "05.png").read_bytes()
    pixels = read_photo(photo).pixels.tobytes()
    with serving(folder, file) as served:
        mine, other = served.ids()["05.png"], served.ids()["06.png"]
        served.rate({"id": mine, "stars": 5})
        served.post("comparisons", {"better": mine, "worse": other})
        assert served.get("export/xmp") == {"total": 0, "done": 0}
        answer = served.post("export/xmp", {"inside": True, "keywords": ["score"]})
        assert (answer["written"], answer["files"], answer["failed"]) == (1, 1, [])
        # One rating, and the keywords of all.
        steps = 1 + answer["tagged"]
        assert served.get("export/xmp") == {"total": steps, "done": steps}
        assert list(folder.rglob("*.xmp")) == []
        (found,) = read_by_exiftool([photo])
        assert found["XMP-xmp:Rating"] == 5
        assert str(found["XMP-dc:Subject"]).startswith("mlsp|score|")
        assert read_photo(photo).pixels.tobytes() == pixels
        # The photo is another one now; what was said of it, and what can be undone, is the same.
        assert served.controller.entry(mine).sha256 == file_sha256(photo)
        served.rate({"id": mine, "stars": 2})
        assert marks(served, "05.png") == [2, None, None]
        assert served.post("undo", {})["ids"] == [mine]
        assert marks(served, "05.png") == [5, None, None]
    with serving(folder, file) as served:
        assert marks(served, "05.png") == [5, None, None]
        assert served.get("status")["ratings"]["comparisons"] == 1
        served.rate({"id": mine, "stars": 3})
        assert served.post("export/xmp", {"inside": True})["files"] == 1
        assert served.post("export/undo", {}) == {"restored": 1, "removed": 0, "left": []}
        assert marks(served, "05.png") == [3, None, None]
    # The first export is taken back by the command line.
    assert str(take_back(next(runs()))).startswith(f"{PHOTOS + 1} files restored, 0 removed")
    assert photo.read_bytes() == before
    with serving(folder, file) as served:
        assert marks(served, "05.png") == [3, None, None]
        assert served.get("status")["ratings"]["comparisons"] == 1
        assert served.post("undo", {})["ids"] == [mine]
        assert marks(served, "05.png") == [5, None, None]


def test_pairs_are_close_new_and_not_copies(served: Served) -> None:
    rows, names = served.rows(), served.ids()
    asked = set()
    for _ in range(10):
        answer = served.get("pair")
        one, other = answer["pair"]
        assert answer["why"] == "the model cannot tell which of these you like better"
        scores = [rows[id_]["scores"][0][0] for id_ in (one, other)]
        assert abs(scores[0] - scores[1]) < 0.25
        pair = frozenset((rows[one]["version"], rows[other]["version"]))
        assert len(pair) == 2
        assert pair not in asked
        asked.add(pair)
        served.post("comparisons", {"better": one, "worse": other})
    skipped = served.get("pair")["pair"]
    skip = ",".join(map(str, skipped))
    for _ in range(10):
        assert set(served.get("pair", skip=skip)["pair"]) != set(skipped)
    assert names["empty.jpg"] not in {id_ for pair in asked for id_ in pair}


def test_when_all_is_compared_it_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    for red in (10, 200):
        Image.new("RGB", (80, 64), (red, 0, 0)).save(folder / f"{red}.png")
    with serving(folder, tmp_path / "r.sqlite") as served:
        one, other = served.get("pair")["pair"]
        served.post("comparisons", {"better": one, "worse": other})
        answer = served.get("pair")
        assert (answer["pair"], answer["message"]) == (None, "all photos are compared")
        served.post("undo", {})
        assert sorted(served.get("pair")["pair"]) == [0, 1]


def test_photos_come_while_others_are_scored(tmp_path: Path) -> None:
    make_photos(tmp_path)
    collection = Collection([Shot(path) for path in sorted(tmp_path.glob("*.png"))], {})
    collection.begin(["quality", "beauty"])
    results = fake_scorer().score(collection.sources)
    for id_ in range(3):
        collection.add(id_, next(results))
    changes = collection.changes(0, 100)
    assert [json.loads(row)[0] for row in changes.rows] == [0, 1, 2]
    assert (changes.revision, changes.more) == (3, False)
    collection.add(3, next(results))
    assert [json.loads(row)[0] for row in collection.changes(changes.revision, 100).rows] == [3]
    results.close()


def test_a_model_that_cannot_be_loaded_is_said(tmp_path: Path) -> None:
    def load(_: Path | str) -> Scorer:
        raise ModelError("the model is gone")

    with UserRatings.open(tmp_path / "r.sqlite") as ratings:
        controller = PageController([Shot(tmp_path / "a.png")], ratings, load)
        controller.start()
        assert controller.scoring.wait(10)
        progress = controller.scoring.progress()
        assert (progress.state, progress.message) == ("failed", "the model is gone")
        controller.stop()


def test_names_that_are_no_text_are_shown_and_exported(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    name = os.fsencode(folder) + b"/latin \xe9.png"
    Image.new("RGB", (80, 64), (9, 0, 0)).save(folder / "a.png")
    os.rename(os.fsencode(folder / "a.png"), name)
    with serving(folder, tmp_path / "r.sqlite") as served:
        assert served.rows()[0]["photo"] == "latin \\xe9.png"
        served.rate({"id": 0, "stars": 5})
        served.rate({"id": 0, "flag": "pick"})
        (row,) = csv.DictReader(io.StringIO(served.client.get("/api/export.csv").content.decode()))
        assert row["photo"] == f"{folder}/latin \\xe9.png"
        assert read_bytes(Path(row["photo"]))
        listed = served.client.get("/api/export/photos.txt", params={"rated": "picked"})
        assert listed.content == name + b"\n"
        assert served.get("status")["undo"] == "pick for latin ?.png"


def test_the_page_and_its_files(shared: Served) -> None:
    page = shared.client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for file in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
        assert shared.client.get(file).status_code == 200
    script = shared.client.get("/static/page.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    for name in ("../app.py", "..%2Fapp.py", "%2e%2e/app.py", "nothing.js", "__init__.py", ""):
        answer = shared.client.get(f"/static/{name}")
        assert answer.status_code == 404
        assert "error" in answer.json()


def test_an_own_taste_is_learned_kept_and_shown(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    for number in range(36):
        Image.new("RGB", (80, 64), (6 * number, 90, 0)).save(folder / f"{number:02}.png")
    with serving(folder, tmp_path / "r.sqlite") as served:
        # The user likes what is dark: the default's opposite.
        for number in range(30):
            stars = 5 - number // 6
            served.rate({"id": number, "stars": stars})
        assert served.post("learn", {}, expected=202)["state"] in ("running", "done")
        learned = until_learned(served)
        assert learned["message"] is None
        result = learned["result"]
        assert result["is_better"] is True
        assert result["agreement"] > 0.8 > 0 > result["default_agreement"]
        assert (result["ratings"], result["comparisons"]) == (30, 0)
        assert result["measure"] == "Rank correlation of scores with your 30 ratings (1 is perfect)"
        kept = served.post("learn/save", {"name": "mine"})
        assert load_model("mine").folder == Path(kept["folder"])
        assert [head.name for head in load_model("mine").heads] == ["taste"]
        deadline = time.monotonic() + 30
        while "taste" not in served.get("status")["columns"] and time.monotonic() < deadline:
            time.sleep(0.02)
        rows = served.rows()
        tastes = [rows[id_]["scores"][2][0] for id_ in range(36)]
        # Also of the photos that were not rated, and the darker the better.
        assert max(tastes[-5:]) < 2.5 < 3.5 < min(tastes[:5])
        assert (
            served.get("pair")["why"] == "your own model cannot tell which of these you like better"
        )
        assert served.get("learn")["saved"] == kept
    with serving(folder, tmp_path / "r.sqlite", model="mine") as served:
        assert served.get("status")["columns"] == ["taste"]
        picture = served.client.get("/api/explain/0/taste")
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png"), (
            picture.text
        )


def test_shots_of_one_burst_count_once_where_a_taste_is_learned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0132] = "2024:05:06 12:00:00"
    for number in range(36):
        photo = Image.new("RGB", (80, 64), (6 * number, 90, 0))
        photo.save(tmp_path / f"{number:02}.png", exif=exif)
    with serving(tmp_path, tmp_path / "r.sqlite") as served:
        served.rate(*({"id": number, "stars": 5 - number // 9} for number in range(36)))
        served.post("learn", {}, expected=202)
        learned = until_learned(served)
        assert learned["state"] == "failed"
        assert learned["message"].startswith("the 36 judged photos are of 1 kinds only, copies and")


def test_photos_that_cannot_be_learned_from_are_left_out_and_named(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    for number in range(36):
        Image.new("RGB", (80, 64), (6 * number, 90, 0)).save(folder / f"{number:02}.png")
    with serving(folder, tmp_path / "r.sqlite") as served:
        served.rate(*({"id": number, "stars": 5 - number // 9} for number in range(36)))
        served.post("comparisons", {"better": 3, "worse": 35})
        (folder / "03.png").unlink()
        (folder / "04.png").write_bytes(b"")
        # The rating is of another picture.
        Image.new("RGB", (80, 64), (200, 90, 0)).save(folder / "05.png")
        served.post("learn", {}, expected=202)
        learned = until_learned(served)
        assert (learned["state"], learned["message"]) == ("done", None)
        assert (learned["result"]["ratings"], learned["result"]["comparisons"]) == (33, 0)
        assert learned["left_out"] == [
            {"photo": "03.png", "error": "the photo is no longer there"},
            {"photo": "04.png", "error": "the file is empty"},
            {"photo": "05.png", "error": "the photo was changed after it was judged"},
        ]


def test_a_model_that_no_taste_can_be_learned_on_is_refused_at_once(tmp_path: Path) -> None:
    model = load_model()
    wide = replace(model, feature_spec=replace(model.feature_spec, grid=5))

    def load(_: Path | str) -> Scorer:
        return Scorer.of(wide, ConstantEngine(wide.feature_spec), [RednessHead(), RednessHead()])

    with UserRatings.open(tmp_path / "r.sqlite") as ratings:
        controller = PageController([Shot(tmp_path / "a.png")], ratings, load)
        controller.start()
        assert controller.scoring.wait(10)
        with pytest.raises(ModelError, match="the model 'default' reads a grid of 5 and views"):
            controller.learner.start()
        controller.stop()


def until_learned(served: Served) -> Any:
    deadline = time.monotonic() + 30
    while (learned := served.get("learn"))["state"] == "running" and time.monotonic() < deadline:
        time.sleep(0.02)
    return learned
