"""Weights of linear heads, found by asking their graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.models.linear_form import linear_form
from tiny_graphs import write_head

CHANNELS = 9


def weights(grid: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(grid, grid, CHANNELS)) * 0.02


@pytest.mark.parametrize("of", ["features", "roots"])
def test_weights_of_linear_heads_are_found(tmp_path: Path, of: str) -> None:
    write_head(tmp_path / "head.onnx", weights(5), of)
    form = linear_form(OpenVinoHead(tmp_path / "head.onnx"), (5, 5, CHANNELS))
    assert form is not None
    assert form.of == of
    np.testing.assert_allclose(form.weights, weights(5), atol=1e-6)
    assert form.bias == pytest.approx(0.1)


def test_heads_that_are_not_linear_or_too_wide_have_no_weights(tmp_path: Path) -> None:
    write_head(tmp_path / "head.onnx", weights(1), "square")
    head = OpenVinoHead(tmp_path / "head.onnx")
    assert linear_form(head, (1, 1, CHANNELS)) is None
    assert linear_form(head, (5, 5, 16_928)) is None
