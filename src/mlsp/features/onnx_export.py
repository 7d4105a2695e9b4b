"""torch -> ONNX: one graph from 8-bit photos of any size to features, and heads from features to scores."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from mlsp.backbones.convolution import ConvBatchNorm, fold_batch_norms
from mlsp.backbones.padding import SameConv2d
from mlsp.backbones.pooled import PooledNetwork
from mlsp.backbones.weights.loading import load_network
from mlsp.base.atomic_file import atomic_write
from mlsp.base.errors import EngineError, MlspError, ModelError, WeightsError
from mlsp.features.engines.openvino_engine import OpenVinoEngine
from mlsp.features.engines.torch_engine import TorchEngine

if TYPE_CHECKING:
    from mlsp.backbones import BackboneSpec
    from mlsp.features.spec import FeatureSpec

_OPSET = 18
# Sides that no reduction divides, and none of the traced ones. Rounding differs by about 1e-6.
_CHECKED_SIZES = ((131, 197), (301, 163))
_MAX_DIFFERENCE = 1e-4
# Smaller arrays gain nothing from 16 bits, and biases lose accuracy.
_MIN_HALF_ELEMENTS = 1024


class _OnnxSameConv2d(nn.Module):
    """`SameConv2d` with a folded batch norm as one ONNX operator.

    Its padding depends on the photo's size. Traced, that would be a dozen nodes per convolution; ONNX's SAME_UPPER is the same
    arithmetic, and engines run it inside the convolution.
    """

    def __init__(self, conv: SameConv2d) -> None:
        super().__init__()
        self.weight = conv.weight
        self.bias = conv.bias
        self.stride = conv.stride
        self.attributes: dict[str, int | str | Sequence[int]] = {
            "auto_pad": "SAME_UPPER",
            "strides": [conv.stride] * 2,
            "group": conv.groups,
            "kernel_shape": [conv.kernel_size] * 2,
        }

    def forward(self, x: Tensor) -> Tensor:
        # Rounded up. Torch simplifies a row of these to one division; of (side + stride - 1) // stride each would hold the one before,
        # and an export of wide features took half as long again.
        height, width = ((side - 1) // self.stride + 1 for side in x.shape[2:])
        out: Tensor = torch.onnx.ops.symbolic(
            "Conv",
            (x, self.weight, self.bias),
            attrs=self.attributes,  # type: ignore[arg-type]  # dicts are invariant
            dtype=x.dtype,
            shape=(x.shape[0], self.weight.shape[0], height, width),
        )
        return out


def export_backbone(
    network: nn.Module,
    spec: BackboneSpec,
    output: Path,
    *,
    grid: int,
    levels: tuple[str, ...] | None = None,
    half_weights: bool = False,
) -> None:
    """Write a network with its preprocessing and pooling as one ONNX graph for photos of any size.

    The graph's input `photos` is uint8 (N, H, W, 3), its output `features` float32 (N, G, G, C).

    Args:
        network: as `mlsp.backbones.weights.loading.load_network` returns it; not changed.
        spec: its record.
        output: file to write; there whole or not at all.
        grid: cells of each side of a pooled map.
        levels: names of the levels to keep; all by default.
        half_weights: store the weights in 16 bits: half the size, and features that differ by about 1e-3 of their spread.

    Raises:
        ModelError: torch cannot export the network.
    """
    network = copy.deepcopy(network).eval()
    fold_batch_norms(network)
    for unit in network.modules():
        if isinstance(unit, ConvBatchNorm) and isinstance(unit.conv, SameConv2d):
            unit.conv = _OnnxSameConv2d(unit.conv)  # type: ignore[assignment]
    side = max(spec.smallest_side, 96)
    example = torch.zeros(2, side, side + 32, 3, dtype=torch.uint8)
    pooled = PooledNetwork(network, spec, grid, levels=levels).eval()
    model = _export(pooled, example, ("photos", "features"), (0, 1, 2))
    _unshare_biases(model)
    if half_weights:
        _store_weights_in_16_bits(model)
    _write(model, output)


def export_weights(
    spec: BackboneSpec, weights: Path, feature_spec: FeatureSpec, output: Path
) -> None:
    """Write the network with these weights; see `export_backbone`. One whose export is not sure is compared with its graph.

    Args:
        spec: record of the network.
        weights: file of its weights.
        feature_spec: levels and grid of the features, SHA-256 of the weights.
        output: file to write.

    Raises:
        WeightsError: the weights cannot be read, or are others.
        ModelError: torch cannot export the network, or the graph computes something else than the network.
    """
    network, sha256 = load_network(spec, weights)
    if sha256 != feature_spec.weights_sha256:
        raise WeightsError(f"weights file {weights} changed while it was read: try again")
    grid, levels = feature_spec.grid, feature_spec.levels
    if spec.export == "sure":
        export_backbone(network, spec, output, grid=grid, levels=levels)
        return
    try:
        export_backbone(network, spec, output, grid=grid, levels=levels)
        check_graph(network, spec, output, feature_spec)
    except Exception as error:
        output.unlink(missing_ok=True)
        if isinstance(error, EngineError):
            raise ModelError(str(error)) from error
        if isinstance(error, OSError | MemoryError | MlspError):
            raise
        # torch and OpenVINO may raise anything for networks that nobody has tried.
        raise ModelError(f"{type(error).__name__}: {error}") from error


def check_graph(
    network: nn.Module, spec: BackboneSpec, file: Path, feature_spec: FeatureSpec
) -> None:
    """Check a graph against its network on noise of other sizes than the traced one.

    Args:
        network: as `export_backbone` took it.
        spec: its record.
        file: the graph.
        feature_spec: of its features.

    Raises:
        ModelError: they differ by more than rounding, or the graph cannot be read.
    """
    graph = OpenVinoEngine(file, feature_spec, precision="float32", streams=1)
    itself = TorchEngine(network, spec, feature_spec, device="cpu", precision="float32")
    rng = np.random.default_rng(0)
    for size in _CHECKED_SIZES:
        height, width = (max(side, spec.smallest_side) for side in size)
        photos = rng.integers(0, 256, (1, height, width, 3), dtype=np.uint8)
        expected = itself.pooled(photos)
        difference = float(np.abs(graph.pooled(photos) - expected).max() / np.abs(expected).max())
        if not difference <= _MAX_DIFFERENCE:
            raise ModelError(
                f"the exported graph of {spec.name} differs from the network by {difference:.1e} of its largest feature on"
                f" photos of {width}×{height}, expected at most {_MAX_DIFFERENCE:.0e}: run the network by torch"
            )


def export_head(
    head: nn.Module,
    channels: int,
    output: Path,
    *,
    grid: int,
    outputs: tuple[str, ...] = ("scores",),
) -> None:
    """Write a head or classifier as an ONNX graph.

    The graph's input `features` is float32 (N, G, G, C). Its outputs are float32: `scores` (N,) of a head, `votes` (N, bins) of one that
    predicts the distribution of votes too, each row adding up to 1; `probabilities` (N, labels) of a classifier.

    Args:
        head: from (N, G, G, C) to one output, or to a tuple of several.
        channels: C.
        output: file to write.
        grid: G.
        outputs: their names, in order.
    """
    example = torch.zeros(2, grid, grid, channels)
    model = _export(copy.deepcopy(head).eval(), example, ("features", *outputs), (0,))
    for name in getattr(head, "stored_in_8_bits", ()):
        _store_in_8_bits(model, name)
    _write(model, output)


def _export(
    module: nn.Module,
    example: Tensor,
    names: tuple[str, ...],
    dynamic: tuple[int, ...],
) -> onnx.ModelProto:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with torch.no_grad(), warnings.catch_warnings():
        # The exporter warns of its own use of parts of torch that are to go.
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                input_names=names[:1],
                output_names=names[1:],
                dynamic_shapes=(dict.fromkeys(dynamic, torch.export.Dim.DYNAMIC),),
                opset_version=_OPSET,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            reason = _first_cause(error)
            raise ModelError(
                f"torch cannot export the network to ONNX: {reason}. Run it by torch"
            ) from error
    if program is None:
        raise RuntimeError("torch's ONNX exporter returned nothing")
    graph: onnx.ModelProto = program.model_proto
    graph.ClearField("doc_string")
    for node in graph.graph.node:
        # Stack traces of the machine that exported it: size without use.
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    graph.graph.ClearField("value_info")
    graph.graph.ClearField("metadata_props")
    return graph


def _first_cause(error: BaseException) -> str:
    """Return the cause of an error in a line; torch's own message is advice to the network's author."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _write(model: onnx.ModelProto, output: Path) -> None:
    with atomic_write(output) as file:
        file.write(model.SerializeToString())


