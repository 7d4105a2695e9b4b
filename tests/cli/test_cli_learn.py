"""`mlsp learn` as a user runs it, and what it reads."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from children import call_mlsp as mlsp
from mlsp.base.errors import ModelError, RatingsError
from mlsp.culling.marks import Marks
from mlsp.culling.xmp import rate_shot
from mlsp.personal import Judgements, PhotoReference, read_judged_photos, read_judgements
from mlsp.personal.judgements import read_sidecar_judgements
from mlsp.personal.user_ratings import UserRatings
from mlsp.scoring.scorer import Scorer

COUNT = 60


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Patterns, of which the odd ones are reddish."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        small = rng.integers(0, 256, (2 + number % 5, 2 + number % 7, 3), dtype=np.uint8)
        image = Image.fromarray(small).resize((72, 64), Image.Resampling.BICUBIC)
        tint = (200, 30, 20) if number % 2 else (20, 120, 200)
        Image.blend(image, Image.new("RGB", image.size, tint), 0.5).save(
            folder / f"{number:02}.png"
        )
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features are computed once for the whole file."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _shared_cache(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSP_CACHE_DIR", str(cache))
    monkeypatch.setenv("MLSP_RATINGS", str(tmp_path / "ratings.sqlite"))


def in_process(*arguments: str | Path) -> Result:
    from mlsp.cli import app

    return CliRunner().invoke(app, ["learn", *map(str, arguments)])


def table(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path


def liking(number: int) -> int:
    """Stars of someone who likes red."""
    return 4 + number % 3 // 2 if number % 2 else 1 + number % 3 // 2


def rated(photos: Path, path: Path) -> Path:
    rows = [(f"{number:02}.png", liking(number)) for number in range(COUNT)]
    return table(path, [("photo", "rating"), *rows])


def test_a_better_model_is_installed_and_scores_at_once(photos: Path, tmp_path: Path) -> None:
    ratings = rated(photos, tmp_path / "mine.csv")
    done = mlsp("learn", ratings, "--photos", photos, "--quiet")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Learned from 60 ratings of 60 photos."
    assert lines[2].split() == ["default", "you", "difference"]
    assert lines[3].startswith("rank correlation with your ratings (60)  ")
    assert lines[5:] == [
        "Measured on photos that were left out of learning, with 95 % intervals.",
        "Your own model predicts you better than default does.",
        "Installed as 'mine': mlsp score PHOTOS --model mine",
    ]
    scored = mlsp("score", photos, "--model", "mine", "--quiet")
    assert scored.returncode == 0, scored.stderr
    ranked = [int(Path(line.split("\t")[0]).stem) % 2 for line in scored.stdout.splitlines()[1:]]
    assert sum(ranked[:25]) >= 22
    assert os.listdir(os.environ["MLSP_MODELS_DIR"]) == ["mine"]


def test_chance_is_not_installed_but_by_force(photos: Path, tmp_path: Path) -> None:
    stars = np.random.default_rng(3).integers(1, 6, COUNT)
    rows = [(f"{number:02}.png", star) for number, star in enumerate(stars)]
    ratings = table(tmp_path / "chance.csv", [("photo", "rating"), *rows])
    done = in_process(ratings, "--photos", photos)
    assert done.exit_code == 1, done.output
    assert done.stdout.splitlines()[-2:] == [
        "Your own model is not shown to predict you better than default does: the difference may be chance.",
        "Nothing was installed. Rate or compare more photos, and learn again; --force installs it all the same.",
    ]
    assert not Path(os.environ["MLSP_MODELS_DIR"]).exists()
    forced = in_process(ratings, "--photos", photos, "--force", "--name", "chance")
    assert forced.exit_code == 0
    assert forced.stdout.splitlines()[-1] == (
        "Installed as 'chance', because of --force: mlsp score PHOTOS --model chance"
    )
    assert os.listdir(os.environ["MLSP_MODELS_DIR"]) == ["chance"]


def test_comparisons_and_stars_of_the_page_are_what_it_learns_from(
    photos: Path, tmp_path: Path
) -> None:
    paths = sorted(photos.iterdir())
    shas = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    with UserRatings.open(Path(os.environ["MLSP_RATINGS"])) as file:
        for number in range(24):
            file.rate(
                shas[number],
                str(paths[number]),
                stars=None,
                flag="pick" if number % 2 else "reject",
            )
        for number in range(24, 58, 2):
            for red, blue in ((number + 1, number), (number + 1, number + 2)):
                file.compare(shas[red], shas[blue], better=str(paths[red]), worse=str(paths[blue]))
    gone = tmp_path / "gone.png"
    with UserRatings.open(Path(os.environ["MLSP_RATINGS"])) as file:
        file.rate("0" * 64, str(gone), stars=3, flag=None)
    done = in_process()
    assert done.exit_code == 1, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "Learned from 24 ratings and 34 comparisons of 59 photos."
    assert lines[4].startswith("share of your comparisons right (34)     ")
    assert lines[-1] == "Installed as 'mine': mlsp score PHOTOS --model mine"
    assert (
        f"{gone}: the photo is no longer there: name the folder where it is now with --photos"
        in " ".join(done.stderr.split())
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "default",
            "mlsp: the model 'default' comes with mlsp and is never overwritten: choose another name, such as 'mine'",
        ),
        (
            "../mine",
            "mlsp: a model cannot be called '../mine': use up to 64 letters, digits, - and _, beginning with a letter or digit",
        ),
    ],
)
def test_names_are_checked_before_anything_else(name: str, message: str) -> None:
    found = in_process("nowhere.csv", "--name", name)
    assert f"mlsp: {found.exception}" == message


def test_errors_are_one_line_and_exit_with_2(tmp_path: Path) -> None:
    done = mlsp("learn", table(tmp_path / "few.csv", [("photo", "rating"), ("a.jpg", 3)]))
    assert done.returncode == 2
    path = tmp_path / "a.jpg"
    assert done.stderr.splitlines()[-1] == (
        f"mlsp: none of 1 judged photos can be used ({path}: the photo is no longer there: name the folder where it is now with"
        " --photos)"
    )
    assert "Traceback" not in done.stderr


def test_without_any_ratings_it_says_how_to_get_some() -> None:
    found = in_process()
    assert isinstance(found.exception, RatingsError)
    assert str(found.exception) == (
        f"there is no ratings file {os.environ['MLSP_RATINGS']}: rate photos with `mlsp serve FOLDER` first, or give a table of"
        " ratings, or --from-xmp and your photos"
    )
    assert not Path(os.environ["MLSP_RATINGS"]).exists()


def test_a_ratings_file_in_which_nothing_is_rated_says_what_to_do(tmp_path: Path) -> None:
    with UserRatings.open(tmp_path / "new.sqlite"):
        pass
    found = in_process(str(tmp_path / "new.sqlite"))
    assert isinstance(found.exception, RatingsError)
    assert str(found.exception) == (
        "nothing was rated or compared yet: rate photos with `mlsp serve FOLDER` first, or give a table of ratings"
    )


# --- what is read


def test_tables_of_stars_flags_and_comparisons(tmp_path: Path) -> None:
    stars = table(
        tmp_path / "stars.csv",
        [
            ("photo", "rating"),
            ("a.jpg", "3.5"),
            ("b.jpg", "0"),
            ("c.jpg", ""),
            ("sub/d.jpg", "-1"),
            ("e.jpg", "Pick"),
            ("f.jpg", "reject"),
        ],
    )
    assert [(one.path, value) for one, value in read_judgements(stars).ratings] == [
        (tmp_path / "a.jpg", 3.5),
        (tmp_path / "sub/d.jpg", 1),
        (tmp_path / "e.jpg", 5),
        (tmp_path / "f.jpg", 1),
    ]
    # As `mlsp serve` exports them.
    exported = table(
        tmp_path / "exported.csv",
        [
            ("photo", "stars", "flag", "content_sha256"),
            ("/p/a.jpg", "2", "pick", "aa"),
            ("/p/b.jpg", "", "reject", "bb"),
            ("/p/c.jpg", "", "", "cc"),
        ],
    )
    assert read_judgements(exported, photos=tmp_path).ratings == (
        (PhotoReference(Path("/p/a.jpg"), "aa"), 2),
        (PhotoReference(Path("/p/b.jpg"), "bb"), 1),
    )
    pairs = table(tmp_path / "pairs.csv", [("better", "worse"), ("a.jpg", "b.jpg")])
    assert read_judgements(pairs, photos=Path("/q")).comparisons == (
        (PhotoReference(Path("/q/a.jpg")), PhotoReference(Path("/q/b.jpg"))),
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [("photo", "rating"), ("a.jpg", "9")],
            "line 2: expected 1 to 5 stars (0 for none, -1 for a reject, or pick or reject), got '9': mlsp train learns from ratings on any scale",
        ),
        (
            [("photo", "rating"), ("a.jpg", "nan")],
            "line 2: expected 1 to 5 stars (0 for none, -1 for a reject, or pick or reject), got 'nan': mlsp train learns from ratings on any scale",
        ),
        ([("photo", "rating"), ("a.jpg", "3", "x")], "line 2: expected 2 values, got 3"),
        ([("photo", "rating"), ("", "3")], "line 2: the photo is missing"),
        (
            [("photo", "flag"), ("a.jpg", "maybe")],
            "line 2: expected the flag pick or reject, got 'maybe'",
        ),
        ([("better", "worse"), ("a.jpg", "")], "line 2: expected two photos"),
    ],
)
def test_bad_lines_of_a_table_are_named(
    rows: list[tuple[str, ...]], message: str, tmp_path: Path
) -> None:
    path = table(tmp_path / "bad.csv", rows)
    with pytest.raises(RatingsError) as raised:
        read_judgements(path)
    assert str(raised.value) == f"table {path}, {message}"


def test_tables_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(RatingsError) as raised:
        read_judgements(tmp_path / "none.csv")
    assert str(raised.value) == f"there is no table {tmp_path / 'none.csv'}"
    for rows, columns in (([("photo", "colour")], "'photo', 'colour'"), ([], "of no header")):
        path = table(tmp_path / "other.csv", rows)
        with pytest.raises(RatingsError) as raised:
            read_judgements(path)
        assert str(raised.value) == (
            f"table {path} has the columns {columns}: expected photo and rating, or better and worse"
        )


def sidecar(photo: Path, rating: int) -> None:
    photo.with_name(f"{photo.name}.xmp").write_text(
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        f' xmp:Rating="{rating}"/></rdf:RDF></x:xmpmeta>'
    )


def test_stars_of_sidecars_and_inside_photos(photos: Path, tmp_path: Path) -> None:
    for number, rating in enumerate((-1, 0, 5)):
        sidecar(Path(shutil.copy(photos / f"{number:02}.png", tmp_path)), rating)
    for number in (3, 4, 5):
        shutil.copy(photos / f"{number:02}.png", tmp_path)
    # Stars that mlsp gave, and a damaged sidecar.
    rate_shot([tmp_path / "04.png"], Marks(5))
    (tmp_path / "05.png.xmp").write_text("<x:xmpmeta")
    packet = (tmp_path / "02.png.xmp").read_bytes()
    with Image.open(photos / "06.png") as image:
        image.save(tmp_path / "06.jpg", xmp=packet)
    said = read_sidecar_judgements([tmp_path])
    assert said.ratings == (
        (PhotoReference(tmp_path / "00.png"), 1),
        (PhotoReference(tmp_path / "02.png"), 5),
        (PhotoReference(tmp_path / "06.jpg"), 5),
    )
    assert [one.source.name for one in said.failed] == ["05.png"]
    assert "05.png.xmp" in str(said.failed[0].error)
    with pytest.raises(RatingsError) as raised:
        read_sidecar_judgements([tmp_path / "03.png", tmp_path / "04.png"])
    for part in ("none of 2 photos", str(tmp_path / "03.png"), str(tmp_path / "04.png"), "XMP"):
        assert part in str(raised.value)


# --- photos that have gone elsewhere


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_photos_are_found_by_content_and_by_name(
    photos: Path, scorer: Scorer, tmp_path: Path
) -> None:
    new = tmp_path / "new" / "sub"
    new.mkdir(parents=True)
    shutil.copy(photos / "00.png", new / "renamed.png")
    shutil.copy(photos / "01.png", new / "01.png")
    shutil.copy(photos / "02.png", new / "twice.png")
    shutil.copy(photos / "02.png", new.parent / "twice.png")
    changed = tmp_path / "03.png"
    shutil.copy(photos / "04.png", changed)
    said = Judgements(
        ratings=(
            (PhotoReference(Path("/old/00.png"), sha256(photos / "00.png")), 3),
            (PhotoReference(Path("/old/01.png")), 4),
            (PhotoReference(Path("/old/twice.png")), 5),
            (PhotoReference(changed, sha256(photos / "03.png")), 2),
            # A copy of the first: its last rating counts.
            (PhotoReference(photos / "00.png"), 1),
        ),
        comparisons=(
            (PhotoReference(Path("/old/01.png")), PhotoReference(photos / "05.png")),
            (PhotoReference(photos / "00.png"), PhotoReference(new / "renamed.png")),
        ),
    )
    found = read_judged_photos(scorer, said, photos=tmp_path / "new")
    assert found.ratings == ([0, 1], [1, 4])
    assert found.comparisons == ([1], [2])
    assert found.features.shape == (3, 27_872)
    assert found.prior.shape == (3, 2)
    assert [(str(one.source), str(one.error)) for one in found.failed] == [
        (
            "/old/twice.png",
            f"the photo is no longer there: the one that was judged is not in {tmp_path / 'new'} either",
        ),
        (
            str(changed),
            f"the photo was changed after it was judged: the one that was judged is not in {tmp_path / 'new'} either",
        ),
    ]


def test_shots_within_seconds_are_a_burst(photos: Path, scorer: Scorer, tmp_path: Path) -> None:
    for number, time in enumerate(("12:00:00", "12:00:40", "12:00:07", "12:00:15", "")):
        image = Image.open(photos / f"{number:02}.png")
        exif = Image.Exif()
        if time:
            exif[0x0132] = f"2024:05:06 {time}"
        image.save(tmp_path / f"{number}.jpg", exif=exif)
    said = Judgements(
        ratings=tuple((PhotoReference(tmp_path / f"{number}.jpg"), 3) for number in range(5))
    )
    assert read_judged_photos(scorer, said).groups == (0, 1, 0, 0, 4)


def test_a_model_of_other_features_is_refused(scorer: Scorer, photos: Path) -> None:

    wide = replace(scorer.model, feature_spec=replace(scorer.model.feature_spec, grid=5))
    with pytest.raises(ModelError) as raised:
        read_judged_photos(SimpleNamespace(model=wide), Judgements())  # type: ignore[arg-type]
    assert str(raised.value) == (
        "a taste is learned from narrow features of whole photos, the model 'default' reads a grid of 5 and views 'whole': choose another"
        " with --model"
    )
