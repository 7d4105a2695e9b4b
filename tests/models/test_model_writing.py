from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from rich.console import Console
from torch import Tensor, nn

from children import call_mlsp as mlsp
from mlsp.backbones import Level, backbone
from mlsp.base.errors import ModelError, OutputError
from mlsp.cli.card import card_lines
from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.features.engines.openvino_votes import open_votes
from mlsp.features.spec import FeatureSpec
from mlsp.models.heads import HEADS, HeadSpec, RidgeModule, build_head
from mlsp.models.model import Model, load_model
from mlsp.models.records import Card, HeadRecord
from mlsp.models.writing import check_model_folder, write_model
from mlsp.scoring.scorer import Scorer

LEVELS = (Level("a", 16), Level("b", 8))
KIND = FeatureSpec("tiny", "0" * 64, ("a", "b"), "whole", None, 1)
CARD = Card("A test.", ("none",), ("everything",), "CC0-1.0")
RECORD = HeadRecord("taste", "", "", "liked", 1, 10, "nobody's", (), ())


class MeanHead(nn.Module):
    """The mean of all channels, stretched to 1…10."""

    def forward(self, features: Tensor) -> Tensor:
        return 1 + 9 * features.mean(dim=(1, 2, 3))


def write(
    folder: Path,
    head: nn.Module | None = None,
    record: HeadRecord = RECORD,
    feature_spec: FeatureSpec = KIND,
    channels: int = 24,
) -> Model:
    return write_model(
        folder,
        name="tiny",
        feature_spec=feature_spec,
        smallest_side=32,
        heads=[(record, head or build_head(HeadSpec("single_1fc"), LEVELS))],
        channels=channels,
        card=CARD,
        backbone=None,
    )


@pytest.fixture
def without_percentiles(tmp_path: Path) -> Path:
    """A model that scores photos and knows of no rated ones: the network of the embedded model under a head of its own."""
    default = load_model()
    write_model(
        tmp_path / "model",
        name="unrated",
        feature_spec=default.feature_spec,
        smallest_side=50,
        heads=[(RECORD, MeanHead())],
        channels=backbone(default.feature_spec.backbone).channels,
        card=CARD,
        backbone=default.backbone,
    )
    return tmp_path / "model"


def printed(model: Model) -> str:
    console = Console(width=300, file=io.StringIO())
    with console.capture() as captured:
        for line in card_lines(model):
            console.print(line)
    return captured.get()


# Writing


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("output", ["mos", "distribution"])
def test_every_head_computes_the_same_without_torch(tmp_path: Path, name: str, output: str) -> None:
    spec = HeadSpec(name, levels=("a",), output=output, bins=(1, 4, 10))  # type: ignore[arg-type]
    sizes = {} if name in ("single_1fc", "multi_3fc") else {"first": 16, "column": 8}
    head = build_head(spec, LEVELS, **sizes).eval()
    with torch.no_grad():
        generator = torch.Generator().manual_seed(0)
        for array_name, array in head.state_dict().items():
            if array_name.endswith("running_var"):
                array.uniform_(0.5, 2, generator=generator)
            elif array.is_floating_point():
                array.normal_(0.2, 0.5, generator=generator)
    feature_spec = replace(KIND, grid=spec.grid)
    model = write(tmp_path / "model", head, feature_spec=feature_spec)
    assert model == load_model(tmp_path / "model")
    features = np.random.default_rng(1).random((5, spec.grid, spec.grid, 24), np.float32)
    found = OpenVinoHead(model.folder / "taste.onnx").predict(features)
    with torch.no_grad():
        expected = head(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)
    assert expected.std() > 0


