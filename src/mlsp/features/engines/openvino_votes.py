"""Predicts distributions of votes: the second output of a head's graph, whose mean is the score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.features.engines.compiled_graph import CompiledGraph

_CHECKED_ROWS = 4
# Between the score and the mean of the distribution, of the bins' range. Rounding makes about 1e-7.
_MAX_DIFFERENCE = 1e-4


class OpenVinoVotes:
    """Head on the processor, in float32, that predicts the distribution of votes; opened by `open_votes`.

    Args:
        graph: from features (N, G, G, C) to scores (N,) and shares (N, bins).
    """

    def __init__(self, graph: CompiledGraph) -> None:
        self._graph = graph

    def predict(self, features: Float32Array) -> Float32Array:
        """Predict shares of the votes.

        Args:
            features: (N, G, G, C).

        Returns:
            (N, bins), each row adding up to 1.

        Raises:
            EngineError: the features have another shape.
        """
        return self._graph.outputs(features, 2)[1]

    def matches(self, bins: Sequence[float]) -> bool:
        """Return whether the mean over these bins is the score, so that the shares are theirs."""
        shape = _CHECKED_ROWS, *self._graph.row_shape
        scores, shares = self._graph.outputs(np.random.default_rng(0).random(shape, np.float32), 2)
        values: Float64Array = np.asarray(bins, dtype=np.float64)
        difference = float(np.abs(shares @ values - scores).max())
        return difference <= _MAX_DIFFERENCE * float(values.max() - values.min())


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
    return _opened(file, lambda count: tuple(bins) if count == len(bins) else ())[1]


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
    return _opened(file, lambda count: tuple(np.linspace(lowest, highest, count).tolist()))


class _NoVotesError(Exception):
    """A head's graph predicts scores only, or votes for other bins."""


def _opened(
    file: Path, bins_of: Callable[[int], tuple[float, ...]]
) -> tuple[tuple[float, ...], OpenVinoVotes | None]:
    """Return the bins that are expected of so many, and the head; None, without compiling it, where none are expected."""
    bins: tuple[float, ...] = ()

    def prepare(graph: Any) -> None:
        nonlocal bins
        bins = bins_of(_with_votes(graph))
        if not bins:
            raise _NoVotesError

    config = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1}
    try:
        votes = OpenVinoVotes(CompiledGraph(file, config, prepare, noun="head"))
    except _NoVotesError:
        return bins, None
    return bins, votes if votes.matches(bins) else None


def _with_votes(graph: Any) -> int:
    """Make a head's votes the second output of its graph, and return the number of their bins, 0 where it has none."""
    if len(graph.outputs) == 1:
        # Heads that were written before votes were an output hold them inside.
        inside = [node for node in graph.get_ops() if node.get_type_name() == "Softmax"]
        graph.add_outputs([node.output(0) for node in inside])
    if len(graph.outputs) != 2:
        return 0
    shape = graph.output(1).partial_shape
    return 0 if shape.rank.get_length() != 2 or shape[1].is_dynamic else int(shape[1].get_length())
