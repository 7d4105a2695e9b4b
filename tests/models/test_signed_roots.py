"""Features of both signs, as transformers have them: heads in closed form learn from all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlsp.evaluation.metrics import srcc
from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.features.onnx_export import export_head
from mlsp.models.heads import KernelHead, RidgeHead
from mlsp.models.signed_roots import signed_roots

PHOTOS, CHANNELS = 200, 6


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    """Of channels that are above 0, below it, and both."""
    rng = np.random.default_rng(0)
    found = rng.gamma(2.0, size=(PHOTOS, CHANNELS)).astype(np.float32)
    found[:, 2:4] *= -1
    found[:, 4:] = rng.normal(size=(PHOTOS, 2))
    return found


@pytest.mark.parametrize("head", [RidgeHead(), KernelHead(penalty=0.05)])
def test_what_is_below_0_is_learned_from(
    features: np.ndarray, head: RidgeHead | KernelHead, tmp_path: Path
) -> None:
    """Ratings follow from a channel that is below 0 everywhere, and one that is on both sides."""
    mos = signed_roots(features[:, 2]) + signed_roots(features[:, 4])
    scores = head.fit(features[:150], mos[:150]).predict(features[150:])
    assert srcc(scores, mos[150:]) > 0.9
    export_head(head.module(), CHANNELS, tmp_path / "head.onnx", grid=1)
    exported = OpenVinoHead(tmp_path / "head.onnx").predict(features[150:, None, None])
    np.testing.assert_allclose(exported, scores, atol=1e-3)
