"""Computes the maps of a network's levels before pooling."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlsp.base.arrays import Float32Array, UInt8Array
from mlsp.base.errors import ModelError
from mlsp.features.engines.compiled_graph import CompiledGraph
from mlsp.features.spec import map_name

# Operations between pooling and output, which concatenates the levels' channels, channels last.
_PASSED_THROUGH = frozenset({"Transpose", "Reshape", "Convert", "Squeeze", "Unsqueeze"})


class LevelMaps:
    """Computes the maps of a network by OpenVINO in float32. Several threads may call it at once.

    Args:
        file: the network's graph, as `mlsp.features.onnx_export.export_backbone` writes it.
        levels: names of its levels, in the order of the channels.
        channels: of all levels together.

    Raises:
        ModelError: the graph cannot be read, or does not pool its maps as ours do.
    """

    def __init__(self, file: Path, *, levels: tuple[str, ...], channels: int) -> None:
        def add_maps(graph: Any) -> None:
            maps = _named_maps(graph, levels) or list(_before_pooling(graph.output(0), file))
            self.channels = tuple(map(_channels, maps))
            if len(maps) != len(levels) or sum(self.channels) != channels:
                raise _unknown(
                    file,
                    f"{len(maps)} maps of {sum(self.channels)} channels before its pooling,"
                    f" expected {len(levels)} of {channels}",
                )
            graph.add_outputs(maps)

        config = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1}
        self._graph = CompiledGraph(file, config, prepare=add_maps)

    def __call__(self, view: UInt8Array) -> list[Float32Array]:
        """Compute the maps of one view.

        Args:
            view: RGB, (H, W, 3).

        Returns:
            One (C, h, w) map per level.

        Raises:
            EngineError: the network failed.
        """
        # The first output is the features.
        outputs = self._graph.outputs(view[None], 1 + len(self.channels))
        return [level[0] for level in outputs[1:]]


def _named_maps(graph: Any, levels: tuple[str, ...]) -> list[Any]:
    """Return the tensors of the levels' maps; none in a graph that was exported before they had names."""
    outputs = [output for node in graph.get_ops() for output in node.outputs()]
    named = {name: output for output in outputs for name in output.get_names()}
    return [named[name] for name in map(map_name, levels) if name in named]


def _before_pooling(output: Any, file: Path) -> Iterator[Any]:
    """Walk, in a graph without names of maps, from the output back to the tensors that are pooled, in the order of their channels."""
    node = output.get_node()
    operation = node.get_type_name()
    sources = [entry.get_source_output() for entry in node.inputs()]
    if operation in _PASSED_THROUGH or operation == "Result":
        yield from _before_pooling(sources[0], file)
    elif operation == "Concat":
        for source in sources:
            yield from _before_pooling(source, file)
    elif operation == "ReduceMean":
        yield sources[0]
    elif operation == "MatMul" and sources[0].get_node().get_type_name() == "MatMul":
        # Rows · map · columns, see `mlsp.backbones.pooled.area_pool`.
        yield sources[0].get_node().input(1).get_source_output()
    else:
        raise _unknown(file, f"{operation!r} where its pooling was expected")


def _channels(level: Any) -> int:
    shape = level.get_partial_shape()
    return int(shape[1].get_length()) if len(shape) == 4 and shape[1].is_static else 0


def _unknown(file: Path, found: str) -> ModelError:
    return ModelError(
        f"scores of {file.parent} cannot be explained: its network has {found}."
        " Explain them by a model whose network mlsp has exported"
    )
