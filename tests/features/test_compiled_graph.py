from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mlsp.base.arrays import Float64Array
from mlsp.base.errors import EngineError
from mlsp.features.engines.compiled_graph import CompiledGraph


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mean colours of photos of at least 2×2 pixels, on which a pool before the mean insists."""
    nodes = [
        helper.make_node("Cast", ["photos"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["half"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["half"], ["means"]),
        helper.make_node("Transpose", ["means"], ["features"], perm=[0, 2, 3, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("photos", TensorProto.UINT8, [None, None, None, 3])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, 1, 1, 3])],
    )
    path = tmp_path_factory.mktemp("graph") / "means.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path
    )
    return path


def opened(file: Path, streams: int) -> CompiledGraph:
    return CompiledGraph(
        file,
        {
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": streams,
        },
    )


def photos(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 6, 3), dtype=np.uint8)


def means(batch: np.ndarray) -> Float64Array:
    found: Float64Array = batch.mean(axis=(1, 2), keepdims=True)
    return found


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 9])
def test_parts_are_in_order(file: Path, rows: int) -> None:
    batch = photos(7, 0)
    found = opened(file, 2).in_parts(batch, rows, 2)
    np.testing.assert_allclose(found, means(batch), rtol=1e-6)


@pytest.mark.parametrize("streams", [1, 2])
@pytest.mark.parametrize("rows", [4, 1, None])
def test_an_input_that_fails_never_gets_another_result(
    file: Path, streams: int, rows: int | None
) -> None:
    """OpenVINO's `infer` raises nothing by one thread, and leaves the result before, for this input and for those after it."""
    graph = opened(file, streams)

    def compute(batch: np.ndarray) -> np.ndarray:
        return graph(batch) if rows is None else graph.in_parts(batch, rows, 2)

    first, second = photos(4, 1), photos(4, 2)
    np.testing.assert_allclose(compute(first), means(first), rtol=1e-6)
    message = r"^the network failed on an input of shape \(4, 1, 1, 3\): "
    with pytest.raises(EngineError, match=message):
        compute(np.zeros((4, 1, 1, 3), np.uint8))
    for batch in (second, first, second):
        # This may fail now as well, but without a result that is another's.
        with suppress(EngineError):
            np.testing.assert_allclose(compute(batch), means(batch), rtol=1e-6)
