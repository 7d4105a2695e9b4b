"""Graphs of models as torch modules, so that gradients flow through them.

Only the operators that our exports have are known. onnx2torch, which converts graphs too, needs torchvision and knows neither the
dynamic slices nor the padding of these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from mlsp.base.errors import ModelError, unknown_name

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)
_DTYPES: dict[int, torch.dtype] = {
    TensorProto.INT64: torch.int64,
    TensorProto.INT32: torch.int32,
    TensorProto.BOOL: torch.bool,
}
_Operator = Callable[..., Tensor | tuple[Tensor, ...]]


class OnnxGraph(nn.Module):
    """A graph of a model; its arrays are buffers, so that `to` moves and converts them.

    Args:
        file: ONNX file of a network or head.

    Attributes:
        outputs: their names.

    Raises:
        ModelError: the file cannot be read, or has an operator that is not known.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        try:
            graph = onnx.load(file).graph
        except Exception as error:
            raise ModelError(f"graph {file} cannot be read: {error}") from error
        self.outputs = tuple(output.name for output in graph.output)
        (self._input,) = (value.name for value in graph.input)
        self._buffer_of: dict[str, str] = {}
        for array in graph.initializer:
            self._keep(array.name, torch.from_numpy(numpy_helper.to_array(array).copy()))
        self._nodes: list[tuple[_Operator, Sequence[str], Sequence[str]]] = []
        for node in graph.node:
            attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
            if node.op_type == "Constant":
                value = numpy_helper.to_array(attributes["value"])
                self._keep(node.output[0], torch.from_numpy(value.copy()))
            elif node.op_type == "Cast" and node.input[0] in self._buffer_of:
                # Arrays that are stored in 16 or 8 bits.
                self._convert(node.input[0], node.output[0], attributes["to"])
            else:
                self._nodes.append((_operator(file, node, attributes), node.input, node.output))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Compute the outputs, by name; in the number format of the input, which is that of the buffers."""
        values: dict[str, Tensor | None] = {"": None, self._input: x}
        for name, buffer in self._buffer_of.items():
            values[name] = self.get_buffer(buffer)
        for compute, names, outputs in self._nodes:
            found = compute(x.dtype, *(values[name] for name in names))
            values |= zip(outputs, found if isinstance(found, tuple) else [found], strict=True)
        return {name: value for name in self.outputs if (value := values[name]) is not None}

    def _keep(self, name: str, array: Tensor) -> None:
        # Buffers' names have no dots.
        self._buffer_of[name] = name.replace(".", "/")
        self.register_buffer(self._buffer_of[name], array)

    def _convert(self, name: str, converted: str, to: int) -> None:
        array = self.get_buffer(self._buffer_of.pop(name))
        delattr(self, name.replace(".", "/"))
        self._keep(converted, array.to(torch.float32 if to in _FLOATS else _DTYPES[to]))


def _operator(file: Path, node: NodeProto, attributes: dict[str, Any]) -> _Operator:
    if node.op_type not in _OPERATORS:
        raise ModelError(f"graph {file}: {unknown_name('operator', node.op_type, _OPERATORS)}")
    return partial(_OPERATORS[node.op_type], attributes)


# Every operator takes its attributes, the number format of the graph, and its inputs; None for those that are left out.
_Attributes = dict[str, Any]
_Dtype = torch.dtype


def _cast(attributes: _Attributes, dtype: _Dtype, x: Tensor) -> Tensor:
    return x.to(dtype if attributes["to"] in _FLOATS else _DTYPES[attributes["to"]])


def _conv(
    attributes: _Attributes, _: _Dtype, x: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    strides = attributes.get("strides", [1, 1])
    dilations = attributes.get("dilations", [1, 1])
    x = functional.pad(x, _padding(attributes, x, strides, dilations, weight.shape[2:]))
    return functional.conv2d(
        x, weight, bias, tuple(strides), 0, tuple(dilations), attributes.get("group", 1)
    )


def _padding(
    attributes: _Attributes,
    x: Tensor,
    strides: Sequence[int],
    dilations: Sequence[int],
    kernel: Sequence[int],
) -> list[int]:
    """Left, right, top, bottom."""
    if attributes.get("auto_pad", b"NOTSET") != b"SAME_UPPER":
        top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
        return [left, right, top, bottom]
    found: list[int] = []
    for side, stride, dilation, size in zip(x.shape[2:], strides, dilations, kernel, strict=True):
        total = max(0, (-(-side // stride) - 1) * stride + dilation * (size - 1) + 1 - side)
        found = [total // 2, total - total // 2, *found]
    return found


def _average_pool(attributes: _Attributes, _: _Dtype, x: Tensor) -> Tensor:
    kernel, strides = attributes["kernel_shape"], attributes.get("strides", [1, 1])
    padding = _padding(attributes, x, strides, [1, 1], kernel)
    means = functional.avg_pool2d(functional.pad(x, padding), kernel, strides)
    if attributes.get("count_include_pad", 0) or not any(padding):
        return means
    inside = functional.pad(torch.ones_like(x[:1, :1]), padding)
    return means / functional.avg_pool2d(inside, kernel, strides)


def _max_pool(attributes: _Attributes, _: _Dtype, x: Tensor) -> Tensor:
    kernel, strides = attributes["kernel_shape"], attributes.get("strides", [1, 1])
    padding = _padding(attributes, x, strides, [1, 1], kernel)
    padded = functional.pad(x, padding, value=-torch.inf)
    return functional.max_pool2d(padded, kernel, strides)


def _sqrt(_: _Attributes, __: _Dtype, x: Tensor) -> Tensor:
    # Its slope at 0 is infinite. Features are 0 where a channel is 0 everywhere, and stays it if pixels change a little.
    # NaN is no 0, and stays NaN.
    is_zero = x <= 0
    return torch.where(is_zero, 1, x).sqrt() * ~is_zero


def _divide(_: _Attributes, __: _Dtype, x: Tensor, y: Tensor) -> Tensor:
    return x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


def _gather(attributes: _Attributes, _: _Dtype, x: Tensor, index: Tensor) -> Tensor:
    axis = attributes.get("axis", 0) % x.ndim
    found = x.index_select(axis, index.reshape(-1) % x.shape[axis])
    return found.reshape(*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])


def _slice(
    _: _Attributes,
    __: _Dtype,
    x: Tensor,
    starts: Tensor,
    ends: Tensor,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    chosen = [slice(None)] * x.ndim
    axes_ = range(len(starts)) if axes is None else axes.tolist()
    steps_ = [1] * len(starts) if steps is None else steps.tolist()
    for start, end, axis, step in zip(starts.tolist(), ends.tolist(), axes_, steps_, strict=True):
        chosen[axis] = slice(start, end, step)
    return x[tuple(chosen)]


def _shape(attributes: _Attributes, _: _Dtype, x: Tensor) -> Tensor:
    found = x.shape[attributes.get("start", 0) : attributes.get("end")]
    return torch.tensor(found, dtype=torch.int64, device=x.device)


def _reshape(_: _Attributes, __: _Dtype, x: Tensor, shape: Tensor) -> Tensor:
    sides = [x.shape[at] if side == 0 else side for at, side in enumerate(shape.tolist())]
    return x.reshape(sides)


def _squeeze(_: _Attributes, __: _Dtype, x: Tensor, axes: Tensor | None = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(axes.tolist())


def _unsqueeze(_: _Attributes, __: _Dtype, x: Tensor, axes: Tensor) -> Tensor:
    for axis in sorted(axes.tolist()):
        x = x.unsqueeze(axis)
    return x


def _expand(_: _Attributes, __: _Dtype, x: Tensor, shape: Tensor) -> Tensor:
    return x * torch.ones(shape.tolist(), dtype=x.dtype, device=x.device)


def _pad(
    _: _Attributes, __: _Dtype, x: Tensor, pads: Tensor, value: Tensor | None = None, *_rest: object
) -> Tensor:
    before, after = pads.tolist()[: x.ndim], pads.tolist()[x.ndim :]
    sides = [side for pair in zip(before[::-1], after[::-1], strict=True) for side in pair]
    return functional.pad(x, sides, value=0.0 if value is None else float(value))


def _range(_: _Attributes, __: _Dtype, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    return torch.arange(start.item(), limit.item(), delta.item(), device=start.device)


def _clip(
    _: _Attributes, __: _Dtype, x: Tensor, low: Tensor | None = None, high: Tensor | None = None
) -> Tensor:
    return x.clamp(low, high)


def _reduce(
    reduction: Callable[..., Tensor],
    attributes: _Attributes,
    _: _Dtype,
    x: Tensor,
    axes: Tensor | None = None,
) -> Tensor:
    dims = list(range(x.ndim)) if axes is None else axes.tolist()
    return reduction(x, dim=dims, keepdim=bool(attributes.get("keepdims", 1)))


def _gemm(
    attributes: _Attributes, _: _Dtype, x: Tensor, y: Tensor, bias: Tensor | None = None
) -> Tensor:
    x = x.T if attributes.get("transA", 0) else x
    y = y.T if attributes.get("transB", 0) else y
    product = torch.matmul(x, y) * float(attributes.get("alpha", 1.0))
    return product if bias is None else product + bias * float(attributes.get("beta", 1.0))


def _batch_norm(attributes: _Attributes, _: _Dtype, x: Tensor, *arrays: Tensor) -> Tensor:
    scale, bias, mean, variance = arrays
    return functional.batch_norm(x, mean, variance, scale, bias, eps=attributes["epsilon"])


def _split(
    attributes: _Attributes, _: _Dtype, x: Tensor, sizes: Tensor | None = None
) -> tuple[Tensor, ...]:
    axis = attributes.get("axis", 0)
    if sizes is None:
        return x.tensor_split(attributes["num_outputs"], axis)
    return x.split_with_sizes(sizes.tolist(), axis)


def _plain(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """An operator without attributes."""
    return lambda _attributes, _dtype, *inputs: function(*inputs)


_OPERATORS: dict[str, _Operator] = {
    "Add": _plain(torch.add),
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda attributes, _, *parts: torch.cat(parts, attributes["axis"]),
    "Conv": _conv,
    "Div": _divide,
    "Erf": _plain(torch.erf),
    "Exp": _plain(torch.exp),
    "Expand": _expand,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _plain(lambda x: x.mean((2, 3), keepdim=True)),
    "HardSigmoid": lambda one, _, x: (one.get("alpha", 0.2) * x + one.get("beta", 0.5)).clamp(0, 1),
    "Identity": _plain(lambda x: x),
    "MatMul": _plain(torch.matmul),
    "Max": _plain(torch.maximum),
    "MaxPool": _max_pool,
    "Min": _plain(torch.minimum),
    "Mul": _plain(torch.mul),
    "Neg": _plain(torch.neg),
    "Pad": _pad,
    "Pow": _plain(torch.pow),
    "Range": _range,
    "ReduceMean": partial(_reduce, torch.mean),
    "ReduceSum": partial(_reduce, torch.sum),
    "Relu": _plain(torch.relu),
    "Reshape": _reshape,
    "Shape": _shape,
    "Sigmoid": _plain(torch.sigmoid),
    "Slice": _slice,
    "Softmax": lambda one, _, x: x.softmax(one.get("axis", -1)),
    "Split": _split,
    "Sqrt": _sqrt,
    "Squeeze": _squeeze,
    "Sub": _plain(torch.sub),
    "Tanh": _plain(torch.tanh),
    "Transpose": lambda one, _, x: x.permute(one["perm"]),
    "Unsqueeze": _unsqueeze,
}
