"""Marks as other programs read and write them: the real programs, where they are installed."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from mlsp.culling.marks import NO_MARKS, Marks
from mlsp.culling.xmp import rate_shot, read_marks, write_shot_marks
from mlsp.culling.xmp.journal import Journal, runs
from mlsp.culling.xmp.rating import remove_stars
from mlsp.culling.xmp.undoing import undo
from mlsp.photos import read_photo
from photo_samples import heic, soft_photo
from xmp_samples import DARKTABLE, read_by_exiftool

MARKS = [
    Marks(4, "pick", "purple"),
    Marks(None, "reject", "red"),
    Marks(1, None, "yellow"),
    Marks(label="green"),
]


@pytest.fixture
def photo(examples: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(examples / "rocket.jpg", tmp_path / "photo.jpg"))


def run(*command: str | Path) -> str:
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"needs {command[0]}")
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("marks", MARKS, ids=str)
def test_darktable_reads_them_and_writes_them_back(photo: Path, marks: Marks) -> None:
    """An export by darktable has what its sidecar said, in darktable's own form too."""
    write_shot_marks([photo], marks, convention="photo.jpg.xmp")
    sidecar, exported = photo.with_name("photo.jpg.xmp"), photo.with_name("out.jpg")
    folder = str(photo.parent / "conf")
    settings = ["--core", "--configdir", folder, "--library", ":memory:"]
    # Else it gives one star to photos that have none.
    settings += ["--conf", "ui_last/import_initial_rating=0"]
    run("darktable-cli", photo, sidecar, exported, *settings)
    (found,) = read_by_exiftool([exported])
    assert found["XMP-xmp:Rating"] == (marks.rating or 0)
    labels = ("red", "yellow", "green", "blue", "purple")
    if marks.label is not None:
        assert found["XMP-darktable:Colorlabels"] == labels.index(marks.label)
    assert read_marks(exported) == marks


def test_our_stars_are_taken_out_of_sidecars_that_exiftool_has_rewritten(photo: Path) -> None:
    photos = [photo, *(Path(shutil.copy(photo, photo.with_name(f"{n}.jpg"))) for n in range(2))]
    photos[0].with_name("photo.jpg.xmp").write_bytes(DARKTABLE.replace(b'"0"', b'"3"'))
    for one in photos:
        rate_shot([one], Marks(5, "pick", "red"), overwrite=True)
    run("exiftool", "-overwrite_original", "-subject+=foo", *photo.parent.glob("[0p]*.xmp"))
    done = remove_stars(photos)
    assert (len(done.files), done.failed) == (6, [])
    assert [read_marks(one) for one in photos] == [Marks(3), NO_MARKS, NO_MARKS]
    (found,) = read_by_exiftool([photo.with_name("photo.jpg.xmp")])
    assert found["XMP-dc:Subject"] == "foo"


def darktable(folder: Path, *more: str) -> sqlite3.Connection:
    """Import and export a folder's photos by darktable, and return its library."""
    settings = [
        "--core",
        "--configdir",
        str(folder / "conf"),
        "--library",
        str(folder / "library.db"),
    ]
    settings += ["--conf", "ui_last/import_initial_rating=0", *more]
    size = ["--out-ext", "jpg", "--width", "32", "--height", "32"]
    run("darktable-cli", folder / "photos", f"{folder}/out/", *size, *settings)
    return sqlite3.connect(folder / "library.db")


