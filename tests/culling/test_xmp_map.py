"""Stars that become other marks: the map that a user writes, and whose marks are whose afterwards."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlsp.base.errors import SettingsError
from mlsp.cli.app import app
from mlsp.culling.marks import NO_MARKS, Marks
from mlsp.culling.xmp import Outcome, rate_shot, read_marks, write_shot_marks
from mlsp.culling.xmp.rating import remove_stars
from mlsp.culling.xmp.stars import STARS_ONLY, XmpMap
from xmp_samples import DARKTABLE, DIGIKAM, read_by_exiftool

LONG = "photo.jpg.xmp"


@pytest.fixture
def photo(examples: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(examples / "rocket.jpg", tmp_path / "photo.jpg"))


def test_what_is_not_named_stays_stars() -> None:
    found = XmpMap.of("5=5+pick, 4 = Green, 2=none,1=reject")
    assert found.marks == (
        Marks(flag="reject"),
        NO_MARKS,
        Marks(3),
        Marks(label="green"),
        Marks(5, "pick"),
    )
    assert STARS_ONLY.marks == tuple(map(Marks, range(1, 6)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got ''"),
        ("5", "got '5'"),
        ("6=pick", "got '6=pick'"),
        ("5=pick,", "got ''"),
        ("5=pick,5=green", "the map '5=pick,5=green' says twice what 5 stars become"),
        ("5=grean", "'grean': did you mean 'green'?"),
        ("5=", "''"),
        ("5=4+5", "one of 4, 5; the map's '5=4+5'"),
        ("5=red+blue", "one of red, blue; the map's '5=red+blue'"),
        ("5=none+pick", "the map's '5=none+pick' contradicts itself"),
        ("1=1+reject", "the map's '1=1+reject' contradicts itself"),
    ],
)
def test_maps_that_are_none(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        XmpMap.of(text)


def test_other_programs_read_what_stars_become(photo: Path) -> None:
    sidecar = photo.with_name(LONG)
    sidecar.write_bytes(DIGIKAM.replace(b'xmp:Rating="4"', b'digiKam:ColorLabel="0"'))
    rate_shot([photo], Marks(5, "pick", "green"), convention="photo.jpg.xmp")
    (found,) = read_by_exiftool([sidecar])
    names = ("xmp:Rating", "xmp:Label", "digiKam:PickLabel", "digiKam:ColorLabel")
    assert [found[f"XMP-{name}"] for name in names] == [5, "Green", 3, 4]


@pytest.mark.parametrize("content", [None, DARKTABLE], ids=["new", "darktable"])
def test_ours_follow_the_map_and_are_nobodys(photo: Path, content: bytes | None) -> None:
    sidecar = photo.with_name(LONG)
    if content is not None:
        sidecar.write_bytes(content)
    for marks in (Marks(5, "pick", "green"), Marks(label="red"), Marks(flag="reject"), NO_MARKS):
        assert rate_shot([photo], marks, convention="photo.jpg.xmp").files == (sidecar,)
        assert rate_shot([photo], marks, convention="photo.jpg.xmp") == Outcome("unchanged")
        assert read_marks(photo) == NO_MARKS
        (found,) = read_by_exiftool([sidecar])
        assert found.get("XMP-xmp:Label", "") == (marks.label or "").capitalize()
    rate_shot([photo], Marks(2, None, "blue"), convention="photo.jpg.xmp")
    assert str(remove_stars([photo])) == "stars: taken out of 1 file"
    if content is not None:
        assert sidecar.read_bytes() == content


@pytest.mark.parametrize(
    ("marks", "by_hand"),
    [
        (Marks(4), 'xmp:Rating="2"'),
        (Marks(4, None, "red"), 'xmp:Label="Winner"'),
        (Marks(label="red"), 'digiKam:ColorLabel="4"'),
        (Marks(5, "pick"), 'digiKam:PickLabel="1"'),
    ],
)
def test_what_a_person_gave_of_the_same_kind_is_kept(
    photo: Path, marks: Marks, by_hand: str
) -> None:
    sidecar = photo.with_name(LONG)
    content = DIGIKAM.replace(b'digiKam:PickLabel="0"\n   xmp:Rating="4"', by_hand.encode())
    sidecar.write_bytes(content)
    assert rate_shot([photo], marks, convention="photo.jpg.xmp") == Outcome("kept")
    assert sidecar.read_bytes() == content
    assert rate_shot([photo], marks, overwrite=True, convention="photo.jpg.xmp").status == "written"
    assert str(remove_stars([photo])) == "stars: taken out of 1 file"
    assert sidecar.read_bytes() == content


def test_a_label_beside_stars_by_hand(photo: Path) -> None:
    photo.with_name(LONG).write_bytes(DIGIKAM)
    assert rate_shot([photo], Marks(label="green")).status == "written"
    assert read_marks(photo) == Marks(4)


def test_what_a_person_changes_later_is_theirs(photo: Path) -> None:
    (sidecar,) = rate_shot([photo], Marks(5, "pick", "green"), convention="photo.jpg.xmp").files
    changed = sidecar.read_bytes().replace(b'xmp:Label="Green"', b'xmp:Label="Red"')
    sidecar.write_bytes(changed)
    assert read_marks(photo) == Marks(label="red")
    assert rate_shot([photo], Marks(label="blue")) == Outcome("kept")
    assert str(remove_stars([photo])) == "stars: taken out of 1 file"
    assert read_marks(photo) == Marks(label="red")
    (found,) = read_by_exiftool([sidecar])
    assert (found["XMP-xmp:Rating"], found["XMP-digiKam:PickLabel"]) == (0, 0)


def test_what_the_user_agrees_to_on_the_page_is_the_users(photo: Path) -> None:
    rate_shot([photo], Marks(5, "pick", "green"))
    write_shot_marks([photo], Marks(5, "pick", "green"))
    assert read_marks(photo) == Marks(5, "pick", "green")
    assert rate_shot([photo], Marks(1, None, "red")) == Outcome("kept")


def test_score_with_a_map(examples: Path, tmp_path: Path) -> None:
    for name in ("rocket.jpg", "chelsea.png"):
        shutil.copy(examples / name, tmp_path)
    options = ["--xmp", "--stars-of", "own", "--xmp-names", "darktable", "--quiet"]
    command = ["score", str(tmp_path), *options, "--xmp-map", "5=5+pick,4=blue,1=reject"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    sidecars = sorted(tmp_path.glob("*.xmp"))
    found = {Path(str(one["SourceFile"])).name: one for one in read_by_exiftool(sidecars)}
    best, worst = found["chelsea.png.xmp"], found["rocket.jpg.xmp"]
    assert (best["XMP-xmp:Rating"], best["XMP-digiKam:PickLabel"]) == (5, 3)
    assert (worst["XMP-xmp:Rating"], worst["XMP-digiKam:PickLabel"]) == (-1, 1)
