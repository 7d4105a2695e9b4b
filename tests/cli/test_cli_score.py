"""`mlsp score` as a user runs it: a process of its own."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from children import run_mlsp as mlsp
from children import start_child
from mlsp.models.model import load_model
from mlsp.reports.rows import label_columns

COLUMNS = [
    "photo",
    "overall",
    "quality",
    "quality_percentile",
    "beauty",
    "beauty_percentile",
    *label_columns(load_model().classifiers),
    "width",
    "height",
    "files",
    "model",
]


@pytest.fixture
def photos(examples: Path, tmp_path: Path) -> Path:
    """A folder with three good photos, one of them in a subfolder."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name in ("chelsea.png", "rocket.jpg"):
        shutil.copy(examples / name, folder)
    shutil.copy(examples / "clock_motion.png", folder / "sub")
    return folder


def test_small_photos_are_told(photos: Path) -> None:
    done = mlsp("score", photos)
    assert (
        "2 are smaller than 512 pixels: the smaller a photo, the less sure its percentiles"
        in done.stderr
    )
    assert "smaller" not in mlsp("score", photos / "rocket.jpg").stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_streams_may_be_closed_or_full(closed: str, tmp_path: Path) -> None:
    told = tmp_path / "exit code"
    command = f"'{sys.executable}' -m mlsp models {closed}; echo $? > '{told}'"
    subprocess.run(["sh", "-c", command], check=True, timeout=60)
    assert told.read_text().strip() == ("2" if "full" in closed else "0")


def test_ranks_best_first_on_stdout(photos: Path) -> None:
    done = mlsp("score", photos)
    assert done.returncode == 0, done.stderr
    header, *rows = (line.split("\t") for line in done.stdout.splitlines())
    assert header == COLUMNS
    overall = [float(row[1]) for row in rows]
    assert len(rows) == 3
    assert overall == sorted(overall, reverse=True)
    assert rows[-1][0].endswith("clock_motion.png")
    assert "3 scored in " in done.stderr


def test_top_sort_and_no_recursive(photos: Path) -> None:
    done = mlsp(
        "score", photos, "--no-recursive", "--sort", "photo", "--top", "1", "--quiet", check=True
    )
    lines = done.stdout.splitlines()
    assert [Path(line.split("\t")[0]).name for line in lines[1:]] == ["chelsea.png"]
    assert done.stderr == ""


def test_csv_and_errors_csv(photos: Path, tmp_path: Path) -> None:
    (photos / "empty.jpg").touch()
    done = mlsp("score", photos, photos / "gone.jpg", "--output", tmp_path / "scores.csv")
    assert done.returncode == 1
    assert done.stdout == ""
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == COLUMNS
    assert {Path(row["photo"]).name for row in rows} == {
        "chelsea.png",
        "rocket.jpg",
        "clock_motion.png",
    }
    assert {row["model"] for row in rows} == {"default"}
    with (tmp_path / "scores.errors.csv").open(encoding="utf-8", newline="") as stream:
        failed = {Path(row["photo"]).name for row in csv.DictReader(stream)}
    assert failed == {"empty.jpg", "gone.jpg"}
    assert sum("empty.jpg: the file is empty" in line for line in done.stderr.splitlines()) == 1
    assert "3 scored, 2 failed in " in done.stderr


def test_jsonl(photos: Path, tmp_path: Path) -> None:
    mlsp("score", photos, "-o", tmp_path / "scores.jsonl", check=True)
    rows = [
        json.loads(line) for line in (tmp_path / "scores.jsonl").read_text("utf-8").splitlines()
    ]
    assert [list(row) for row in rows] == [COLUMNS] * 3
    assert next(row for row in rows if "rocket" in row["photo"])["width"] == 640


