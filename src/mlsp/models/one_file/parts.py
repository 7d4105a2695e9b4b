"""Nodes and constants of an ONNX graph under construction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, compose, helper, numpy_helper


@dataclass(slots=True)
class Parts:
    """Nodes and constants so far."""

    nodes: list[NodeProto] = field(default_factory=list)
    initializers: list[TensorProto] = field(default_factory=list)

    def constant(self, value: np.ndarray | np.generic) -> str:
        """Add a constant; return its name."""
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(
        self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any
    ) -> str:
        """Add a node; return the name of its output."""
        output = output or f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def add(self, part: ModelProto, prefix: str, value: str) -> str:
        """Append a graph of one input and one output; its input is `value`, its output is returned."""
        part = compose.add_prefix(part, f"{prefix}/")
        self.node("Identity", [value], part.graph.input[0].name)
        self.nodes.extend(part.graph.node)
        self.initializers.extend(part.graph.initializer)
        return str(part.graph.output[0].name)

    def mean_of_views(
        self, values: str, views: int, *, columns: int | None = None, output: str | None = None
    ) -> str:
        """Average values over the views of each photo.

        Args:
            values: name of (views · N,), or (views · N, columns), view by view.
            views: per photo.
            columns: see above; None for the former.
            output: name of the result.

        Returns:
            The name of (N,) or (N, columns).
        """
        if views == 1:
            return values if output is None else self.node("Identity", [values], output)
        shape = np.array([views, -1, *([] if columns is None else [columns])], np.int64)
        by_view = self.node("Reshape", [values, self.constant(shape)])
        axis = self.constant(np.array([0], np.int64))
        return self.node("ReduceMean", [by_view, axis], output, keepdims=0)
