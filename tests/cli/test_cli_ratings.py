"""`mlsp ratings`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlsp", "ratings", *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture
def table(examples: Path, tmp_path: Path) -> Path:
    for name in ("rocket.jpg", "chelsea.png", "coffee.png"):
        shutil.copy(examples / name, tmp_path)
    shutil.copy(examples / "rocket.jpg", tmp_path / "copy.jpg")
    path = tmp_path / "ratings.csv"
    path.write_text(
        "photo,votes_1,votes_2,votes_3,split,theme\n"
        "rocket.jpg,1,2,1,train,space\nchelsea.png,0,0,8,train,cat\n"
        "coffee.png,4,0,0,validation,\ncopy.jpg,1,2,1,test,space\n"
    )
    return path


def test_a_table_is_shown(table: Path) -> None:
    done = run(table, "--group", "theme")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "ratings  ratings.csv, 4 photos",
        "scale    1 to 3",
        "mean     2, from 1 to 3, standard deviation 0.7071",
        "votes    3 values, 4 to 8 votes per photo",
        "groups   2, space 2, cat 1, 1 photos without",
        "missing  0 photos",
        "split    2 train, 1 validation, 1 test",
    ]


def test_a_table_without_split_and_photos_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("photo,mos,width\na.jpg,0.2,640\nb.jpg,0.4,640\n")
    done = run(path, "--lowest", 0, "--highest", 1)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[3:] == [
        "votes    none, means only",
        "groups   0, 2 photos without",
        "columns  width",
        "missing  2 photos: 'a.jpg', 'b.jpg'",
        "split    none: ratings.csv has no split: add a column split with train, validation and test, or split by random or group",
    ]


def test_a_check_names_what_is_wrong(table: Path) -> None:
    (table.parent / "coffee.png").write_bytes(b"")
    done = run(table, "--photos-check", "--workers", 1)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-4:] == [
        "checked  3 of 4 photos can be read",
        "coffee.png: the file is empty",
        "ratings.csv: 1 of 1 test photos are the same files as photos that are learned from: 'copy.jpg (rocket.jpg)':"
        " take them out of the test, or give them one group and split by group",
        "ratings.csv: 1 of 1 test photos look like photos that are learned from: 'copy.jpg (rocket.jpg)':"
        " take them out of the test, or give them one group and split by group",
    ]


def test_a_check_that_finds_nothing(table: Path) -> None:
    table.write_text(
        table.read_text()
        .replace("copy.jpg", "coffee.png")
        .replace("coffee.png,4,0,0,validation,\n", "")
    )
    done = run(table, "--photos-check")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "checked  3 of 3 photos can be read"


def test_errors_end_with_2(tmp_path: Path) -> None:
    done = run(tmp_path / "no.csv")
    assert (done.returncode, done.stderr) == (2, f"mlsp: there is no table {tmp_path / 'no.csv'}\n")
    done = run(tmp_path / "no.csv", "--split", "randomly")
    assert (done.returncode, done.stderr) == (
        2,
        "mlsp: unknown way to split 'randomly': did you mean 'random'? Known: 'given', 'group', 'random'\n",
    )
