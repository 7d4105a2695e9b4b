"""Graph of a network or head -> outputs on the processor by OpenVINO, whose exceptions are translated here."""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import EngineError, ModelError
from mlsp.base.machine import check_not_forked
from mlsp.features.engines.openvino_runtime import core
from mlsp.features.engines.openvino_runtime import runtime as ov


class CompiledGraph:
    """Compiled graph with one input, callable from several threads at once. After a fork of the process it raises SettingsError.

    Args:
        file: ONNX graph.
        config: of OpenVINO.
        prepare: called with the graph that was read, which it may change, before it is compiled.
        noun: of what the graph is, for messages.

    Raises:
        ModelError: the graph cannot be read.
    """

    def __init__(
        self,
        file: Path,
        config: dict[str, Any],
        prepare: Callable[[Any], None] = lambda graph: None,
        *,
        noun: str = "network",
    ) -> None:
        try:
            graph = core.read_model(file)
            prepare(graph)
            self._compiled = core.compile_model(graph, "CPU", config)
        except RuntimeError as error:
            raise ModelError(
                f"{file} cannot be compiled: {str(error).strip()}. Install the model again"
            ) from error
        self._noun = noun
        self._opened_by = os.getpid()
        # Requests hold the working memory of one inference each, so each thread has its own.
        self._own = threading.local()

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of a row of the input, of a graph that takes only one."""
        return tuple(int(side.get_length()) for side in self._compiled.input(0).partial_shape[1:])

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
        return self._computed(array, max(1, len(array)), 1, count)[0]

    def in_parts(self, array: np.ndarray[Any, Any], rows: int, at_once: int) -> Float32Array:
        """Compute the first output, for some rows of the input at a time.

        Args:
            array: input.
            rows: of a part, at least 1.
            at_once: parts computed at the same time, at least 1; more than there are streams wait.

        Raises:
            EngineError: the network failed on this input.
        """
        parts = self._computed(array, rows, at_once, 1)
        return np.concatenate([output for (output,) in parts])

    def _computed(
        self, array: np.ndarray[Any, Any], rows: int, at_once: int, count: int
    ) -> list[list[Float32Array]]:
        """Compute the first outputs of each part of so many rows."""
        check_not_forked(self._opened_by, self._noun)
        # OpenVINO reads the array without a copy, for which it must be contiguous and writable, and kept until the end.
        ready = np.require(array, requirements=["C", "W"])
        starts = range(0, max(1, len(ready)), rows)
        requests = self._requests(min(at_once, len(starts)))
        running: deque[Any] = deque()
        outputs = []
        try:
            for start, request in zip(starts, itertools.cycle(requests)):
                if len(running) == len(requests):
                    outputs.append(_waited(running.popleft(), count))
                request.set_input_tensor(ov.Tensor(ready[start : start + rows], shared_memory=True))
                # By one thread `infer` says nothing of an input that it cannot take, and leaves the result before (OpenVINO 2026.4).
                request.start_async()
                running.append(request)
            while running:
                outputs.append(_waited(running.popleft(), count))
        except (RuntimeError, MemoryError) as error:
            raise EngineError(
                f"the {self._noun} failed on an input of shape {array.shape}: {str(error).strip()}"
            ) from error
        finally:
            # After a failure: those that still run read the array.
            for request in running:
                with suppress(RuntimeError):
                    request.wait()
        return outputs

    def _requests(self, count: int) -> list[Any]:
        requests: list[Any] = self._own.__dict__.setdefault("requests", [])
        while len(requests) < count:
            requests.append(self._compiled.create_infer_request())
        return requests[:count]


def _waited(request: Any, count: int) -> list[Float32Array]:
    request.wait()
    # The request overwrites its outputs at the next call.
    return [np.array(request.get_output_tensor(index).data) for index in range(count)]