def test_heads_that_predict_votes_have_them_as_an_output(tmp_path: Path) -> None:
    bins = (1.0, 4.0, 10.0)
    head = build_head(HeadSpec("single_1fc", output="distribution", bins=bins), LEVELS).eval()
    model = write(tmp_path / "model", head)
    outputs = onnx.load(model.folder / "taste.onnx").graph.output
    assert [output.name for output in outputs] == ["scores", "votes"]
    votes = open_votes(model.folder / "taste.onnx", bins)
    assert votes is not None
    features = np.random.default_rng(1).random((5, 1, 1, 24), np.float32)
    with torch.no_grad():
        expected = head.outputs(torch.from_numpy(features)).softmax(dim=1).numpy()
    np.testing.assert_allclose(votes.predict(features), expected, atol=1e-6)


def test_the_form_of_a_head_is_written(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).standard_normal(24)
    model = write(tmp_path / "ridge", RidgeModule(weight, 0.25))
    assert model.heads[0].form == "roots"
    reader = OpenVinoHead(model.folder / model.heads[0].file)
    np.testing.assert_allclose(reader.array("weight"), weight, atol=1e-6)
    assert float(reader.array("bias")) == 0.25
    deep = write(tmp_path / "deep", build_head(HeadSpec("single_3fc"), LEVELS, first=16))
    assert deep.heads[0].form == "other"
    with pytest.raises(ModelError, match=r"taste\.onnx has no array 'weights'"):
        reader.array("weights")


def test_a_model_replaces_a_model_whole(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    first = write(folder)
    second = write(folder, record=replace(RECORD, name="other"))
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "other.onnx"]
    assert first.fingerprint != second.fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_head_that_cannot_be_exported_leaves_the_old_model(tmp_path: Path) -> None:
    before = write(tmp_path / "model")
    bad = build_head(HeadSpec("single_1fc"), LEVELS)
    with torch.no_grad():
        bad.body.bias.fill_(float("nan"))  # type: ignore[operator]
    with pytest.raises(
        ModelError,
        match=r"^the exported graph of head 'taste' differs from the head by nan on noise, expected at most 9.0e-04:"
        r" its weights are too large or not finite$",
    ):
        write(tmp_path / "model", bad)
    assert load_model(tmp_path / "model") == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_record_that_cannot_be_used_is_found_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError,
        match="^a model cannot have this head: head name 'Taste': lower-case letters, digits and _ are allowed$",
    ):
        write(tmp_path / "model", record=replace(RECORD, name="Taste"))
    assert not list(tmp_path.iterdir())


