"""Shots by their marks: what was given on the page, and in other programs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlsp.base.digests import file_sha256
from mlsp.base.errors import SettingsError
from mlsp.cli.app import app
from mlsp.culling.marks import Marks
from mlsp.culling.shots import find_shots
from mlsp.culling.xmp import write_shot_marks
from mlsp.personal.rated_shots import rated_condition, rated_shots
from mlsp.personal.user_ratings import UserRatings


@pytest.fixture
def folder(examples: Path, tmp_path: Path) -> Path:
    """a: 5 stars; b: 4 and rejected; c: picked, blue; d: nothing; all in sidecars."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, marks in {
        "a": Marks(5),
        "b": Marks(4, "reject"),
        "c": Marks(None, "pick", "blue"),
        "d": Marks(),
    }.items():
        photo = Path(shutil.copy(examples / "rocket.jpg", folder / f"{name}.jpg"))
        # Of one photo: files of one content would be one to the ratings.
        photo.write_bytes(photo.read_bytes() + name.encode())
        write_shot_marks([photo], marks, convention="photo.jpg.xmp")
    return folder


def names(folder: Path, wanted: str, ratings: Path | None = None) -> str:
    found = rated_shots(find_shots([folder]).shots, rated_condition(wanted), ratings=ratings)
    assert found.failed == ()
    return "".join(shot.photo.stem for shot in found.shots)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("picked", "c"),
        ("rejected", "b"),
        ("unrated", "d"),
        ("4+", "a"),
        ("4", ""),
        ("5", "a"),
        ("Picked, 4+", "ac"),
        ("blue", "c"),
        ("blue,rejected", "bc"),
    ],
)
def test_what_is_wanted(folder: Path, wanted: str, expected: str) -> None:
    assert names(folder, wanted) == expected


@pytest.mark.parametrize("wanted", ["", "6", "4-", "orange", "picked;4"])
def test_what_nobody_can_want(wanted: str) -> None:
    with pytest.raises(SettingsError) as caught:
        rated_condition(wanted)
    assert repr(wanted) in str(caught.value)


def test_ratings_of_the_page_count_wherever_the_photo_is_now(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "r.sqlite"
    with UserRatings.open(file) as ratings:
        for name in "ad":
            photo = folder / f"{name}.jpg"
            ratings.rate(file_sha256(photo), str(photo), stars=2, flag=None)
            ratings.note_found({str(photo): Marks(5) if name == "a" else Marks()})
    assert names(folder, "2", file) == "ad"
    (folder / "d.jpg").rename(folder / "e.jpg")
    assert names(folder, "2", file) == "ae"
    # Another program is newer.
    write_shot_marks([folder / "a.jpg"], Marks(3), overwrite=True, convention="photo.jpg.xmp")
    assert names(folder, "2", file) == "e"
    assert names(folder, "3", file) == "a"


def test_another_photo_of_the_same_name_has_no_rating(folder: Path, tmp_path: Path) -> None:
    """Cameras begin again at IMG_0001.JPG."""
    file, photo, archive = tmp_path / "r.sqlite", folder / "d.jpg", folder / "archive"
    with UserRatings.open(file) as ratings:
        ratings.rate(file_sha256(photo), str(photo), stars=2, flag=None)
    archive.mkdir()
    photo.rename(archive / "d.jpg")
    photo.write_bytes((archive / "d.jpg").read_bytes() + b"another")
    # Whatever its own time: a copy keeps that of the camera.
    os.utime(photo, (0, 0))
    shots = find_shots([folder]).shots
    found = rated_shots(shots, rated_condition("2"), ratings=file)
    assert [shot.photo for shot in found.shots] == [archive / "d.jpg"]
    with UserRatings.open(file) as ratings:
        ratings.rate(file_sha256(photo), str(photo), stars=3, flag=None)
    for wanted, path in (("2", archive / "d.jpg"), ("3", photo)):
        found = rated_shots(shots, rated_condition(wanted), ratings=file)
        assert [shot.photo for shot in found.shots] == [path]


def test_a_shot_whose_sidecar_is_damaged_is_named(folder: Path) -> None:
    (folder / "a.jpg.xmp").write_text("no XML")
    found = rated_shots(find_shots([folder]).shots, rated_condition("4+"))
    assert found.shots == ()
    (failure,) = found.failed
    assert failure.source == folder / "a.jpg"


def pick(*arguments: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["pick", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def test_pick_rated(folder: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    code, listed, said = pick(folder, "--rated", "picked,5", "--list")
    assert (code, said) == (0, "picked,5: 2 of 4 shots\n")
    assert listed.splitlines() == [str(folder / "a.jpg"), str(folder / "c.jpg")]
    for option, is_same in (("--copy-to", False), ("--hard-link-to", True)):
        target = tmp_path / option
        code, listed, said = pick(folder, "--rated", "picked,5", option, target)
        assert (code, listed) == (0, ""), said
        assert "4 files put into" in said
        for name in ("a.jpg", "a.jpg.xmp", "c.jpg", "c.jpg.xmp"):
            assert (target / name).read_bytes() == before[name]
            # A program that writes into the sidecar of the link must not change that of the photo.
            is_linked = is_same and name.endswith(".jpg")
            assert os.path.samefile(target / name, folder / name) == is_linked
        # As another program does when a copy is rated there.
        (target / "a.jpg.xmp").write_bytes(b"rated")
        code, _, said = pick(folder, "--rated", "picked,5", option, target)
        assert "4 were there already" in said
        changed = str(target / "a.jpg.xmp")
        assert f"there already but different, and left as they are: {changed!r}\n" in said
        assert (code, Path(changed).read_bytes()) == (0, b"rated")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    code, _, said = pick(folder, "--rated", "4+", "--by", "beauty")
    assert code == 2
    assert "--by" in said
