"""Graph of a network or head -> outputs on the processor by OpenVINO, whose exceptions are translated here."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import EngineError, ModelError
from mlsp.features.engines.openvino_runtime import core
from mlsp.features.engines.openvino_runtime import runtime as ov

# A float32 that is no number, and none that a computation gives.
_NOT_WRITTEN = 0x7FC0_DEAD


class CompiledGraph:
    """Compiled graph with one input, callable from several threads at once.

    Args:
        file: ONNX graph.
        config: of OpenVINO.
        prepare: called with the graph that was read, which it may change, before it is compiled.

    Raises:
        ModelError: the graph cannot be read.
    """

    def __init__(
        self,
        file: Path,
        config: dict[str, Any],
        prepare: Callable[[Any], None] = lambda graph: None,
    ) -> None:
        try:
            graph = core.read_model(file)
            prepare(graph)
            self._compiled = core.compile_model(graph, "CPU", config)
        except RuntimeError as error:
            raise ModelError(
                f"{file} cannot be compiled: {str(error).strip()}. Install the model again"
            ) from error
        # A request holds the working memory of one inference, so each thread has its own.
        self._own = threading.local()

    @property
    def input_channels(self) -> int:
        """Length of the input's last axis."""
        return int(self._compiled.input(0).partial_shape[-1].get_length())

    @property
    def output_channels(self) -> int:
        """Length of the output's last axis."""
        return int(self._compiled.output(0).partial_shape[-1].get_length())

    @property
    def output_rank(self) -> int:
        """Number of axes of the output."""
        return int(self._compiled.output(0).partial_shape.rank.get_length())

    def __call__(self, array: np.ndarray[Any, Any]) -> Float32Array:
        """Compute the first output."""
        return self.outputs(array, 1)[0]

    def outputs(self, array: np.ndarray[Any, Any], count: int) -> list[Float32Array]:
        """Compute the first outputs.

        Raises:
            EngineError: the network failed on this input.
        """
        (request,) = self._requests(1)
        # Kept until the end: the request itself does not keep the array.
        tensor = _tensor(array)
        with _translated(array):
            _clear(request, count)
            request.set_input_tensor(tensor)
            request.infer()
            return [_output(request, index) for index in range(count)]

    def in_parts(self, array: np.ndarray[Any, Any], rows: int, at_once: int) -> Float32Array:
        """Compute the first output, for some rows of the input at a time.

        Args:
            array: input.
            rows: of a part, at least 1.
            at_once: parts computed at the same time, at least 1; more than there are streams wait.

        Raises:
            EngineError: the network failed on this input.
        """
        parts = [_tensor(array[start : start + rows]) for start in range(0, len(array), rows)]
        requests = self._requests(min(at_once, len(parts)))
        running: deque[Any] = deque()
        found = []
        with _translated(array):
            try:
                for part, request in zip(parts, itertools.cycle(requests)):
                    if len(running) == len(requests):
                        found.append(_waited(running.popleft()))
                    _clear(request, 1)
                    request.set_input_tensor(part)
                    request.start_async()
                    running.append(request)
                while running:
                    found.append(_waited(running.popleft()))
            finally:
                # After a failure: those that still run read the array.
                for request in running:
                    with suppress(RuntimeError):
                        request.wait()
        return np.concatenate(found)

    def _requests(self, count: int) -> list[Any]:
        requests: list[Any] = self._own.__dict__.setdefault("requests", [])
        while len(requests) < count:
            requests.append(self._compiled.create_infer_request())
        return requests[:count]


def _waited(request: Any) -> Float32Array:
    request.wait()
    return _output(request, 0)


def _tensor(array: np.ndarray[Any, Any]) -> Any:
    # OpenVINO reads the array without a copy, for which it must be contiguous and writable.
    return ov.Tensor(np.require(array, requirements=["C", "W"]), shared_memory=True)


def _clear(request: Any, count: int) -> None:
    # By one thread OpenVINO 2026.4 says nothing of an input that it cannot take: the result before would be taken for this one's.
    for index in range(count):
        request.get_output_tensor(index).data.view(np.uint32).fill(_NOT_WRITTEN)


def _output(request: Any, index: int) -> Float32Array:
    # The request overwrites its outputs at the next call.
    output = np.array(request.get_output_tensor(index).data)
    if (output.view(np.uint32) == _NOT_WRITTEN).all():
        raise RuntimeError("it gave no result")
    return output


@contextmanager
def _translated(array: np.ndarray[Any, Any]) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        raise EngineError(
            f"the network failed on an input of shape {array.shape}: {str(error).strip()}"
        ) from error