def _unshare_biases(model: onnx.ModelProto) -> None:
    """Give each convolution a bias of its own, where a network uses its weights several times.

    OpenVINO computes bias and activation inside a convolution only if nothing else reads the bias; else each is a pass over the map of
    its own, together a sixth of the time (docs/results/speed.md).
    """
    arrays = {array.name: array for array in model.graph.initializer}
    read: set[str] = set()
    for node in model.graph.node:
        if node.op_type != "Conv" or len(node.input) < 3:
            continue
        bias = node.input[2]
        if bias in read:
            copied = onnx.TensorProto()
            copied.CopyFrom(arrays[bias])
            copied.name = node.input[2] = f"{bias}_of_{node.output[0]}"
            model.graph.initializer.append(copied)
        read.add(bias)


def _store_weights_in_16_bits(model: onnx.ModelProto) -> None:
    """Change a graph so that its large arrays are float16, cast back to float32 where they are used."""
    casts = []
    for array in model.graph.initializer:
        values = onnx.numpy_helper.to_array(array)
        if values.dtype != np.float32 or values.size < _MIN_HALF_ELEMENTS:
            continue
        name = array.name
        array.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(
            onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])


def _store_in_8_bits(model: onnx.ModelProto, name: str) -> None:
    """Change a graph so that one array, of whole numbers, is int8 and cast where it is used."""
    (array,) = (array for array in model.graph.initializer if array.name == name)
    values = onnx.numpy_helper.to_array(array).astype(np.int8)
    array.CopyFrom(onnx.numpy_helper.from_array(values, f"{name}_in_8_bits"))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    cast = onnx.helper.make_node("Cast", [f"{name}_in_8_bits"], [name], to=onnx.TensorProto.FLOAT)
    model.graph.node.extend([cast, *nodes])
