"""Heads as the released Keras code saves them, and what they compute, in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.float32]]

_EPSILON = 1e-3
_UNITS = ("branch_1x1", "3x3_1x1", "3x3_1x3", "3x3_3x1", "branch_pool")
# Keras lists layers by their depth, and so mixes the columns.
_POOL_LAYERS = [
    *("input_1", "3x3_1x1_conv", "3x3_1x1_bn", "3x3_1x1", "avg_pool_2d", "3x3_1x3_conv"),
    *("3x3_3x1_conv", "branch_1x1_conv", "branch_pool_conv", "3x3_1x3_bn", "3x3_3x1_bn"),
    *("branch_1x1_bn", "branch_pool_bn", "3x3_1x3", "3x3_3x1", "branch_1x1", "branch_3x3"),
    *("branch_pool", "mixed_final", "final_GAP"),
]
_HEAD_LAYERS = [f"head_{kind}{number}" for number in range(3) for kind in ("fc", "bn", "do")]


def seeded_head(channels: int, first: int, *, column: int | None = None, seed: int = 0) -> Arrays:
    """Arrays of Single-3FC, or with `column` of the released Pool-3FC, by `layer/array`; statistics far from 0 and 1."""
    rng = np.random.default_rng(seed)
    arrays: Arrays = {}

    def kernel(layer: str, *shape: int) -> None:
        deviation = np.float32(np.sqrt(2 / np.prod(shape[:-1])))
        arrays[f"{layer}/kernel"] = rng.standard_normal(shape, np.float32) * deviation

    def norm(layer: str, width: int, *, scale: bool) -> None:
        if scale:
            arrays[f"{layer}/gamma"] = rng.uniform(0.5, 1.5, width).astype(np.float32)
        arrays[f"{layer}/beta"] = rng.normal(0, 0.2, width).astype(np.float32)
        arrays[f"{layer}/moving_mean"] = rng.normal(0, 0.2, width).astype(np.float32)
        arrays[f"{layer}/moving_variance"] = rng.uniform(0.5, 2, width).astype(np.float32)

    if column is not None:
        half = column // 2
        shapes = [
            *((1, 1, channels, column), (1, 1, channels, column), (1, 3, column, half)),
            *((3, 1, column, half), (1, 1, channels, column)),
        ]
        for unit, shape in zip(_UNITS, shapes, strict=True):
            kernel(f"{unit}_conv", *shape)
            norm(f"{unit}_bn", shape[-1], scale=False)
        channels = 3 * column
    widths = (channels, first, first // 2, first // 8)
    for number in range(3):
        kernel(f"head_fc{number}", widths[number], widths[number + 1])
        arrays[f"head_fc{number}/bias"] = rng.normal(0, 0.1, widths[number + 1]).astype(np.float32)
        norm(f"head_bn{number}", widths[number + 1], scale=True)
    kernel("head_out", widths[3], 1)
    arrays["head_out/bias"] = np.full(1, 5, np.float32)
    return arrays


def write_keras(file: Path, arrays: Mapping[str, NDArray[np.float32]], *, whole: bool) -> None:
    """Write arrays as Keras 2 does: `model.save_weights`, or with `whole` `model.save`."""
    is_pool = "branch_1x1_conv/kernel" in arrays
    layers = [*(_POOL_LAYERS if is_pool else ["input_1"]), *_HEAD_LAYERS, "head_out"]
    layers += sorted({name.partition("/")[0] for name in arrays} - set(layers))
    with h5py.File(file, "w") as root:
        group = root.create_group("model_weights") if whole else root
        if whole:
            root.attrs["model_config"] = b'{"class_name": "Model"}'
            optimizer = root.create_group("optimizer_weights")
            optimizer.attrs["weight_names"] = np.asarray([b"Adam/iterations:0"])
            optimizer["Adam/iterations:0"] = np.int64(9)
        group.attrs["layer_names"] = np.asarray([layer.encode() for layer in layers])
        group.attrs["backend"] = b"tensorflow"
        group.attrs["keras_version"] = b"2.2.4"
        for layer in layers:
            own = group.create_group(layer)
            names = [name for name in arrays if name.partition("/")[0] == layer]
            own.attrs["weight_names"] = np.asarray([f"{name}:0".encode() for name in names] or [])
            for name in names:
                own.create_dataset(f"{name}:0", data=arrays[name])


def predict(
    arrays: Mapping[str, NDArray[np.float32]], features: NDArray[np.float32]
) -> NDArray[np.float64]:
    """What Keras would compute, in float64: (N, C) or (N, 5, 5, C) -> (N,)."""

    def array(name: str) -> NDArray[np.float64]:
        return arrays[name].astype(np.float64)

    def norm(layer: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
        scale = array(f"{layer}/gamma") if f"{layer}/gamma" in arrays else 1
        deviation = np.sqrt(array(f"{layer}/moving_variance") + _EPSILON)
        result: NDArray[np.float64] = (x - array(f"{layer}/moving_mean")) / deviation * scale
        return result + array(f"{layer}/beta")

    def unit(name: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
        kernel = array(f"{name}_conv/kernel")
        height, width = kernel.shape[:2]
        edges = ((0, 0), (height // 2, height // 2), (width // 2, width // 2), (0, 0))
        padded = np.pad(x, edges)
        moved = [
            padded[:, i : i + x.shape[1], j : j + x.shape[2]] @ kernel[i, j]
            for i in range(height)
            for j in range(width)
        ]
        activations: NDArray[np.float64] = norm(f"{name}_bn", np.sum(moved, axis=0))
        return np.maximum(activations, 0)

    x = features.astype(np.float64)
    if x.ndim == 4:
        edges = ((0, 0), (1, 1), (1, 1), (0, 0))
        padded, ones = np.pad(x, edges), np.pad(np.ones_like(x[..., :1]), edges)
        windows = [(slice(i, i + 5), slice(j, j + 5)) for i in range(3) for j in range(3)]
        total = np.sum([padded[:, rows, columns] for rows, columns in windows], axis=0)
        means = total / np.sum([ones[:, rows, columns] for rows, columns in windows], axis=0)
        reduced = unit("3x3_1x1", x)
        three = [unit("3x3_1x3", reduced), unit("3x3_3x1", reduced)]
        x = np.concatenate([unit("branch_1x1", x), *three, unit("branch_pool", means)], axis=3)
        x = x.mean(axis=(1, 2))
    for number in range(3):
        x = x @ array(f"head_fc{number}/kernel") + array(f"head_fc{number}/bias")
        x = norm(f"head_bn{number}", np.maximum(x, 0))
    result: NDArray[np.float64] = x @ array("head_out/kernel") + array("head_out/bias")
    return result[:, 0]