def test_strange_names_come_through(photos: Path, tmp_path: Path) -> None:
    names = [
        b"a b.png",
        "\N{CAMERA WITH FLASH} é.png".encode(),
        b"line\nbreak.png",
        b"latin \xe9.png",
        b"[red].png",
    ]
    source = photos / "chelsea.png"
    target = tmp_path / "strange"
    target.mkdir()
    for name in names:
        shutil.copy(os.fsencode(source), os.fsencode(target) + b"/" + name)
    done = mlsp("score", target, "-o", tmp_path / "scores.csv")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as stream:
        found = {row["photo"].rsplit("/", 1)[1] for row in csv.DictReader(stream)}
    assert found == {name.decode(errors="backslashreplace") for name in names}
    shown = mlsp("score", target)
    assert shown.returncode == 0, shown.stderr
    assert len(shown.stdout.splitlines()) == 1 + len(names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "defualt"], "mlsp: unknown model 'defualt': did you mean 'default'?"),
        (["--sort", "qualty"], "mlsp: unknown "),
        (["--device", "tpu"], "mlsp: unknown device 'tpu'"),
        (["--output", "scores.xls"], "mlsp: "),
        (["--output", "scores.csv", "--preview", "1600"], "--preview is for a report as a page"),
        (["--workers", "0"], "Invalid value for '--workers'"),
        (["--no-such-option"], "No such option"),
    ],
)
def test_usage_and_model_errors_exit_with_2(
    photos: Path, arguments: list[str], message: str
) -> None:
    done = mlsp("score", photos, *arguments)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_folder_without_photos_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no photo")
    done = mlsp("score", tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"mlsp: no photos found in {tmp_path} (left out: 1 .txt)\n"


def remembered_photos() -> int:
    """Photos in the cache that the commands of this test use."""
    file = Path(os.environ["MLSP_CACHE_DIR"]) / "scores.sqlite"
    if not file.exists():
        return 0
    with closing(sqlite3.connect(file, timeout=30)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        if "scores" not in tables:
            return 0
        (count,) = connection.execute("SELECT count(*) FROM scores").fetchone()
    return int(count)


def test_a_second_run_and_renamed_photos_cost_nothing_new(photos: Path) -> None:
    first = mlsp("score", photos, check=True).stdout
    assert remembered_photos() == 3
    assert mlsp("score", photos, check=True).stdout == first
    (photos / "rocket.jpg").rename(photos / "renamed.jpg")
    assert mlsp("score", photos, check=True).stdout == first.replace("rocket.jpg", "renamed.jpg")
    assert remembered_photos() == 3


def test_without_the_cache_nothing_is_remembered(photos: Path) -> None:
    mlsp("score", photos, "--no-cache", check=True)
    assert remembered_photos() == 0


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
def test_interrupted_it_exits_with_130_and_goes_on_from_there(tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(150):
        Image.effect_noise((512, 512), 50).convert("RGB").save(many / f"{number}.bmp")
    output = tmp_path / "scores.csv"
    earlier = "photo,overall,model\r\n"
    output.write_text(earlier, newline="")
    command = [sys.executable, "-m", "mlsp", "score", str(many), "-o", str(output)]
    process = start_child(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while remembered_photos() < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert re.fullmatch(r"mlsp: interrupted after \d+ of 150 photos; the same command .*\n", stderr)
    done = remembered_photos()
    assert 5 <= done < 150
    assert output.read_bytes() == earlier.encode()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["many", "scores.csv"]
    assert mlsp("score", many, "-o", output).returncode == 0
    assert remembered_photos() == 150
    assert len(output.read_text("utf-8").splitlines()) == 151


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_an_error_of_one_line(photos: Path) -> None:
    command = f"'{sys.executable}' -m mlsp score '{photos}' --quiet > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "mlsp: No space left on device: standard output\n"


def test_stdout_can_be_closed_early(photos: Path) -> None:
    command = f"set -o pipefail; '{sys.executable}' -m mlsp score '{photos}' --quiet | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_models_lists_and_shows_the_card() -> None:
    listed = mlsp("models", check=True).stdout
    assert listed.startswith("default ")
    card = mlsp("models", "default", check=True).stdout
    for part in (
        "quality (0 to 1)",
        "beauty (1 to 7)",
        "BIQ2021",
        "OASIS",
        "SRCC",
        "Limits",
        "Apache-2.0",
    ):
        assert part in card
    unknown = mlsp("models", "nothing")
    assert unknown.returncode == 2
    assert unknown.stderr.startswith("mlsp: unknown model 'nothing': ")


def test_version_and_help() -> None:
    assert mlsp("--version", check=True).stdout.startswith("mlsp 0.")
    assert "score" in mlsp(check=False).stdout
