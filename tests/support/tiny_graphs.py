"""Graphs of a few nodes. Written by hand and not by torch, whose export would take most of the time of tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_head(file: Path, weighed: np.ndarray, form: str) -> None:
    """A head that is linear in features, in their square roots, or the square of such a one."""
    node = helper.make_node
    nodes = [
        node("Max", ["features", "zero"], ["positive"]),
        node("Sqrt", ["positive"], ["roots"]),
        node("Mul", ["roots" if form == "roots" else "features", "weights"], ["weighed"]),
        node("ReduceSum", ["weighed", "axes"], ["sum"], keepdims=0),
        node("Pow", ["sum", "power"], ["raised"]),
        node("Add", ["raised", "start"], ["scores"]),
    ]
    arrays = {
        "zero": np.float32(0),
        "weights": weighed.astype(np.float32),
        "axes": np.array([1, 2, 3]),
        "power": np.float32(2 if form == "square" else 1),
        "start": np.float32(0.1),
    }
    shape = ["n", *weighed.shape]
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, shape)
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n"])
    save_graph(file, nodes, features, scores, arrays)


def save_graph(
    file: Path,
    nodes: list[onnx.NodeProto],
    taken: onnx.ValueInfoProto,
    given: onnx.ValueInfoProto,
    arrays: dict[str, Any],
) -> None:
    initializers = [
        numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()
    ]
    graph = helper.make_graph(nodes, "tiny", [taken], [given], initializers)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), file
    )
