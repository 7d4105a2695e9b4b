"""Networks and heads of an installed package: commands know them by their names."""

from __future__ import annotations

import csv
import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageFilter
from typer.testing import CliRunner, Result

from mlsp.backbones import BACKBONES
from mlsp.cli.app import app
from mlsp.models.heads import HEADS

PACKAGE = """
import torch
from torch import nn

import mlsp


class Blocks(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.second = nn.Conv2d(8, 12, 3, stride=2, padding=1)

    def forward(self, photos):
        first = self.first(photos).relu()
        return [first, self.second(first).relu()]


def record(name, export):
    return mlsp.BackboneSpec(
        name=name,
        levels=(mlsp.Level("first", 8), mlsp.Level("second", 12)),
        preprocessing=mlsp.Preprocessing(scale=1 / 255, offset=-0.5),
        weights=(),
        smallest_side=16,
        origin="this test",
        export=export,
        builder=Blocks,
    )


BLOCKS, UNEXPORTED = record("blocks", "tried"), record("unexported", "never")
LAYERS = mlsp.heads.HeadForm(
    lambda body: nn.Sequential(nn.Linear(sum(body.widths), 16), nn.ReLU(), nn.Linear(16, body.outputs)),
    title="Two layers",
)
NO_RECORD = 5
"""
ENTRY_POINTS = """
[mlsp.backbones]
blocks = photo_blocks:BLOCKS
unexported = photo_blocks:UNEXPORTED
broken = photo_blocks:NO_RECORD

[mlsp.heads]
layers_of_package = photo_blocks:LAYERS
gone = photo_blocks_gone:HEAD
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a package as pip installs it."""
    folder = tmp_path / "site"
    information = folder / "photo_blocks-1.0.dist-info"
    information.mkdir(parents=True)
    (folder / "photo_blocks.py").write_text(PACKAGE, "utf-8")
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: photo-blocks\nVersion: 1.0\n", "utf-8"
    )
    (information / "entry_points.txt").write_text(ENTRY_POINTS, "utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(tmp_path)
    yield folder
    BACKBONES.discard("blocks")
    BACKBONES.discard("unexported")
    HEADS.discard("layers_of_package")
    sys.modules.pop("photo_blocks", None)


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(app, arguments)
    if done.exception is not None:
        raise done.exception
    assert done.exit_code == 0, done.output
    return done


def write_photos(folder: Path, examples: Path) -> None:
    """Photos that are blurred more and more, and their ratings."""
    folder.mkdir()
    lines = ["photo,mos"]
    for name in ("coffee.png", "rocket.jpg", "chelsea.png"):
        with Image.open(examples / name) as image:
            pixels = image.convert("RGB").resize((96, 64))
        for step in range(6):
            blurred = pixels.filter(ImageFilter.GaussianBlur(step / 2))
            blurred.save(folder / f"{step}_{name}.png")
            lines.append(f"{step}_{name}.png,{10 - step}")
    (folder / "ratings.csv").write_text("\n".join(lines), "utf-8")


def scores_of(table: Path) -> dict[str, float]:
    with table.open(encoding="utf-8") as file:
        return {Path(row["photo"]).name: float(row["score"]) for row in csv.DictReader(file)}


@pytest.mark.parametrize("network", ["blocks", "unexported"])
def test_a_network_and_a_head_of_a_package_score_photos(
    package: Path, examples: Path, network: str
) -> None:
    """A network that cannot be exported, too, whose weights are then given again."""
    torch.manual_seed(1)
    blocks = importlib.import_module("photo_blocks").Blocks()
    torch.save(blocks.state_dict(), "blocks.pth")
    write_photos(Path("photos"), examples)
    weights = ["--weights", "blocks.pth"]
    grid = ["--grid", "narrow"]
    run("extract", "photos", "--backbone", network, *grid, *weights, "--output", "f.h5")
    split = ["--split", "random", "--validation-share", "0.2"]
    head = ["--head", "layers_of_package", "--recipe", "small", "--epochs", "2"]
    done = run("train", "f.h5", "photos/ratings.csv", *head, *split, *weights, "-o", "model")
    assert "Two layers on narrow features" in done.stdout
    assert ("has no network" in done.stderr) is (network == "unexported")
    run("predict", "model", "f.h5", "--output", "predicted.csv", "--quiet")
    table = ["table3", "--ratings", "photos/ratings.csv", "--features", "f.h5", *head, *split]
    rows = ["--backbone", network, "--rows", "layers_of_package*"]
    done = run("experiment", *table, *rows, "--output", "table3")
    assert f"| layers_of_package (-aug) | {network} | whole |" in done.stdout
    assert "recipe small, 2 of 2 levels, 2 epochs" in done.stdout
    score = ["score", "photos", "--model", "./model", "--output", "scores.csv", "--quiet"]
    if network == "unexported":
        refused = CliRunner().invoke(app, score)
        assert "give --weights FILE, the weights of unexported" in str(refused.exception)
        score += weights
    run(*score)
    scores = scores_of(Path("scores.csv"))
    assert len(scores) == 18
    # Features are stored in 16 bits, and OpenVINO may compute in as many.
    assert scores == pytest.approx(scores_of(Path("predicted.csv")), abs=0.05)


def test_a_fresh_process_lists_names_and_says_whose_the_broken_ones_are(package: Path) -> None:
    code = "import mlsp; print(mlsp.list_heads(), mlsp.list_backbones()); mlsp.HeadTrainer('gone').grid"
    paths = [str(package), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    for name in ("layers_of_package", "gone", "blocks", "broken"):
        assert f"'{name}'" in done.stdout
    assert "head 'gone' of the package photo-blocks cannot be used" in done.stderr
    assert "No module named 'photo_blocks_gone'" in done.stderr
    refused = CliRunner().invoke(app, ["backbones", "broken"])
    assert "backbone 'broken' of the package photo-blocks cannot be used" in str(refused.exception)
    assert "got int, expected a mlsp.BackboneSpec" in str(refused.exception)
