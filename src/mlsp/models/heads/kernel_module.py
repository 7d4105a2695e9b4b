"""Torch module of a fitted kernel head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.models.heads.square_roots import roots_of_narrow
from mlsp.models.kernel_form import MIN_SQUARE
from mlsp.models.network_form import NetworkForm, array_names


class KernelModule(nn.Module):
    """A fitted kernel head as a torch module: (N, 1, 1, C) -> (N,).

    Args:
        scale: (C,) of the signed square roots of features.
        mean: (C,) of scaled roots, taken off them.
        axes: (C, D) from these to components.
        support: (S, D) components of the rated photos.
        weight: (S,) of their similarities.
        bias: of the score.
        steepness: of the similarity.
        networks: whose scores are added.
        in_8_bits: round axes and support by `in_steps`, if they are not rounded yet; a graph of it then has a quarter of the size.

    Attributes:
        stored_in_8_bits: names of the arrays that a graph stores so: whole numbers, -127 to 127.
    """

    scale: Tensor
    mean: Tensor
    axes: Tensor
    axes_step: Tensor
    support: Tensor
    support_step: Tensor
    support_norms: Tensor
    weight: Tensor
    bias: Tensor
    slope: Tensor

    def __init__(
        self,
        scale: Float64Array,
        mean: Float64Array,
        axes: Float32Array,
        support: Float32Array,
        weight: Float64Array,
        bias: float,
        *,
        steepness: float,
        networks: Sequence[NetworkForm] = (),
        in_8_bits: bool = False,
    ) -> None:
        super().__init__()
        self.stored_in_8_bits = ("axes", "support") if in_8_bits else ()
        no_step = np.ones(axes.shape[1], dtype=np.float32)
        (axes, axes_step), (support, support_step) = (
            in_steps(array) if in_8_bits else (array, no_step) for array in (axes, support)
        )
        norms = ((support * support_step).astype(np.float64) ** 2).sum(axis=1)
        self.networks = len(networks)
        of_networks = (
            (name, getattr(network, attribute))
            for number, network in enumerate(networks)
            for attribute, name in array_names(number).items()
        )
        for name, array in (
            *of_networks,
            ("scale", scale),
            ("mean", mean),
            ("axes", axes),
            ("axes_step", axes_step),
            # As it is multiplied: a graph keeps arrays only as it reads them.
            ("support", support.T),
            ("support_step", support_step),
            ("support_norms", norms),
            ("weight", weight),
            ("bias", np.asarray(bias)),
            ("slope", np.asarray([-steepness])),
        ):
            self.register_buffer(name, torch.from_numpy(np.array(array, dtype=np.float32)))

    def forward(self, features: Tensor) -> Tensor:
        """Score features: (N, 1, 1, C) -> (N,)."""
        roots = roots_of_narrow(features)
        # Steps are multiplied outside the products: engines would take an array of 8 bits with its steps for leave to round photos too.
        photos = ((roots * self.scale - self.mean) @ self.axes) * self.axes_step
        norms = (photos * photos).sum(dim=1, keepdim=True)
        # Not torch.cdist, which ONNX lacks.
        squares = norms + self.support_norms - 2 * (photos * self.support_step) @ self.support
        similarity = torch.exp((squares.clamp(min=0) + MIN_SQUARE).sqrt() * self.slope)
        scores = similarity @ self.weight + self.bias
        for number in range(self.networks):
            scores = scores + self._of_network(number, photos)
        return scores

    def _of_network(self, number: int, photos: Tensor) -> Tensor:
        array = {attribute: getattr(self, name) for attribute, name in array_names(number).items()}
        first = silu(photos @ array["first"] + array["first_bias"])
        second = silu(first @ array["second"] + array["second_bias"])
        scores: Tensor = second @ array["last"]
        return scores


def in_steps(array: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Round each column of an array, (rows, columns), to 127 steps up and down: whole numbers, and the step of each column."""
    step = np.maximum(np.abs(array).max(axis=0), np.float32(1e-30)) / np.float32(127)
    return np.rint(array / step), step