@pytest.fixture
def photos(examples: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("rated.jpg", "rejected.jpg", "inside.jpg", 'it\'s, "new".jpg'):
        shutil.copy(examples / "rocket.jpg", folder / name)
    return folder


def test_darktables_library_has_them_after_an_import(photos: Path) -> None:
    rate_shot([photos / "rated.jpg"], Marks(4, None, "green"), convention="photo.jpg.xmp")
    rate_shot([photos / "rejected.jpg"], Marks(None, "reject", "red"), convention="photo.jpg.xmp")
    rate_shot([photos / "inside.jpg"], Marks(5, None, "blue"), inside=True)
    with Image.open(photos / "inside.jpg") as image:
        (photos / "inside.heic").write_bytes(heic(image))
        image.save(photos / "inside.avif")
    rate_shot([photos / "inside.heic"], Marks(3, None, "red"), inside=True)
    rate_shot([photos / "inside.avif"], Marks(2, None, "green"), inside=True)
    with closing(darktable(photos.parent)) as library:
        query = (
            "select filename, flags & 15, color from images left join color_labels on imgid = id"
        )
        found = {name: (flags, label) for name, flags, label in library.execute(query)}
    # Stars in three bits, 8 for rejected; labels from 0: red, yellow, green, blue, purple.
    assert found["rated.jpg"] == (4, 2)
    assert found["rejected.jpg"][0] & 8
    assert found["rejected.jpg"][1] == 0
    assert found["inside.jpg"] == (5, 3)
    assert found["inside.heic"] == (3, 0)
    assert found["inside.avif"] == (2, 2)


def test_darktable_rates_by_our_script_what_nobody_rated(photos: Path, examples: Path) -> None:
    """The script runs in darktable itself; in its windows two buttons call the same functions."""
    rate_shot([photos / "rated.jpg"], Marks(1), convention="photo.jpg.xmp")
    rate_shot([photos / "rejected.jpg"], Marks(flag="reject"), convention="photo.jpg.xmp")
    darktable(photos.parent).close()
    said, script = photos.parent / "said", examples / "darktable"
    code = f"""
        local darktable = require "darktable"
        package.path = package.path .. ";{script}/?.lua"
        local mlsp = require "rate_by_mlsp"
        mlsp.command = "'{sys.executable}' -m mlsp"
        local images = {{}}
        for _, image in ipairs(darktable.database) do table.insert(images, image) end
        local said = io.open("{said}", "w")
        local given = mlsp.dry_run(images)
        said:write(mlsp.summary(given), "\\n")
        for _, image in ipairs(images) do said:write(image.rating, " ") end
        said:write("\\n", mlsp.rate(given), "\\n")
        said:close()
    """
    (photos.parent / "test.lua").write_text(code)
    with closing(
        darktable(photos.parent, "--luacmd", f'dofile("{photos.parent}/test.lua")')
    ) as library:
        query = "select filename, flags & 7, flags & 8 from images"
        found = {name: flags for name, *flags in library.execute(query)}
    summary, ratings, count = said.read_text().splitlines()
    assert summary == "2 unrated photos, stars: 2 × 3"
    assert sorted(ratings.split()) == ["-1", "0", "0", "1"]
    assert count == "2"
    assert found["rated.jpg"] == [1, 0]
    assert found["rejected.jpg"][1] == 8
    assert found["inside.jpg"] == found['it\'s, "new".jpg'] == [3, 0]


def test_exiv2_reads_them(photo: Path) -> None:
    write_shot_marks([photo], Marks(4, "pick", "purple"), convention="photo.jpg.xmp")
    lines = run("exiv2", "-PXkt", photo.with_name("photo.jpg.xmp")).splitlines()
    found = dict(line.split(maxsplit=1) for line in lines)
    assert found["Xmp.xmp.Rating"] == "4"
    assert found["Xmp.xmp.Label"] == "Purple"
    assert found["Xmp.digiKam.PickLabel"] == "3"


def test_exiv2_and_exiftool_read_and_change_them_inside_heic(tmp_path: Path) -> None:
    photo = tmp_path / "photo.heic"
    photo.write_bytes(heic(Image.fromarray(soft_photo(64, 48))))
    pixels = read_photo(photo).pixels.tobytes()
    rate_shot([photo], Marks(4, "pick", "purple"), inside=True)
    assert "Xmp.xmp.Rating 4" in " ".join(run("exiv2", "-PXkt", photo).split())
    run("exiftool", "-q", "-overwrite_original", "-XMP-xmp:Rating=2", photo)
    assert read_marks(photo).rating == 2
    assert rate_shot([photo], Marks(5), inside=True, overwrite=True).status == "written"
    assert read_by_exiftool([photo])[0]["XMP-xmp:Rating"] == 5
    assert read_photo(photo).pixels.tobytes() == pixels


def test_what_exiftool_changes_is_read_and_ours_taken_back(photo: Path) -> None:
    sidecar = photo.with_name("photo.jpg.xmp")
    sidecar.write_bytes(DARKTABLE)
    with Journal("test") as journal:
        write_shot_marks([photo], Marks(4, "pick", "blue"), overwrite=True, note=journal.note)
    undo(next(runs()))
    assert sidecar.read_bytes() == DARKTABLE
    write_shot_marks([photo], Marks(4, "pick", "blue"), overwrite=True, convention="photo.jpg.xmp")
    tags = ("-XMP-xmp:Rating=2", "-XMP-xmp:Label=Red", "-XMP-digiKam:PickLabel=1")
    run("exiftool", "-q", "-n", "-overwrite_original", *tags, sidecar)
    assert read_marks(photo) == Marks(2, "reject", "red")
