"""Reference features that Keras computed, the networks they are of, and how far other features are from them."""

from __future__ import annotations

import csv
import functools
import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from mlsp.backbones import BackboneSpec, backbone
from mlsp.backbones.weights.loading import load_network

Features = Mapping[str, NDArray[np.float32]]

# Largest difference over a level's root mean square. float32 noise is below 7e-5; the smallest mistake tried gives .036.
TOLERANCE = 3e-4

PHOTOS = [
    *("beach_120x90", "boat_200x150", "city_800x533", "dog_497x629"),
    *("flowers_500x400", "mountain_629x497", "sunflower_333x500", "zebra_299x299"),
]
# Of InceptionResNet-v2; all photos have wide features of Inception-v3.
WIDE_PHOTOS = ["beach_120x90", "flowers_500x400"]


def read_pixels(reference_data: Path, photo: str) -> NDArray[np.uint8]:
    """(H, W, 3) RGB."""
    file = reference_data / "golden/images" / f"{photo}.png"
    return np.array(Image.open(file).convert("RGB"))


def level_errors(
    spec: BackboneSpec,
    found: NDArray[np.float32],
    expected: NDArray[np.float32],
    *,
    of_all: bool = False,
) -> dict[str, float]:
    """Largest difference of each level over the level's root mean square.

    Args:
        spec: record of the network.
        found: (..., C).
        expected: reshaped to the same.
        of_all: the root mean square of the differences in place of the largest.
    """
    assert found.shape[-1] == spec.channels
    expected = expected.reshape(found.shape)
    errors, start = {}, 0
    for level in spec.levels:
        own = slice(start, start + level.channels)
        start += level.channels
        reference = expected[..., own].astype(np.float64)
        squares = (found[..., own] - reference) ** 2
        error = np.sqrt(squares.mean() if of_all else squares.max())
        errors[level.name] = float(error / np.sqrt(np.mean(reference**2)))
    return errors


@functools.cache
def read_features(reference_data: Path, name: str) -> Features:
    """Reference features by `<photo>.png/narrow` and `…/wide`."""
    spec = backbone(name)
    with np.load(reference_data / "golden" / f"{name}.npz") as stored:
        features = {key: stored[key] for key in stored.files}
    assert features["levels"].tolist() == [level.name for level in spec.levels]
    assert features["channels"].tolist() == [level.channels for level in spec.levels]
    return features


@functools.cache
def golden_network(reference_data: Path, name: str) -> nn.Module:
    """The network whose features the reference is; not to be changed, as several tests share it."""
    with tempfile.TemporaryDirectory() as folder:
        file = golden_weights(reference_data, name, Path(folder))
        network, sha256 = load_network(backbone(name), file)
    if name == "inception_v3":
        assert sha256 == "9ca76003ab092b549d6214145a346d89c1ca5f32586d8db6ec9a12f2faf3fcf5"
    return network


def golden_weights(reference_data: Path, name: str, folder: Path) -> Path:
    """The file of the network's weights; the seeded ones of InceptionResNet-v2 are written to `folder`."""
    if name == "inception_v3":
        return reference_data / "weights/inception_v3_real_notop.h5"
    file = folder / "seeded_notop.h5"
    if not file.exists():
        write_seeded_weights(reference_data / "golden" / f"{name}_weights.csv", file)
    return file


def write_seeded_weights(table: Path, file: Path) -> None:
    with table.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 896
    with h5py.File(file, "w") as root:
        layers = list(dict.fromkeys(row["layer"] for row in rows))
        root.attrs["layer_names"] = np.asarray([layer.encode() for layer in layers])
        for layer in layers:
            own = [row for row in rows if row["layer"] == layer]
            names = [f"{layer}/{row['weight']}:0" for row in own]
            group = root.create_group(layer)
            group.attrs["weight_names"] = np.asarray([name.encode() for name in names])
            for name, row in zip(names, own, strict=True):
                group.create_dataset(name, data=_seeded_array(row))


def _seeded_array(row: Mapping[str, str]) -> NDArray[np.float32]:
    """One array of the seeded InceptionResNet-v2, as the reference data's README defines it."""
    rng = np.random.default_rng(int(row["seed"]))
    shape = tuple(map(int, row["shape"].split("x")))
    match row["weight"]:
        case "kernel":
            values = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:3]))
        case "bias":
            values = np.zeros(shape)
        case "moving_variance":
            values = rng.uniform(0.5, 1.5, shape)
        case _:
            values = rng.standard_normal(shape) * 0.1
    array: NDArray[np.float32] = values.astype("<f4")
    assert hashlib.sha256(array.tobytes()).hexdigest() == row["sha256"], row
    return array