def test_folders_that_hold_something_else_stay(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    check_model_folder(folder)
    (folder / "beach.jpg").touch()
    message = f"cannot write a model to {folder}: it holds 'beach.jpg', which is not part of a model: name another folder"
    with pytest.raises(OutputError, match=f"^{re.escape(message)}$"):
        write(folder)
    (folder / "beach.jpg").rename(folder / "beach.onnx")
    with pytest.raises(OutputError, match="it holds 'beach.onnx', which is not part of a model"):
        write(folder)
    (folder / "model.json").write_text('{"name": "mine"}')
    with pytest.raises(OutputError, match="its model.json is not that of a model: .*delete"):
        write(folder)
    missing = tmp_path / "no" / "model"
    with pytest.raises(
        OutputError,
        match=f"^cannot write a model to {missing}: the folder {missing.parent} does not exist: make it first$",
    ):
        write(missing)
    file = folder / "beach.onnx"
    with pytest.raises(
        OutputError, match=f"^cannot write a model to {file}: it is not a folder: name another$"
    ):
        write(file)


@pytest.mark.parametrize("record", ["as written", '{"format": 9, "heads": 7, "backbone": "b"}'])
def test_a_model_with_a_file_of_the_users_beside_it_stays(tmp_path: Path, record: str) -> None:
    folder = write(tmp_path / "model").folder
    if record != "as written":
        (folder / "model.json").write_text(record)
        (folder / "taste.onnx").unlink()
    (folder / "trial.onnx").write_text("mine")
    with pytest.raises(OutputError, match="it holds 'trial.onnx', which is not part of a model"):
        write(folder)
    assert (folder / "trial.onnx").read_text() == "mine"


# Models without a network


def test_a_model_without_a_network(tmp_path: Path) -> None:
    model = write(tmp_path / "model")
    assert json.loads((model.folder / "model.json").read_text("utf-8"))["backbone"] is None
    assert model.backbone_file is None
    message = (
        f"model {model.folder} has heads but no network, so it cannot score photos: `mlsp predict` scores stored features,"
        " or give --weights FILE, the weights of tiny, here or when the model is made"
    )
    with pytest.raises(ModelError, match=f"^{re.escape(message)}$"):
        Scorer(model.folder)
    card = printed(model)
    assert "The network is not in the model: it reads stored features, by `mlsp predict`" in card
    assert "Agreement with people: not measured" in card
    assert "No percentiles: scores of rated photos were not at hand" in card
    assert "not in the model" not in printed(load_model())
    assert "No percentiles" not in printed(load_model())


def test_score_says_how_to_add_the_network(tmp_path: Path, examples: Path) -> None:
    folder = write(tmp_path / "model").folder
    done = mlsp("score", examples, "--model", folder)
    assert done.returncode == 2
    assert f"\nmlsp: model {folder} has heads but no network, so it cannot" in done.stderr


# Models without percentiles


def test_overall_is_then_the_place_on_the_scale(without_percentiles: Path) -> None:
    scorer = Scorer(without_percentiles, precision="float32")
    pixels = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    (score,) = scorer.score_one(pixels).scores.values()
    assert math.isnan(score.percentile)
    assert score.position == pytest.approx((score.value - 1) / 9 * 100)


@pytest.mark.parametrize("sort", ["overall", "taste", "taste_percentile"])
def test_reports_leave_the_percentile_empty(
    without_percentiles: Path, tmp_path: Path, sort: str
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    rng = np.random.default_rng(0)
    for number, contrast in enumerate((40, 4, 1)):
        pixels = 128 + contrast * rng.standard_normal((64, 80, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(photos / f"{number}.png")
    options = ("score", photos, "--model", without_percentiles, "--sort", sort, "--quiet")

    done = mlsp(*options)
    assert done.returncode == 0, done.stderr
    header, *rows = (line.split("\t") for line in done.stdout.splitlines())
    assert header[:4] == ["photo", "overall", "taste", "taste_percentile"]
    assert [row[3] for row in rows] == ["", "", ""]
    for row in rows:
        assert float(row[1]) == pytest.approx((float(row[2]) - 1) / 9 * 100, abs=0.06)
    if sort != "taste_percentile":
        values = [float(row[2]) for row in rows]
        assert values == sorted(values, reverse=True)
        assert values[0] > values[-1]

    for suffix, read in READERS.items():
        output = tmp_path / f"scores{suffix}"
        assert mlsp(*options, "--output", output).returncode == 0
        records = read(output)
        assert len(records) == 3
        for record, row in zip(records, rows, strict=True):
            assert record["photo"] == row[0]
            percentile = record["taste_percentile"]
            assert percentile in (None, "") or math.isnan(percentile)
            assert float(record["overall"]) == pytest.approx(float(row[1]), abs=0.06)


def _csv(file: Path) -> list[dict[str, Any]]:
    header, *lines = (line.split(",") for line in file.read_text("utf-8").splitlines())
    return [dict(zip(header, line, strict=True)) for line in lines]


READERS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    ".csv": _csv,
    ".jsonl": lambda file: [json.loads(line) for line in file.read_text("utf-8").splitlines()],
    ".parquet": lambda file: pq.read_table(file).to_pylist(),
}


def test_heads_with_percentiles_keep_theirs() -> None:
    default = load_model()
    for head in default.heads:
        assert head.percentile(head.quantiles[20]) == pytest.approx(10)
    assert math.isnan(replace(default.heads[0], quantiles=()).percentile(0.5))


def test_a_single_quantile_is_damage(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError,
        match="^a model cannot have this head: quantiles of 'taste': .*at least two",
    ):
        write(tmp_path / "model", record=replace(RECORD, quantiles=(3.0,)))
