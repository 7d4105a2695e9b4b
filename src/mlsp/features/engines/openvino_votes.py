"""Predicts distributions of votes: the second output of a head's graph, whose mean is the score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import EngineError, ModelError
from mlsp.features.engines.openvino_runtime import core
from mlsp.features.engines.openvino_runtime import runtime as ov

_CHECKED_ROWS = 4
# Between the score and the mean of the distribution, of the bins' range. Rounding makes about 1e-7.
_MAX_DIFFERENCE = 1e-4


class OpenVinoVotes:
    """Head on the processor, in float32, that predicts the distribution of votes; opened by `open_votes`.

    Args:
        compiled: graph from features (N, G, G, C) to scores (N,) and shares (N, bins).
    """

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._shape = tuple(int(side.get_length()) for side in compiled.input(0).partial_shape[1:])

    def predict(self, features: Float32Array) -> Float32Array:
        """Predict shares of the votes. Not from several threads at once.

        Args:
            features: (N, G, G, C).

        Returns:
            (N, bins), each row adding up to 1.

        Raises:
            EngineError: the features have another shape.
        """
        return self._infer(features)[1]

    def matches(self, bins: Sequence[float]) -> bool:
        """Return whether the mean over these bins is the score, so that the shares are theirs."""
        noise = np.random.default_rng(0).random((_CHECKED_ROWS, *self._shape), np.float32)
        scores, shares = self._infer(noise)
        values: Float64Array = np.asarray(bins, dtype=np.float64)
        difference = float(np.abs(shares @ values - scores).max())
        return difference <= _MAX_DIFFERENCE * float(values.max() - values.min())

    def _infer(self, features: Float32Array) -> tuple[Float32Array, Float32Array]:
        # OpenVINO reads the array without a copy, for which it must be contiguous and writable.
        tensor = ov.Tensor(np.require(features, requirements=["C", "W"]), shared_memory=True)
        try:
            self._request.set_input_tensor(tensor)
            self._request.infer()
        except RuntimeError as error:
            raise EngineError(
                f"the head failed on an input of shape {features.shape}: {str(error).strip()}"
            ) from error
        scores, shares = (np.array(self._request.get_output_tensor(index).data) for index in (0, 1))
        return scores, shares


def open_votes(file: Path, bins: Sequence[float]) -> OpenVinoVotes | None:
    """Open a head for the distribution that its score is the mean of.

    Args:
        file: ONNX graph from features (N, G, G, C) to scores (N,) and votes (N, bins).
        bins: ratings that people could give, ascending.

    Returns:
        None where the head predicts scores only, or votes for other bins.

    Raises:
        ModelError: the graph cannot be read.
    """
    graph, count = _read(file)
    return _compiled(file, graph, bins) if count == len(bins) else None


def open_even_votes(
    file: Path, lowest: float, highest: float
) -> tuple[tuple[float, ...], OpenVinoVotes | None]:
    """Open a head for votes of ratings at even steps over its scale.

    Args:
        file: see `open_votes`.
        lowest: end of the scale.
        highest: other end of it.

    Returns:
        The ratings, ascending, and the head; None where it predicts scores only, or votes for other ratings.

    Raises:
        ModelError: the graph cannot be read.
    """
    graph, count = _read(file)
    bins = tuple(np.linspace(lowest, highest, count).tolist())
    return bins, _compiled(file, graph, bins) if bins else None


def _read(file: Path) -> tuple[Any, int]:
    """Return a head's graph with its votes as the second output, and the number of their bins, 0 where it has none."""
    with _naming(file):
        graph = core.read_model(file)
        if len(graph.outputs) == 1:
            # Heads that were written before votes were an output hold them inside.
            inside = [node for node in graph.get_ops() if node.get_type_name() == "Softmax"]
            graph.add_outputs([node.output(0) for node in inside])
        if len(graph.outputs) != 2:
            return graph, 0
        shape = graph.output(1).partial_shape
        if shape.rank.get_length() != 2 or shape[1].is_dynamic:
            return graph, 0
        return graph, int(shape[1].get_length())


def _compiled(file: Path, graph: Any, bins: Sequence[float]) -> OpenVinoVotes | None:
    """Return the head of a graph; None where its votes are for other bins."""
    config = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1}
    with _naming(file):
        votes = OpenVinoVotes(core.compile_model(graph, "CPU", config))
    return votes if votes.matches(bins) else None


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Name the file of a graph that cannot be read or compiled."""
    try:
        yield
    except RuntimeError as error:
        raise ModelError(
            f"{file} cannot be compiled: {str(error).strip()}. Install the model again"
        ) from error
