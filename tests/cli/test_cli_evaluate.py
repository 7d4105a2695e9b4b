"""`mlsp evaluate`: figures, pages, and what it refuses."""

from __future__ import annotations

import contextlib
import csv
import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from children import call_mlsp
from mlsp.cli.app import app
from mlsp.ratings.datasets.ava import load_ava
from mlsp.ratings.datasets.registry import DATASETS

NAMES = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "clock_motion.png"]


def mlsp(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    with contextlib.chdir(folder):
        return call_mlsp(*arguments)


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    """Made-up quality of the example photos, best first."""
    path = tmp_path / "ratings.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = [(name, 0.8 - 0.15 * place, "test") for place, name in enumerate(NAMES)]
        csv.writer(stream).writerows([("photo", "mos", "split"), *rows])
    return path


def test_a_model_on_photos(ratings: Path, examples: Path, tmp_path: Path) -> None:
    options = ("--photos", examples, "--lowest", "0", "--highest", "1", "--resamples", "100")
    done = mlsp("evaluate", "default", ratings, "--head", "quality", *options, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "evaluation.json").read_text("utf-8"))
    assert (document["photo_count"], document["split"], document["threshold"]) == (5, "test", 0.5)
    number = document["models"][0]["numbers"]["srcc"]["value"]
    assert f"SRCC                {number:.3f} (" in done.stdout
    assert "5 photos (test) of ratings.csv" in done.stdout
    assert "calling every photo what most are: 60.0 %" in " ".join(done.stdout.split())
    page = (tmp_path / "evaluation.html").read_text("utf-8")
    assert page.count("data:image/jpeg;base64,") == 1 + 1 + 5
    assert "5 scored in " in done.stderr
    assert done.stderr.endswith("→ evaluation.json, evaluation.html\n")
    # Those of before are replaced, files of the user's are not.
    again = mlsp("evaluate", "default", ratings, "--head", "quality", *options, folder=tmp_path)
    assert again.returncode == 0, again.stderr
    for name in ("evaluation.json", "evaluation.html"):
        (tmp_path / name).write_text('{"format": "of my own"}', "utf-8")
        refused = mlsp("evaluate", "default", ratings, "--output", name, *options, folder=tmp_path)
        assert refused.returncode == 2
        assert f"'{name}' exists and was not written by this command" in refused.stderr
        assert (tmp_path / name).read_text("utf-8") == '{"format": "of my own"}'


def test_scores_of_two_tables_and_a_photo_without(ratings: Path, tmp_path: Path) -> None:
    for name, sign in (("good", -1), ("bad", 1)):
        lines = [f"x/{photo},{sign * place}" for place, photo in enumerate(NAMES[:4])]
        (tmp_path / f"{name}.csv").write_text("\n".join(["photo,quality", *lines]), "utf-8")
    done = mlsp(
        "evaluate", "good.csv", ratings, "--against", "bad.csv", "-o", "x.json", folder=tmp_path
    )
    assert done.returncode == 1, done.stderr
    assert [path.name for path in tmp_path.glob("*.html")] == []
    document = json.loads((tmp_path / "x.json").read_text("utf-8"))
    assert document["comparison"]["srcc"]["value"] == pytest.approx(2)
    assert document["unscored"] == [
        {"photo_id": "clock_motion.png", "reason": "is not in good.csv"}
    ]
    assert "4 scored, 1 failed in " in done.stderr
    assert "quality of good.csv" in done.stdout
    assert "difference" in done.stdout


def test_a_photo_that_fails_is_named_and_left_out(
    ratings: Path, examples: Path, tmp_path: Path
) -> None:
    for name in NAMES[1:]:
        (tmp_path / name).symlink_to(examples / name)
    (tmp_path / NAMES[0]).touch()
    done = mlsp(
        "evaluate", "default", ratings, "--head", "quality", "-o", "x.json", folder=tmp_path
    )
    assert done.returncode == 1, done.stderr
    assert "astronaut.png: the file is empty" in done.stderr
    left_out = mlsp(
        *("evaluate", "default", ratings, "--head", "quality", "-o", "y.json"),
        *("--missing", "leave-out"),
        folder=tmp_path,
    )
    assert left_out.returncode == 0, left_out.stderr
    line = "mlsp: 1 photos are missing or unreadable, and left out: 'astronaut.png'\n"
    assert line in left_out.stderr
    assert "the file is empty" not in left_out.stderr
    assert json.loads((tmp_path / "x.json").read_text("utf-8"))["photo_count"] == 4


