"""`mlsp experiment` as a user runs it, on tiny features."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from mlsp.base.errors import OutputError, RatingsError, SettingsError
from mlsp.cli import app
from training_data import ids, make_store, planted

PHOTOS = 90


def mlsp(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ratings in groups of 3, features of whole photos and of two views, and scores that are nearly the ratings."""
    folder = tmp_path_factory.mktemp("files")
    features, mos = planted(PHOTOS)
    make_store(folder / "whole.h5", features)
    make_store(folder / "mirrored.h5", np.concatenate([features, features], axis=1))
    with (folder / "ratings.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("photo", "mos", "theme"))
        rows = enumerate(zip(ids(PHOTOS), mos, strict=True))
        writer.writerows(
            (name, f"{value:.4f}", f"g{number // 3}") for number, (name, value) in rows
        )
    noise = np.random.default_rng(5).normal(0, 0.2, PHOTOS)
    lines = [f"{name},{value:.4f}" for name, value in zip(ids(PHOTOS), mos + noise, strict=True)]
    (folder / "tuned.csv").write_text("\n".join(["photo,score", *lines]) + "\n", "utf-8")
    return folder


def options(files: Path, output: Path, *, split: str = "random") -> tuple[str | Path, ...]:
    return (
        *("--ratings", files / "ratings.csv", "--lowest", "1", "--highest", "10"),
        *("--features", files / "whole.h5", "--features", files / "mirrored.h5"),
        *("--backbone", "tiny", "--split", split, "--validation-share", ".2"),
        *("--epochs", "1", "--batch", "32", "--output", output),
    )


def table_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


def test_claims_by_folds_that_keep_groups(tmp_path: Path, files: Path) -> None:
    command = (
        *("experiment", "claims", *options(files, tmp_path, split="group"), "--folds", "2"),
        *("--group", "theme"),
        *("--views", "whole_mirrored", "--rows", "ridge*", "--rows", "single-1fc"),
    )
    done = mlsp(*command)
    begun = [line for line in done.stderr.splitlines() if line.endswith(":")]
    # Without features at 256×256; each row once a fold.
    assert begun == [
        *("Ridge:", "Ridge:", "Ridge (5):", "Ridge (5):"),
        *("Ridge, views:", "Ridge, views:", "Single-1FC:", "Single-1FC:"),
    ]
    assert done.stdout == (tmp_path / "claims.md").read_text("utf-8")
    pairs = {(row["better"], row["worse"]): row for row in table_of(tmp_path / "claims-pairs.csv")}
    levels = pairs["Ridge", "Ridge (5)"]
    # The network has no more than three levels: both rows are the same.
    assert (levels["photos"], float(levels["difference"]), levels["verdict"]) == ("90", 0, "open")
    assert float(levels["first"]) > 0.9
    assert pairs["Ridge", "Ridge, 256×256"]["verdict"] == (
        "not tested: no result of Ridge, 256×256"
    )
    assert (
        "| more levels beat fewer | .644 over .570 | Ridge | Ridge (5) | "
        f"{float(levels['first']):.3f} and {float(levels['second']):.3f} | +0.000 [+0.000, +0.000] | 1.000 | open |"
    ) in done.stdout
    rows = {row["label"]: row for row in table_of(tmp_path / "claims.csv")}
    assert rows["Single-1FC"]["note"].startswith("2 folds, the first: recipe paper, 3 of 3 levels")
    assert rows["Multi-3FC"]["note"] == "not run: left out by --rows"
    again = mlsp(*command)
    assert (again.stdout, again.stderr) == (done.stdout, "")


@pytest.mark.parametrize(
    ("name", "own"),
    [
        *(("table4", f"table4.{suffix}") for suffix in ("md", "csv", "png")),
        *(("fig8", "fig9.png"), ("claims", "claims-pairs.csv")),
    ],
)
def test_a_file_of_the_users_stays(tmp_path: Path, files: Path, name: str, own: str) -> None:
    (tmp_path / own).write_text("mine", "utf-8")
    command = ["experiment", name, *options(files, tmp_path), "--rows", "Ridge*"]
    done = CliRunner().invoke(app, [str(one) for one in command])
    assert isinstance(done.exception, OutputError)
    assert f"{own}' exists and was not written by this command" in str(done.exception)
    assert [(path.name, path.read_text("utf-8")) for path in tmp_path.iterdir()] == [(own, "mine")]


def test_tables_and_pictures_are_replaced_by_newer_ones(tmp_path: Path, files: Path) -> None:
    for name in ("fig8", "claims"):
        command = ("experiment", name, *options(files, tmp_path))
        mlsp(*command, "--rows", "Multi*" if name == "claims" else "Ridge*")
        # Each is known by itself.
        (tmp_path / f"{name}.md").rename(tmp_path / f"{name}-earlier.md")
        mlsp(*command, "--rows", "Ridge*")
        assert (tmp_path / f"{name}.md").exists()
    # The first version's pictures have no mark; its text has.
    Image.new("RGB", (9, 9)).save(tmp_path / "fig9.png")
    mlsp("experiment", "fig8", *options(files, tmp_path), "--rows", "Ridge*")
    with Image.open(tmp_path / "fig9.png") as sheet:
        assert sheet.width > 9


def test_an_output_that_is_no_folder_is_refused_in_words(tmp_path: Path, files: Path) -> None:
    (tmp_path / "file").write_text("mine", "utf-8")
    with pytest.raises(OutputError, match="^the folder .*file' cannot be made: .*: name another"):
        mlsp("experiment", "table4", *options(files, tmp_path / "file"))


def test_scores_of_a_fine_tuned_model_are_a_row(tmp_path: Path, files: Path) -> None:
    row = "Single-1FC (all), fine-tuned"
    done = mlsp(
        *("experiment", "table2", *options(files, tmp_path), "--rows", row),
        *("--scores", f"{row}={files / 'tuned.csv'}", "--quiet"),
    )
    assert done.stderr == ""
    rows = {row["label"]: row for row in table_of(tmp_path / "table2.csv")}
    assert rows[row]["note"] == "scores of tuned.csv, 18 of 18 test photos"
    assert float(rows[row]["srcc"]) > 0.95
    assert rows["Single-3FC, fine-tuned"]["note"] == (
        "not run: `mlsp finetune RATINGS --backbone tiny --head single_3fc --resize 256x256 --precision float32 --output MODEL`,"
        " then --scores 'Single-3FC, fine-tuned=MODEL.run/test-scores.csv'"
    )


def test_figure_7_by_the_released_recipe(tmp_path: Path, files: Path) -> None:
    done = mlsp(
        *("experiment", "fig7", *options(files, tmp_path), "--own-size"),
        *("--views", "whole_mirrored", "--recipe", "released", "--precision", "bfloat16"),
    )
    assert [row["label"] for row in table_of(tmp_path / "fig7.csv")] == ["last", "last 2", "last 3"]
    assert "recipe released, 2 of 3 levels, 1 epochs of which 1 was the best" in done.stdout
    assert (tmp_path / "fig7.png").read_bytes().startswith(b"\x89PNG")


def test_a_photo_without_features_is_left_out_by_name(
    tmp_path: Path, files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ratings = tmp_path / "more.csv"
    more = (files / "ratings.csv").read_text("utf-8") + "gone.jpg,5,g99\n"
    ratings.write_text(more, "utf-8")
    command = (
        *("experiment", "table3", *options(files, tmp_path / "out"), "--rows", "ridge*"),
        *("--rows", "single*(-aug)", "--seeds", "2", "--ratings", ratings, "--quiet"),
    )
    with pytest.raises(RatingsError, match=r"1 of 91 rated photos are not in feature file .*gone"):
        mlsp(*command)
    mlsp(*command, "--missing", "leave-out")
    left_out = "the feature file does not have them, and are left out: 'gone.jpg'"
    # Once, not for each row and seed.
    assert caplog.text.count(left_out) == 1
    rows = {row["label"]: row for row in table_of(tmp_path / "out" / "table3.csv")}
    assert float(rows["Ridge (not in the paper)"]["srcc"]) > 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--rows", "Pool-9*"), "no row of table3 is like 'Pool-9*': there are 'Single-3FC (-aug)', 'Single-3FC', "),
        (("--scores", "Ridge"), "scores 'Ridge': expected ROW=FILE.csv"),
        (("--scores", "Bridge=a.csv"), "unknown row of table3 'Bridge'"),
        (("--scores", "A=b.csv", "--scores", "A=c.csv"), "scores of row 'A' are given twice: b.csv and c.csv: keep one"),
        (("--scores", "Single-3FC=b.csv", "--folds", "2"), "scores of a table are those of one model on one split: leave out the folds, or the scores"),
        (("--recipe", "fast"), "unknown recipe 'fast'"),
        (("--views", "halves"), "unknown views 'halves'"),
        (("--split", "given", "--folds", "3"), "folds draw test photos of their own: split by random or group, or leave out the folds"),
        (("--folds", "91"), "ratings.csv has 90 photos, and 91 folds were asked for: expected at least 2 folds, and 91 photos"),
    ],
)  # fmt: skip
def test_what_cannot_be(
    tmp_path: Path, files: Path, arguments: tuple[str, ...], message: str
) -> None:
    command = ("experiment", "table3", *options(files, tmp_path / "out"), *arguments)
    # The command line as a whole turns it into a line on stderr and exit code 2.
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}"):
        mlsp(*command)
    assert not (tmp_path / "out").exists()
