"""A small network of a kernel head, as arrays: it reads the same components, and its output is added to the score."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

from mlsp.base.arrays import Float32Array, Float64Array


class Graph(Protocol):
    """Graph of a head that is open."""

    def array(self, name: str) -> Float32Array:
        """Return an array of the graph by its name."""

    def has_array(self, name: str) -> bool:
        """Return whether the graph has an array of this name."""


@dataclass(frozen=True, slots=True)
class NetworkForm:
    """Network of two hidden layers, whose activation is x · sigmoid(x) (SiLU: Elfwing, Uchibe and Doya 2018).

    Attributes:
        first: (D, H) weights of the first layer, on components.
        first_bias: (H,).
        second: (H, K).
        second_bias: (K,).
        last: (K,) weights of the second layer in the score. It has no bias: that of the head stands for it.
    """

    first: Float64Array
    first_bias: Float64Array
    second: Float64Array
    second_bias: Float64Array
    last: Float64Array

    @classmethod
    def read_all(cls, graph: Graph) -> tuple[NetworkForm, ...]:
        """Read the arrays of a graph's networks, of which there may be none.

        Raises:
            ModelError: a network lacks an array.
        """
        networks: list[NetworkForm] = []
        while graph.has_array(array_names(len(networks))["first"]):
            names = array_names(len(networks)).values()
            networks.append(cls(*(graph.array(name).astype(np.float64) for name in names)))
        return tuple(networks)

    def scores(self, photos: Float64Array) -> Float64Array:
        """Return what the network adds to the scores of photos: (photos, D) components -> (photos,)."""
        hidden = _silu(photos @ self.first + self.first_bias)
        scores: Float64Array = _silu(hidden @ self.second + self.second_bias) @ self.last
        return scores


def array_names(number: int) -> dict[str, str]:
    """Return the names of a network's arrays in a graph, by its attributes: networks are numbered from 0."""
    return {field.name: f"network_{number}_{field.name}" for field in fields(NetworkForm)}


def _silu(values: Float64Array) -> Float64Array:
    return values * _sigmoid(values)


def _sigmoid(values: Float64Array) -> Float64Array:
    # By tanh, which overflows nowhere.
    return (1 + np.tanh(values / 2)) / 2
