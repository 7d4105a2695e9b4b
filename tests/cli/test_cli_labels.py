"""Commands with a model that finds faults and kinds, as a user runs them."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from children import expect_mlsp
from labelled_models import NOT_PHOTOS, LabelledModel
from xmp_samples import read_rating


@pytest.fixture
def photos(labelled: LabelledModel, tmp_path: Path) -> Path:
    """A folder to write into."""
    folder = tmp_path / "photos"
    shutil.copytree(labelled.photos, folder)
    return folder


def test_the_best_of_a_shoot_and_stars_of_ones_own(labelled: LabelledModel, photos: Path) -> None:
    output = photos.parent / "scores.csv"
    options = ("--relative", "--all-columns", "--xmp", "--stars-of", "own", "--output", output)
    done = expect_mlsp("score", photos, "--model", labelled.model.folder, *options)
    with output.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    overall = [float(row["overall"]) for row in rows[:15]]
    assert overall == pytest.approx([100 * (14 - place) / 14 for place in range(15)], abs=0.06)
    assert {Path(row["photo"]).name for row in rows[15:]} == {*NOT_PHOTOS}
    assert "2 are no photos, and not ranked: chart.png, screenshot.png" in done.stderr
    # From the thresholds of docs/stars.md: the best tenth has five, the worst fifth one.
    stars = [read_rating(Path(row["photo"])) for row in rows]
    assert stars == [5, 5, 4, 4, 4, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, None, None]
    best = rows[0]
    assert float(best["soft_probability"]) < 0.5 < float(best[f"{best['kind']}_probability"])
    # The percentile among rated photos is still there.
    assert all(row["beauty_percentile_all"] for row in rows)

    done = expect_mlsp("score", photos, "--model", labelled.model.folder, "--top", "20%", "--quiet")
    _, *lines = done.stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == [row["photo"] for row in rows[:3]]
    assert done.stderr == ""


@pytest.mark.skipif(os.name != "posix", reason="pseudo terminals")
def test_the_bar_of_stars_counts_photos_only(labelled: LabelledModel, photos: Path) -> None:
    main, terminal = os.openpty()
    with os.fdopen(main, "rb") as shown, os.fdopen(terminal, "wb") as stderr:
        command = [sys.executable, "-m", "mlsp", "score", str(photos), "--xmp", "--no-cache"]
        subprocess.run(
            [*command, "--model", str(labelled.model.folder)],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            check=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        )
        text = os.read(shown.fileno(), 1_000_000).decode()
    assert "17/17" in text  # scored
    assert "15/15" in text
    assert "15/17" not in text.rpartition("17/17")[2]


def test_options_that_cannot_be_used(labelled: LabelledModel, photos: Path) -> None:
    done = expect_mlsp("score", photos, "--top", "ten", code=2)
    assert "top must be at least 1 photo, such as 20, or a share such as 10%, got 'ten'" in (
        done.stderr
    )
    done = expect_mlsp("score", photos, "--stars-of", "own", code=2)
    assert re.search(r"--stars-of, .*--overwrite-ratings need --xmp, which", done.stderr)
    done = expect_mlsp("score", photos, "--xmp", "--stars-of", "mine", code=2)
    assert "unknown comparison of stars 'mine': Known: 'own', 'rated'" in done.stderr


def test_explain_gives_reasons_in_words(labelled: LabelledModel, photos: Path) -> None:
    done = expect_mlsp(
        *("explain", photos / "soft_chelsea.png", photos / "chelsea.png", photos / "chart.png"),
        *("--model", labelled.model.folder, "--head", "beauty", "--output", photos.parent / "maps"),
    )
    lines = done.stdout.splitlines()
    assert lines[1:3] == ["  kind: animals", "  faults:"]
    assert lines[3].startswith("    soft: the whole photo is out of focus (9")
    assert lines[3].endswith(" % sure)")
    assert "above" in lines[4]
    assert lines[7:9] == ["  kind: animals", "  faults: none found"]
    assert lines[12] == "  kind: not a photo"
    # What is no photo is not compared with rated ones.
    assert "above" not in lines[14]


def test_a_bulk_data_set_has_kind_and_faults(labelled: LabelledModel, photos: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"")
    dataset = photos.parent / "dataset"
    expect_mlsp("bulk", photos, "--model", labelled.model.folder, "--output", dataset, code=1)
    table = pq.read_table(dataset)
    assert table.column_names[-6:] == ["kind", "faults", "width", "height", "model", "error"]
    rows = {Path(row["photo"]).name: row for row in table.to_pylist()}
    assert rows["dark_rocket.png"]["faults"] == ["dark"]
    assert rows["rocket.jpg"]["faults"] == []
    assert rows["rocket.jpg"]["kind"] == "architecture"
    chart, broken = rows["chart.png"], rows["broken.jpg"]
    assert (chart["kind"], chart["overall"], chart["quality_percentile"]) == (
        "not_photo",
        None,
        None,
    )
    assert chart["quality"] > 0
    assert (broken["kind"], broken["faults"], broken["overall"]) == (None, None, None)
