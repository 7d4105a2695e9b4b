"""A linear classifier of features as a module and as a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.features.onnx_export import export_head
from mlsp.models.heads.roots_classifier import RootsClassifier


@pytest.mark.parametrize("labels", ["independent", "one"])
def test_probabilities_are_those_of_its_weights(
    tmp_path: Path, labels: Literal["independent", "one"]
) -> None:
    """Weights of channels that hardly vary are thousands of times as large as others: none is lost in 16 bits."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((40, 3)) * 10.0 ** rng.integers(-4, 4, (40, 1))
    features = (rng.gamma(1.0, size=(9, 40)) / weight[:, 0] ** 2).astype(np.float32)
    bias = rng.standard_normal(3)
    logits = np.sqrt(features.astype(np.float64)) @ weight + bias
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = 1 / (1 + np.exp(-logits))
    if labels == "one":
        expected = odds / odds.sum(axis=1, keepdims=True)
    file = tmp_path / "labels.onnx"
    export_head(RootsClassifier(weight, bias, labels), 40, file, grid=1, outputs=("probabilities",))
    found = OpenVinoHead(file).predict(features[:, None, None])
    np.testing.assert_allclose(found, expected, atol=0.02)
