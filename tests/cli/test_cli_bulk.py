"""`mlsp bulk`, and the spelling that it had in version 0.1."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from mlsp.base.errors import OutputError, SettingsError
from mlsp.cli import app
from photo_samples import camera_photo

pytest.importorskip("fsspec", reason="needs the bulk extra")
pq = pytest.importorskip("pyarrow.parquet", reason="needs the bulk extra")


def mlsp(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        # Of a real photo, because what is none is not ranked.
        image = Image.fromarray(camera_photo()).resize((70 + number, 64))
        image.save(folder / f"{number}.png")
    return folder


def columns(dataset: Path) -> list[list[str]]:
    return [list(pq.read_schema(file).names) for file in sorted(dataset.glob("0*.parquet"))]


def test_columns_are_those_of_score_in_its_order(photos: Path, tmp_path: Path) -> None:
    dataset, report = tmp_path / "scores", tmp_path / "scores.csv"
    assert mlsp("bulk", photos, "--output", dataset).exit_code == 0
    assert mlsp("score", photos, "--sort", "photo", "--output", report).exit_code == 0
    header, *rows = csv.reader(report.read_text("utf-8").splitlines())
    # A report also names the files of each shot; here each file is a photo of its own.
    assert columns(dataset) == [[*(name for name in header if name != "files"), "error"]]
    (file,) = dataset.glob("0*.parquet")
    for row, values in zip(rows, pq.read_table(file).to_pylist(), strict=True):
        assert values["photo"] == row[0]
        overall = math.nan if values["overall"] is None else values["overall"]
        assert float(row[1] or "nan") == pytest.approx(overall, abs=0.06, nan_ok=True)
        assert float(row[2]) == pytest.approx(values["quality"], abs=6e-5)


def test_a_data_set_of_version_0_1_keeps_its_columns(photos: Path, tmp_path: Path) -> None:
    dataset = tmp_path / "scores"
    command = ("bulk", photos, "--output", dataset, "--shard-size", "2")
    assert mlsp(*command).exit_code == 0
    new = dataset / "_manifest.parquet"
    manifest = json.loads(pq.read_schema(new).metadata[b"mlsp.manifest"])
    for file in dataset.iterdir():
        file.unlink()
    (dataset / "_manifest.json").write_text(json.dumps({**manifest, "format": 1}))
    done = mlsp(*command)
    assert done.exit_code == 0, done.output
    heads = ["quality", "quality_percentile", "beauty", "beauty_percentile"]
    first = ["id", *heads, "overall", "width", "height", "model", "error"]
    assert columns(dataset) == [first, first]
    (row, _) = pq.read_table(sorted(dataset.glob("0*.parquet"))[0]).to_pylist()
    assert (row["id"], row["width"], row["error"]) == (str(photos / "0.png"), 70, None)
    assert 0 <= row["quality"] <= 1
    assert row["overall"] is None or row["overall"] > 1


def test_urls_are_for_bulk() -> None:
    done = mlsp("score", "s3://bucket/photos")
    assert isinstance(done.exception, SettingsError)
    assert "mlsp bulk SOURCE... --output DIR" in str(done.exception)


@pytest.mark.parametrize("inside", ["", "/2024/scores"])
@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_file_is_no_place_for_a_data_set(tmp_path: Path, prefix: str, inside: str) -> None:
    file = tmp_path / "scores.csv"
    file.write_text("precious")
    dataset = f"{prefix}{file}{inside}"
    done = mlsp("bulk", tmp_path, "--output", dataset)
    assert isinstance(done.exception, OutputError)
    assert str(done.exception).startswith(f"--output {dataset} cannot be ")
    assert f"{str(file)!r} is a file" in str(done.exception)
    assert file.read_text() == "precious"
