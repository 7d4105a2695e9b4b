"""Linear heads of a model: as their record states them, or found by predictions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.models.model import Model, load_model
from mlsp.personal import linear_heads
from tiny_graphs import write_head

CHANNELS = 9
WEIGHTS = np.random.default_rng(3).normal(size=(1, 1, CHANNELS)) * 0.02


def without_form(folder: Path, weights: np.ndarray, of: str) -> Model:
    """A model of one head, whose record states no form."""
    write_head(folder / "head.onnx", weights, of)
    base = load_model()
    record = replace(base.heads[0], file="head.onnx", form=None)
    return replace(base, folder=folder, heads=(record,))


@pytest.mark.parametrize("name", ["default", "fast"])
def test_the_embedded_models_heads_are_read(name: str) -> None:
    model = load_model(name)
    assert {record.name: record.form for record in model.heads} == {
        "quality": "kernel",
        "beauty": "roots",
    }
    heads = linear_heads(model)
    assert [head.name for head in heads] == ["quality", "beauty"]
    features = np.random.default_rng(1).random((5, len(heads[0].weights)), np.float32)
    for head, record in zip(heads, model.heads, strict=True):
        scores = OpenVinoHead(model.folder / record.file).predict(features[:, None, None, :])
        expected = (scores - head.middle) / head.spread
        if record.form == "roots":
            np.testing.assert_allclose(head.standardised(features), expected, rtol=1e-3, atol=2e-3)
        assert head.middle == pytest.approx(np.median(record.quantiles))


def test_weights_of_a_head_without_a_form_are_found(tmp_path: Path) -> None:
    (head,) = linear_heads(without_form(tmp_path, WEIGHTS, "roots"))
    np.testing.assert_allclose(head.weights, WEIGHTS.ravel(), atol=1e-6)
    assert head.bias == pytest.approx(0.1)


@pytest.mark.parametrize("of", ["features", "square"])
def test_heads_that_are_not_linear_in_roots_have_no_weights(tmp_path: Path, of: str) -> None:
    assert linear_heads(without_form(tmp_path, WEIGHTS, of)) == ()


def test_heads_of_very_many_features_are_not_asked(tmp_path: Path) -> None:
    assert linear_heads(without_form(tmp_path, np.ones((1, 1, 30_001)), "roots")) == ()


def test_weights_that_are_found_are_those_that_are_stated() -> None:
    model = load_model("fast")
    (stated,) = (record for record in model.heads if record.form == "roots")
    read, asked = (
        linear_heads(replace(model, heads=(record,)))[0]
        for record in (stated, replace(stated, form=None))
    )
    np.testing.assert_allclose(read.weights, asked.weights, atol=1e-5)
    assert read.bias == pytest.approx(asked.bias, abs=1e-5)
