"""Files of weights -> arrays by the file's own names: Keras HDF5, safetensors, PyTorch."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from mlsp.base.errors import WeightsError

Container = Literal["HDF5", "safetensors", "PyTorch"]

# Layers that Keras names by itself, with a number that counts them.
_NUMBERED = re.compile(r"(conv2d|batch_normalization)(?:_(\d+))?")


def read_arrays(file: Path) -> tuple[Container, dict[str, Tensor]]:
    """Read all arrays of a file.

    Args:
        file: its format is recognised by its content, not by its name.

    Returns:
        The format, and the arrays by the file's own names. From Keras they are called `layer/array`, with numbers that count from 1;
        kernels are in torch's order (out, in, height, width).

    Raises:
        WeightsError: the file is missing, damaged or of another format.
    """
    try:
        with file.open("rb") as content:
            start = content.read(9)
    except OSError as error:
        raise WeightsError(f"cannot read weights file {file}: {error}") from error
    try:
        if start.startswith(b"\x89HDF\r\n\x1a\n"):
            with h5py.File(file, "r") as root:
                return "HDF5", _keras_arrays(root, file)
        if start[8:] == b"{":
            return "safetensors", safetensors.torch.load_file(file)
        if start.startswith((b"PK\x03\x04", b"\x80")):
            return "PyTorch", _torch_arrays(file)
    except (
        *(OSError, KeyError, ValueError, RuntimeError, EOFError),
        *(pickle.UnpicklingError, safetensors.SafetensorError),
    ) as error:
        raise WeightsError(f"weights file {file} is damaged: {error}") from error
    raise WeightsError(
        f"{file} is not a file of weights: expected Keras HDF5, safetensors or PyTorch"
    )


def _torch_arrays(file: Path) -> dict[str, Tensor]:
    state = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(state, dict) or not all(
        isinstance(value, Tensor) for value in state.values()
    ):
        raise WeightsError(
            f"{file} holds something else than a state dict: expected arrays by name"
        )
    return {str(name): value for name, value in state.items()}


def _keras_arrays(root: h5py.File, file: Path) -> dict[str, Tensor]:
    # A whole saved model has its weights one group deeper.
    weights = root.get("model_weights", root)
    layers = _attribute(weights, "layer_names")
    if layers is None:
        raise WeightsError(
            f"{file} is not in the layout of Keras 2 (it has no attribute layer_names): save it by model.save_weights('name.h5')"
            " of Keras 2 or tf.keras"
        )
    numbered = _renumbered(layers)
    arrays: dict[str, Tensor] = {}
    for layer in layers:
        group = weights[layer]
        for weight in _attribute(group, "weight_names") or ():
            array = weight.rpartition("/")[2].partition(":")[0]
            name = f"{numbered[layer]}/{array}"
            if name in arrays:
                raise WeightsError(f"{file} holds {name} twice")
            values = torch.from_numpy(np.asarray(group[weight]))
            is_kernel = array == "kernel" and values.ndim == 4
            arrays[name] = values.permute(3, 2, 0, 1).contiguous() if is_kernel else values
    return arrays


def _attribute(group: h5py.Group, name: str) -> list[str] | None:
    """Read a list of names: bytes or str by the version that wrote it, and in numbered pieces where it is long."""
    if name in group.attrs:
        pieces = [group.attrs[name]]
    else:
        pieces = []
        while f"{name}{len(pieces)}" in group.attrs:
            pieces.append(group.attrs[f"{name}{len(pieces)}"])
        if not pieces:
            return None
    return [
        value.decode() if isinstance(value, bytes) else str(value)
        for piece in pieces
        for value in piece
    ]


def _renumbered(layers: Iterable[str]) -> dict[str, str]:
    """Renumber layers that Keras named, counting from 1.

    Keras 2 does so; tf.keras and Keras 3 leave the first number out, so that their `conv2d_1` is the second; and all go on counting
    where a process makes several models.
    """
    numbers: dict[str, tuple[str, int]] = {}
    for layer in layers:
        match = _NUMBERED.fullmatch(layer)
        if match:
            numbers[layer] = (match[1], int(match[2] or 0))
    first: dict[str, int] = {}
    for layer_type, number in numbers.values():
        first[layer_type] = min(number, first.get(layer_type, number))
    return {
        layer: f"{numbers[layer][0]}_{numbers[layer][1] - first[numbers[layer][0]] + 1}"
        if layer in numbers
        else layer
        for layer in layers
    }