def test_notes_go_to_stderr(ratings: Path, tmp_path: Path) -> None:
    lines = [f"{photo},{place}" for place, photo in enumerate(NAMES)]
    (tmp_path / "s.csv").write_text("\n".join(["photo,quality", *lines]), "utf-8")
    options = ("--predictions", "s.csv", "--head", "quality", "--split", "all", "-o", "x.json")
    done = mlsp("evaluate", "default", ratings, *options, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        "mlsp: note: 'quality' of 'default' learned from BIQ2021 (Ahmed and Asif 2022), its official train photos"
        in done.stderr
    )
    assert "learned from" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["-o", "x.txt"],
            "mlsp: cannot write an evaluation to 'x.txt': its ending must be one of .json, .html, got '.txt'\n",
        ),
        (
            ["-o", "gone/x.json"],
            "mlsp: cannot write 'gone/x.json': the folder '{folder}/gone' does not exist: make it first\n",
        ),
        (
            ["--split", "validation"],
            "mlsp: ratings.csv has no validation photos: choose --split all, or mark them in a column 'split'\n",
        ),
        (
            ["--head", "best"],
            "mlsp: model 'default': unknown head 'best': did you mean 'beauty'? Known: 'beauty', 'quality'\n",
        ),
    ],
)
def test_mistakes_are_told_before_the_work(
    arguments: list[str], message: str, ratings: Path, tmp_path: Path
) -> None:
    scale = ("--lowest", "0", "--highest", "1")
    done = mlsp("evaluate", "default", ratings, *scale, *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr == message.format(folder=tmp_path)


BARE = """
import sys
for name in ("torch", "scipy", "pandas", "sklearn", "matplotlib", "jinja2"):
    sys.modules[name] = None
from mlsp.cli import main
main()
"""


def test_numbers_need_no_extra_and_the_page_names_its_own(ratings: Path, tmp_path: Path) -> None:
    arguments = ("evaluate", "default", str(ratings), "--head", "quality", "--predictions", "s.csv")

    def bare(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", BARE, *arguments, *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    lines = [f"{photo},{place}" for place, photo in enumerate(NAMES)]
    (tmp_path / "s.csv").write_text("\n".join(["photo,quality", *lines]), "utf-8")
    done = bare("-o", "x.json")
    assert done.returncode == 0, done.stderr
    assert "Kendall" in done.stdout
    assert (tmp_path / "x.json").exists()
    done = bare("-o", "x.html")
    assert done.returncode == 2
    assert ".[research]" in done.stderr or "mlsp[research]" in done.stderr


def test_numbers_by_avas_challenges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of AVA, whose test list is not the official one."""
    monkeypatch.setitem(
        DATASETS, "ava", replace(DATASETS["ava"], load=partial(load_ava, official=False))
    )
    (tmp_path / "aesthetics_image_lists").mkdir()
    (tmp_path / "aesthetics_image_lists" / "generic_test.jpgl").write_text(
        "\n".join(map(str, range(24)))
    )
    rows, scores = [], ["photo,score"]
    for image in range(24):
        votes = " ".join("100" if place == image % 5 else "1" for place in range(10))
        rows.append(f"{image} {image} {votes} 1 2 {1396 + image // 12}")
        scores.append(f"{image}.jpg,{image % 5}")
    (tmp_path / "AVA.txt").write_text("\n".join(rows))
    (tmp_path / "scores.csv").write_text("\n".join(scores))
    command = ["evaluate", str(tmp_path / "scores.csv"), f"ava:{tmp_path}", "--group", "challenge"]
    done = CliRunner().invoke(app, [*command, "--output", str(tmp_path / "x.json")])
    assert done.exit_code == 0, done.output
    document = json.loads((tmp_path / "x.json").read_text("utf-8"))
    groups = document["models"][0]["groups"]
    assert {group["name"]: group["photos"] for group in groups} == {"1396": 12, "1397": 12}


def test_columns_are_checked_before_photos_are_scored(
    ratings: Path, examples: Path, tmp_path: Path
) -> None:
    done = mlsp(
        *("evaluate", "default", ratings, "--head", "quality", "--photos", examples),
        *("--group", "theme"),
        folder=tmp_path,
    )
    assert done.returncode == 2
    assert (
        "mlsp: ratings.csv has no column 'theme', and no other to choose: leave --group out"
        in done.stderr
    )
    assert "scored" not in done.stderr
