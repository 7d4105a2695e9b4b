"""Marks as other programs read and write them: the real programs, where they are installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mlsp.culling.marks import Marks
from mlsp.culling.xmp import read_marks, write_marks
from mlsp.culling.xmp.journal import Journal, runs, undo
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
    write_marks(photo, marks, convention="photo.jpg.xmp")
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


def test_exiv2_reads_them(photo: Path) -> None:
    write_marks(photo, Marks(4, "pick", "purple"), convention="photo.jpg.xmp")
    lines = run("exiv2", "-PXkt", photo.with_name("photo.jpg.xmp")).splitlines()
    found = dict(line.split(maxsplit=1) for line in lines)
    assert found["Xmp.xmp.Rating"] == "4"
    assert found["Xmp.xmp.Label"] == "Purple"
    assert found["Xmp.digiKam.PickLabel"] == "3"


def test_what_exiftool_changes_is_read_and_ours_taken_back(photo: Path) -> None:
    sidecar = photo.with_name("photo.jpg.xmp")
    sidecar.write_bytes(DARKTABLE)
    with Journal("test") as journal:
        write_marks(photo, Marks(4, "pick", "blue"), overwrite=True, note=journal.note)
    undo(runs()[0])
    assert sidecar.read_bytes() == DARKTABLE
    write_marks(photo, Marks(4, "pick", "blue"), overwrite=True, convention="photo.jpg.xmp")
    tags = ("-XMP-xmp:Rating=2", "-XMP-xmp:Label=Red", "-XMP-digiKam:PickLabel=1")
    run("exiftool", "-q", "-n", "-overwrite_original", *tags, sidecar)
    assert read_marks(photo) == Marks(2, "reject", "red")
