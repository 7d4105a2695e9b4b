"""A kernel head read from its graph: the nearest linear head."""

from __future__ import annotations

import numpy as np
import pytest

from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.features.onnx_export import export_head
from mlsp.models.heads import KernelHead, KernelNetworks
from mlsp.models.kernel_form import KernelForm
from mlsp.models.signed_roots import signed_roots


@pytest.fixture(
    scope="module",
    params=[None, KernelNetworks(count=2, widths=(24, 8), epochs=10)],
    ids=["kernel", "with networks"],
)
def fitted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[KernelHead, OpenVinoHead, np.ndarray]:
    rng = np.random.default_rng(0)
    features = rng.gamma(2.0, size=(300, 12)).astype(np.float32)
    # As transformers have them: below 0, and on both sides of it.
    features[:, 3:6] *= -1
    features[:, 6:8] -= 2
    roots = signed_roots(features)
    ratings = roots[:, 0] - 0.5 * roots[:, 3] + 0.3 * np.abs(roots[:, 1] - 1)
    head = KernelHead(components=12, penalty=0.05, networks=request.param).fit(features, ratings)
    file = tmp_path_factory.mktemp("head") / "head.onnx"
    export_head(head.module(in_8_bits=True), 12, file, grid=1)
    return head, OpenVinoHead(file), features


def test_its_linear_part_ranks_as_it_does(
    fitted: tuple[KernelHead, OpenVinoHead, np.ndarray],
) -> None:
    head, opened, features = fitted
    weights, bias = KernelForm.read(opened).linear()
    linear = signed_roots(features) @ weights + bias
    scores = head.predict(features)
    assert np.corrcoef(linear, scores)[0, 1] > 0.97
    assert linear.mean() == pytest.approx(scores.mean(), abs=0.02)
