from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlsp.base.errors import ModelError
from mlsp.evaluation.metrics import srcc
from mlsp.models.model import (
    Model,
    installed_models,
    iterate_models,
    list_models,
    load_model,
    save_model_record,
)
from mlsp.models.records import Agreement


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the embedded model that a test may damage."""
    target = tmp_path / "copy"
    shutil.copytree(load_model().folder, target)
    return target


def edit(folder: Path, **changes: Any) -> None:
    file = folder / "model.json"
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), **changes}), "utf-8")


def failure(folder: Path | str) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(folder)
    return str(caught.value)


def test_default_is_installed_and_whole() -> None:
    model = load_model("default")
    assert [head.name for head in model.heads] == ["quality", "beauty"]
    assert "default" in installed_models()
    assert len(model.fingerprint) == 64


def test_the_folder_is_small() -> None:
    assert sum(file.stat().st_size for file in load_model().folder.iterdir()) <= 24 * 2**20


def test_saving_what_was_loaded_changes_nothing(folder: Path) -> None:
    before = (folder / "model.json").read_bytes()
    save_model_record(load_model(folder))
    assert (folder / "model.json").read_bytes() == before


@pytest.mark.parametrize("name", ["backbone.onnx", "quality.onnx"])
def test_one_changed_byte_is_found(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[1000] ^= 1
    (folder / name).write_bytes(content)
    message = f"model {folder}: {name} .* expected SHA-256 [0-9a-f]{{64}}, got [0-9a-f]{{64}}\\. "
    assert re.match(message, failure(folder))


def test_a_missing_file(folder: Path) -> None:
    (folder / "beauty.onnx").unlink()
    assert failure(folder) == (
        f"model {folder}: beauty.onnx cannot be read (No such file or directory). Install the model again"
    )


@pytest.mark.skipif(os.name != "posix", reason="needs named pipes")
@pytest.mark.parametrize("name", ["model.json", "backbone.onnx", "quality.onnx"])
def test_a_named_pipe_does_not_block(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert f"{name} cannot be read (no regular file)" in failure(folder)


def test_a_foreign_folder(tmp_path: Path) -> None:
    message = f"{tmp_path} is not a model: model.json .*No such file or directory.* backbone.onnx"
    assert re.match(message, failure(tmp_path))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format"', "\x00\xff", "[" * 100_000])
def test_a_damaged_record(folder: Path, text: str) -> None:
    (folder / "model.json").write_text(text, "latin-1")
    assert failure(folder) == (
        f"{folder}/model.json is damaged or not a model's: no JSON object with a 'format'. Install the model again"
    )


def test_a_newer_format(folder: Path) -> None:
    edit(folder, format=2)
    assert failure(folder) == (
        f"{folder}/model.json has format 2, this mlsp reads format 1: update mlsp, or build the model again"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"backbone": {"file": "backbone.onnx"}},
        {"smallest_side": 0},
        {"heads": []},
        {"heads": [{"name": "x"}]},
        {"kind": {}},
        {"card": None},
        {"backbone": {}},
    ],
)
def test_a_record_that_lacks_something(folder: Path, changes: dict[str, Any]) -> None:
    edit(folder, **changes)
    assert failure(folder).startswith(f"{folder}/model.json is damaged: ")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("file", 3),
        ("lowest", "0"),
        ("lowest", 1),
        ("quantiles", [0.1, float("nan")]),
        ("quantiles", [0.2, 0.1]),
        ("quantiles", [0.1]),
    ],
)
def test_a_head_that_cannot_be_used(folder: Path, field: str, value: object) -> None:
    document = json.loads((folder / "model.json").read_text("utf-8"))
    document["heads"][0][field] = value
    edit(folder, heads=document["heads"])
    assert failure(folder).startswith(f"{folder}/model.json is damaged: ")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("views", "bogus"),
        ("grid", 3),
        ("longest_side", "512"),
        ("longest_side", 0),
        ("resize", [256]),
        ("resize", [256, 0]),
        ("resize", "256x256"),
        ("resize", [256, 256]),
    ],
)
def test_a_kind_of_features_that_there_is_not(folder: Path, field: str, value: object) -> None:
    document = json.loads((folder / "model.json").read_text("utf-8"))
    edit(folder, kind={**document["kind"], field: value})
    assert failure(folder).startswith(f"{folder}/model.json is damaged: ValueError at ")


def test_a_model_of_resized_photos(folder: Path) -> None:
    """The field is kept where it is used; `test_saving_what_was_loaded_changes_nothing` says that other models lack it."""
    model = load_model(folder)
    feature_spec = dataclasses.replace(model.feature_spec, longest_side=None, resize=(256, 192))
    save_model_record(dataclasses.replace(model, feature_spec=feature_spec))
    assert load_model(folder).feature_spec == feature_spec
    assert json.loads((folder / "model.json").read_text("utf-8"))["kind"]["resize"] == [256, 192]


def test_files_outside_the_folder_are_not_read(folder: Path) -> None:
    edit(folder, backbone={"file": "../x.onnx", "sha256": "0"})
    assert failure(folder) == (
        f"{folder}/model.json names the file '../x.onnx': only files in the model's own folder are read"
    )


@pytest.mark.parametrize("name", ["overall", "Quality", "a b", "=x"])
def test_head_names_are_safe_column_names(folder: Path, name: str) -> None:
    document = json.loads((folder / "model.json").read_text("utf-8"))
    document["heads"][0]["name"] = name
    edit(folder, heads=document["heads"])
    assert f"head name {name!r}: lower-case letters, digits and _ are allowed" in failure(folder)


def test_an_unknown_name_lists_the_close_ones() -> None:
    assert failure("defualt") == (
        "unknown model 'defualt': did you mean 'default'? Known: 'default', 'fast'; a folder of this name does not exist either"
    )


def test_models_of_the_user_are_found_and_damaged_ones_listed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLSP_MODELS_DIR", str(folder.parent))
    (folder / "beauty.onnx").unlink()
    found = dict(iterate_models())
    assert list(found) == ["default", "fast", "copy"]
    assert list_models() == ("default", "fast", "copy")
    assert isinstance(found["default"], Model)
    assert isinstance(found["copy"], ModelError)


def test_intervals_of_a_correlation_hold_the_true_one() -> None:
    """Of 500 samples of 60 photos whose true rank correlation is known."""
    pearson, photos = 0.6, 60
    true = 6 / np.pi * np.arcsin(pearson / 2)
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(500):
        first, other = rng.normal(size=(2, photos))
        second = pearson * first + np.sqrt(1 - pearson**2) * other
        low, high = Agreement("test photos", photos, srcc(second, first), 0.0).srcc_interval
        held += low < true < high
    assert 0.93 <= held / 500 <= 0.97


@pytest.mark.parametrize(
    ("srcc_of_photos", "photos", "interval"),
    [(1.0, 10, (1.0, 1.0)), (float("nan"), 10, None), (0.5, 3, None)],
)
def test_intervals_at_the_ends(
    srcc_of_photos: float, photos: int, interval: tuple[float, float] | None
) -> None:
    found = Agreement("test photos", photos, srcc_of_photos, 0.0).srcc_interval
    if interval is None:
        assert np.isnan(found).all()
    else:
        assert found == pytest.approx(interval)


def test_percentiles_interpolate_between_quantiles() -> None:
    head = load_model().heads[0]
    quantiles = head.quantiles
    step = 100 / (len(quantiles) - 1)
    assert head.percentile(quantiles[0] - 1) == 0
    assert head.percentile(quantiles[-1] + 1) == 100
    assert head.percentile(quantiles[50]) == pytest.approx(50 * step)
    middle = (quantiles[50] + quantiles[51]) / 2
    assert head.percentile(middle) == pytest.approx(50.5 * step)
